package consul

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/isthmus-dns/isthmus/catalog"
)

func ref(name, owner string) catalog.Ref {
	return catalog.Ref{Key: catalog.Key{Namespace: "consul", Name: name}, Owner: owner}
}

func get(s *catalog.Snapshot, name, owner string) *catalog.Service {
	return s.Get("consul/test", ref(name, owner))
}

func TestNativeComesChangesAndGoes(t *testing.T) {
	empty(t)
	cat := watching(t, open(t, "reader"))
	start := time.Now()
	register(t, "vm", "life-1", "Life", "10.2.0.1", 80, "passing")
	wait(t, cat, "service", func(s *catalog.Snapshot) bool { return get(s, "life", "") != nil })
	t.Logf("a new service shows after %v", time.Since(start))
	start = time.Now()
	register(t, "vm", "life-1", "Life", "10.2.0.1", 80, "critical")
	wait(t, cat, "a failing check", func(s *catalog.Snapshot) bool { return get(s, "life", "").ReadyEndpoints() == 0 })
	t.Logf("a check shows after %v", time.Since(start))
	register(t, "vm", "life-2", "life", "10.2.0.2", 80, "passing")
	wait(t, cat, "another instance, in another case", func(s *catalog.Snapshot) bool { return len(get(s, "life", "").Endpoints) == 2 })
	deregister(t, "vm", "life-1")
	wait(t, cat, "one left", func(s *catalog.Snapshot) bool { return len(get(s, "life", "").Endpoints) == 1 })
	deregister(t, "vm", "life-2")
	wait(t, cat, "absence", func(s *catalog.Snapshot) bool { return get(s, "life", "") == nil })
}

func TestManyNatives(t *testing.T) {
	empty(t)
	const n = 300
	for i := range n {
		register(t, fmt.Sprintf("vm-%d", i%5), fmt.Sprintf("many-%d", i), fmt.Sprintf("many-%d", i), "10.2.0.1", 80, "passing")
	}
	cat := watching(t, open(t, "reader"))
	for i := range n {
		if get(cat.Snapshot(), fmt.Sprintf("many-%d", i), "") == nil {
			t.Fatalf("many-%d is missing", i)
		}
	}
	start := time.Now()
	register(t, "vm-2", "many-7", "many-7", "10.2.0.9", 80, "passing")
	wait(t, cat, "change", func(s *catalog.Snapshot) bool {
		return get(s, "many-7", "").Endpoints[0].Host.String() == "10.2.0.9" || len(get(s, "many-7", "").Endpoints) > 1
	})
	t.Logf("one change among %d native services shows after %v", n, time.Since(start))
	call(t, "PUT", "/v1/catalog/deregister", api.CatalogDeregistration{Node: "vm-3"}, nil)
	wait(t, cat, "a node's services gone", func(s *catalog.Snapshot) bool { return s.State("consul/test").Services == n-n/5 })
}

// A check of a node, and a mirror that others change, are seen as well.
func TestSeesWhatOthersDoToMirrors(t *testing.T) {
	empty(t)
	w := open(t, "own")
	claim(t, w)
	cat := watching(t, w)
	watcher := watching(t, open(t, "reader"))
	s := mirror("own", "seen", 2)
	mustPut(t, w, s)
	for _, c := range []*catalog.Catalog{cat, watcher} {
		wait(t, c, "mirror", func(s *catalog.Snapshot) bool { return get(s, "seen", "own") != nil })
	}
	s.Endpoints[1].Ready = false
	mustPut(t, w, s)
	wait(t, watcher, "check", func(s *catalog.Snapshot) bool { return get(s, "seen", "own").ReadyEndpoints() == 1 })
	s.Endpoints[1].Ready = true
	mustPut(t, w, s)
	wait(t, watcher, "check", func(s *catalog.Snapshot) bool { return get(s, "seen", "own").ReadyEndpoints() == 2 })
	node := w.layout.node("own", "seen")
	call(t, "PUT", "/v1/catalog/register", api.CatalogRegistration{Node: node, SkipNodeUpdate: true,
		Check: &api.AgentCheck{Node: node, CheckID: "_node_maintenance", Name: "m", Status: "critical"}}, nil)
	wait(t, watcher, "maintenance", func(s *catalog.Snapshot) bool { return get(s, "seen", "own").ReadyEndpoints() == 0 })
	call(t, "PUT", "/v1/catalog/deregister", api.CatalogDeregistration{Node: node}, nil)
	for _, c := range []*catalog.Catalog{cat, watcher} {
		wait(t, c, "absence", func(s *catalog.Snapshot) bool { return get(s, "seen", "own") == nil })
	}
}

