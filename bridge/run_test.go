package bridge

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/memory"
)

// place is a registry in the test; all who open it share it.
type place struct {
	*memory.Server

	mu     sync.Mutex     // guards following
	opened map[string]int // by owner
	closed int
}

// places are all registries of a test.
type places map[catalog.Origin]*place

func newPlaces(t *testing.T, texts map[catalog.Origin]string) places {
	t.Helper()
	all := places{}
	for o, text := range texts {
		p := &place{Server: memory.NewServer(catalog.Identity("id:" + string(o))), opened: map[string]int{}}
		p.AddNamespace("consul")
		services, err := catalog.ParseText(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range services {
			p.Set(s)
		}
		all[o] = p
	}
	return all
}

func (all places) open(o catalog.Origin, owner string) registry.Writer {
	p := all[o]
	p.mu.Lock()
	defer p.mu.Unlock()
	p.opened[owner]++
	return &client{p.Writer(owner), p}
}

type client struct {
	registry.Writer
	place *place
}

func (c *client) Close() error {
	c.place.mu.Lock()
	c.place.closed++
	c.place.mu.Unlock()
	return c.Writer.Close()
}

const twoWays = `
bridge prod {
    kubernetes prod
    consul dc1
    consul spare
    mirror kubernetes/prod consul/dc1
    mirror consul/dc1 kubernetes/prod {
        namespace consul
    }
    mirror consul/spare consul/dc1
    lead none
}
`

func twoWaysPlaces(t *testing.T) places {
	return newPlaces(t, map[catalog.Origin]string{
		"kubernetes/prod": "service shop/web ClusterIP\n\tendpoint 10.0.0.1 id=a ready\n",
		"consul/dc1":      "service consul/db Headless\n\tendpoint 10.0.0.2 id=a ready\n",
		"consul/spare":    "",
	})
}

func opened(t *testing.T, text string, all places, log io.Writer) *Bridge {
	t.Helper()
	c, err := Parse("isthmus.conf", []byte(text), kinds(all.open), noEnv)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Open(c, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRun holds that the rules follow and that Run leaves nothing behind: the
// bubble does not end before the last goroutine in it.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := twoWaysPlaces(t)
		all["consul/spare"].Link().Cut()
		b := opened(t, twoWays, all, t.Output())
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- b.Run(ctx) }()
		time.Sleep(time.Second)
		synctest.Wait()
		st := b.Status()
		for _, o := range st.Origins[:2] {
			if o.Services != 2 {
				t.Errorf("%s: %d services, want 2", o.Origin, o.Services)
			}
		}
		for i, want := range []string{"", "", "consul/spare is not known yet"} {
			if got := st.Rules[i].Blocked; got != want {
				t.Errorf("rule %s: blocked by %q, want %q", st.Rules[i].Rule, got, want)
			}
		}
		if _, err := json.Marshal(st.Rules); err != nil {
			t.Error(err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if err := b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		for o, p := range all {
			if p.closed != 1 {
				t.Errorf("%s: closed %d times", o, p.closed)
			}
		}
		if spare := all["consul/spare"].opened; spare["prod"] != 0 || spare[""] != 1 {
			t.Errorf("a registry that is nobody's target was opened %v", spare)
		}
	})
}

func TestPlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := twoWaysPlaces(t)
		var waited [][]catalog.Origin
		plan := func() (puts []int, err error) {
			b := opened(t, twoWays, all, t.Output())
			defer b.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			plans, err := b.Plan(ctx, func(all []catalog.Origin) { waited = append(waited, all) })
			for _, p := range plans {
				puts = append(puts, len(p.Puts))
			}
			return puts, err
		}
		before := all["consul/dc1"].Stamp()
		puts, err := plan()
		if err != nil || len(puts) != 3 || puts[0] != 1 || puts[1] != 1 || puts[2] != 0 {
			t.Errorf("puts %v, %v; want [1 1 0]", puts, err)
		}
		if after := all["consul/dc1"].Stamp(); after != before {
			t.Errorf("a plan wrote:\n%s", after)
		}
		all["consul/spare"].Link().Cut()
		if _, err := plan(); err == nil || !strings.HasPrefix(err.Error(), `read "consul/spare": `) {
			t.Errorf("with one down: %v", err)
		}
		if diff := cmp.Diff([][]catalog.Origin{{"consul/spare"}}, waited); diff != "" {
			t.Errorf("waited for (-want +got):\n%s", diff)
		}
	})
}

func TestRecheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := twoWaysPlaces(t)
		b := opened(t, twoWays, all, t.Output())
		defer b.Close()
		s, err := b.recheck(t.Context(), "kubernetes/prod")
		if err != nil || s.State("kubernetes/prod").Services != 1 || s.State("kubernetes/prod").Identity != "id:kubernetes/prod" {
			t.Errorf("recheck: %+v, %v", s, err)
		}
		if p := all["kubernetes/prod"]; p.closed != 1 {
			t.Errorf("closed %d times, want once", p.closed)
		}
		all["kubernetes/prod"].Link().Cut()
		if _, err := b.recheck(t.Context(), "kubernetes/prod"); err == nil {
			t.Error("recheck of a registry that is down: no error")
		}
	})
}

func TestPages(t *testing.T) {
	all := twoWaysPlaces(t)
	b := opened(t, twoWays, all, t.Output())
	defer b.Close()
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		b.pages().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}
	if code, body := get("/healthz"); code != 200 {
		t.Errorf("/healthz: %d %s", code, body)
	}
	if code, _ := get("/readyz"); code != 503 {
		t.Errorf("/readyz before the first sync: %d, want 503", code)
	}
	for o := range all {
		b.catalog.Feed(o).Replace(nil)
	}
	if code, body := get("/readyz"); code != 200 {
		t.Errorf("/readyz: %d %s", code, body)
	}
	code, body := get("/metrics")
	for _, want := range []string{`isthmus_rule_blocked{rule="kubernetes/prod:consul/dc1"} 1`, `isthmus_origin_synced{origin="consul/spare"} 1`} {
		if code != 200 || !strings.Contains(body, want) {
			t.Errorf("/metrics: %d without %s:\n%s", code, want, body)
		}
	}
}

// TestFencedOffIsUnready holds that a bridge which may not write any more says
// so where it is asked.
func TestFencedOffIsUnready(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := twoWaysPlaces(t)
		b := opened(t, strings.Replace(twoWays, "mirror consul/spare consul/dc1", "", 1), all, t.Output())
		defer b.Close()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- b.Run(ctx) }()
		settle := func() { time.Sleep(time.Second); synctest.Wait() }
		ready := func() (int, string) {
			w := httptest.NewRecorder()
			b.ready(w, nil)
			return w.Code, w.Body.String()
		}
		settle()
		if code, body := ready(); code != 200 {
			t.Errorf("ready: %d %s", code, body)
		}
		newer := all.open("consul/dc1", "prod")
		if err := newer.Claim(ctx, registry.Fence{Owner: "prod", Sources: []catalog.Identity{"id:kubernetes/prod"}}, true); err != nil {
			t.Fatal(err)
		}
		all["kubernetes/prod"].Remove(catalog.Ref{Key: catalog.Key{Namespace: "shop", Name: "web"}})
		settle()
		if code, body := ready(); code != 503 || !strings.HasPrefix(body, `consul/dc1: another writer of owner "prod" took over`) {
			t.Errorf("ready once fenced off: %d %s", code, body)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// TestMetricsAddress holds that an address that cannot be had ends Run at once.
func TestMetricsAddress(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	text := strings.Replace(twoWays, "lead none", "metrics "+l.Addr().String(), 1)
	b := opened(t, text, twoWaysPlaces(t), t.Output())
	defer b.Close()
	if err := b.Run(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "serve metrics: ") {
		t.Errorf("Run: %v", err)
	}
}