// A name that holds no service, as sidecars of a mesh, is read once.
func TestSidecarsAreReadOnce(t *testing.T) {
	empty(t)
	var reads atomic.Int64
	at := through(t, func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/v1/health/service/web-sidecar-proxy" && !r.URL.Query().Has("filter") {
			reads.Add(1)
		}
		return false
	})
	call(t, "PUT", "/v1/catalog/register", api.CatalogRegistration{Node: "vm", Address: "10.255.0.1",
		Service: &api.AgentService{Kind: api.ServiceKindConnectProxy, Service: "web-sidecar-proxy", Port: 1,
			Proxy: &api.AgentServiceConnectProxyConfig{DestinationServiceName: "web"}}}, nil)
	r, err := configure(t, at).Reader(quiet())
	if err != nil {
		t.Fatal(err)
	}
	cat := watching(t, r)
	for _, name := range []string{"a", "b", "c"} { // each takes a round
		register(t, "vm", name, name, "10.2.0.1", 80, "passing")
		wait(t, cat, name, func(s *catalog.Snapshot) bool { return get(s, name, "") != nil })
	}
	if n := reads.Load(); n != 1 {
		t.Errorf("read %d times, want 1", n)
	}
	deregister(t, "vm", "web-sidecar-proxy")
	register(t, "vm", "web", "web-sidecar-proxy", "10.2.0.1", 80, "passing")
	wait(t, cat, "a service of that name", func(s *catalog.Snapshot) bool { return get(s, "web-sidecar-proxy", "") != nil })
}

// A native instance under the name of a mirror shows, however many mirrors there are.
func TestNativeBesideMirror(t *testing.T) {
	empty(t)
	w := open(t, "own")
	claim(t, w)
	cat := watching(t, w)
	s := mirror("own", "both", 1)
	mustPut(t, w, s)
	register(t, "vm", "both-1", "both", "10.2.0.1", 80, "passing")
	snap := wait(t, cat, "native", func(s *catalog.Snapshot) bool { return get(s, "both", "") != nil })
	if get(snap, "both", "own") == nil {
		t.Fatal("the mirror is gone")
	}
	var before, after []*api.ServiceEntry
	native := func(into *[]*api.ServiceEntry) {
		call(t, "GET", "/v1/health/service/both?filter="+url.QueryEscape(nativeEntries), nil, into)
	}
	native(&before)
	s.Endpoints[0].Weight = 5
	mustPut(t, w, s)
	for _, r := range w.Delete(t.Context(), []*catalog.Service{s}) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	if get(cat.Snapshot(), "both", "own") != nil || get(cat.Snapshot(), "both", "") == nil {
		t.Error("Delete returned before the feed showed it, or took the native service")
	}
	native(&after)
	if len(after) != 1 || after[0].Service.ModifyIndex != before[0].Service.ModifyIndex {
		t.Errorf("the native instance was touched: %+v", after)
	}
}

const nativeEntries = `"isthmus-owner" not in Service.Meta`

// through returns a URL by which the server is reached by way of edit, which
// may answer itself.
func through(t *testing.T, edit func(w http.ResponseWriter, r *http.Request) (answered bool)) string {
	target, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !edit(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(front.Close)
	return front.URL
}

// What Consul answers when it cannot answer well ends a Watch and deletes nothing.
func TestBadAnswers(t *testing.T) {
	for _, tt := range []struct {
		name, path string
		answer     func(http.ResponseWriter) bool
		want       string
	}{
		{"filtered list", "/v1/catalog/services", header("X-Consul-Results-Filtered-By-ACLs", "true"), "access rules"},
		{"filtered service", "/v1/health/service/", header("X-Consul-Results-Filtered-By-ACLs", "true"), "access rules"},
		{"list without Consul itself", "/v1/catalog/services", code(200, "{}"), "access rules"},
		{"too many", "/v1/catalog/services", code(429, "rate limit"), "429"},
		{"no leader", "/v1/health/service/", code(500, "No cluster leader"), "No cluster leader"},
		{"unavailable", "/v1/health/state/", code(503, ""), "503"},
		{"a page of something else", "/v1/catalog/services", code(200, "<html>"), "decode"},
		{"cut short", "/v1/catalog/nodes", code(200, "[{"), "decode"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			empty(t)
			register(t, "vm", "bad-1", "bad-1", "10.2.0.1", 80, "passing")
			broken := make(chan struct{})
			at := through(t, func(w http.ResponseWriter, r *http.Request) bool {
				return isBroken(r, broken) && strings.HasPrefix(r.URL.Path, tt.path) && tt.answer(w)
			})
			r, err := configure(t, at).Reader(quiet())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { r.Close() })
			cat := catalog.New(catalog.Policy{})
			done := make(chan error, 1)
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			go func() { done <- r.Watch(ctx, cat.Feed("consul/test")) }()
			wait(t, cat, "report", func(s *catalog.Snapshot) bool { return s.Synced("consul/test") })
			close(broken)
			deregister(t, "vm", "bad-1")
			if err := <-done; err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Watch = %v, want %q", err, tt.want)
			}
			if get(cat.Snapshot(), "bad-1", "") == nil {
				t.Error("the service was taken away")
			}
		})
	}
}

// isBroken reports whether Consul answers badly by now. A query that blocks waits for
// that: one that reached Consul before would be answered well by what is changed
// after, and all that the others say then is right.
func isBroken(r *http.Request, broken <-chan struct{}) bool {
	if index := r.URL.Query().Get("index"); index != "" && index != "0" {
		select {
		case <-broken:
		case <-r.Context().Done():
		}
	}
	select {
	case <-broken:
		return true
	default:
		return false
	}
}

func header(name, value string) func(http.ResponseWriter) bool {
	return func(w http.ResponseWriter) bool {
		w.Header().Set(name, value)
		return false
	}
}

func code(n int, text string) func(http.ResponseWriter) bool {
	return func(w http.ResponseWriter) bool {
		w.Header().Set("X-Consul-Index", "1")
		w.WriteHeader(n)
		fmt.Fprint(w, text)
		return true
	}
}

// An index that goes backwards means that all is read again.
func TestIndexBackwards(t *testing.T) {
	empty(t)
	m := newMover(server.URL())
	front := httptest.NewServer(m)
	defer front.Close()
	register(t, "vm", "back-1", "back-1", "10.2.0.1", 80, "passing")
	register(t, "vm", "back-2", "back-2", "10.2.0.1", 80, "passing")
	r, err := configure(t, front.URL).Reader(quiet())
	if err != nil {
		t.Fatal(err)
	}
	cat := watching(t, r)
	m.forget(func() {
		deregister(t, "vm", "back-1")
		register(t, "vm", "back-2", "back-2", "10.2.0.9", 80, "passing")
	})
	wait(t, cat, "what changed meanwhile", func(s *catalog.Snapshot) bool {
		two := get(s, "back-2", "")
		return get(s, "back-1", "") == nil && two != nil && two.Endpoints[0].Host.String() == "10.2.0.9"
	})
	register(t, "vm", "back-3", "back-3", "10.2.0.1", 80, "passing")
	wait(t, cat, "what comes after", func(s *catalog.Snapshot) bool { return get(s, "back-3", "") != nil })
}

// A restarted server is the same registry.
func TestIdentity(t *testing.T) {
	c := open(t, "reader")
	first, err := c.client.identity(t.Context())
	if err != nil || !strings.HasPrefix(string(first), "consul:dc1:") || len(first) < 30 {
		t.Fatalf("identity = %q, %v", first, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := server.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	for {
		again, err := c.client.identity(ctx)
		if err == nil {
			if again != first {
				t.Errorf("identity = %q after a restart, %q before", again, first)
			}
			return
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

// Without a certificate authority the servers stand for the datacenter, and
// one that is replaced makes no other registry of it.
func TestIdentityWithoutAuthority(t *testing.T) {
	var answer atomic.Pointer[string]
	say := func(dc, id string) {
		text := fmt.Sprintf(`[{"Node": {"ID": %q, "Datacenter": %q}}]`, id, dc)
		answer.Store(&text)
	}
	roots := code(500, "Connect must be enabled in order to use this endpoint")
	at := through(t, func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/v1/connect/ca/roots" {
			return roots(w)
		}
		return code(200, *answer.Load())(w)
	})
	r, err := configure(t, at).Reader(quiet())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ dc, id, want string }{
		{"dc1", "b", "consul:dc1:b"},
		{"dc1", "a", "consul:dc1:b"},
		{"dc1", "c", "consul:dc1:b"},
		{"dc2", "d", "consul:dc2:d"},
	} {
		say(tt.dc, tt.id)
		got, err := r.(*consul).client.identity(t.Context())
		if err != nil || string(got) != tt.want {
			t.Errorf("identity with server %q in %q = %q, %v, want %q", tt.id, tt.dc, got, err, tt.want)
		}
	}
}

// A Watch leaves no goroutine behind.
func TestWatchEnds(t *testing.T) {
	c := open(t, "reader")
	c.Close()
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(t.Context())
	cat := catalog.New(catalog.Policy{})
	done := make(chan error)
	go func() { done <- c.Watch(ctx, cat.Feed("consul/test")) }()
	wait(t, cat, "report", func(s *catalog.Snapshot) bool { return s.Synced("consul/test") })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Watch = %v", err)
	}
	c.Close()
	ctx, cancel = context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for runtime.NumGoroutine() > before {
		if sleep(ctx, 5*time.Millisecond) != nil {
			buf := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, %d before\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
	}
}
