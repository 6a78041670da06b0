package consul

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul/api"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

func putOne(t *testing.T, c *consul, s *catalog.Service) error {
	t.Helper()
	r := c.Put(t.Context(), []*catalog.Service{s})
	if r[0].Err == nil {
		s.Version = r[0].Version
	}
	return r[0].Err
}

func entries(t *testing.T, name string) (all []*api.ServiceEntry) {
	t.Helper()
	call(t, "GET", "/v1/health/service/"+name, nil, &all)
	return all
}

// What Consul's own page and its users see.
func TestWrittenForm(t *testing.T) {
	empty(t)
	c := open(t, "form")
	claim(t, c)
	s := mirror("form", "web", 1)
	s.Meta = map[string]string{"app.kubernetes.io/name": "web"}
	e := &s.Endpoints[0]
	e.Zone, e.Node, e.Pod, e.Weight, e.Tags = "z1", "n1", "web-0", 7, []string{"v1", "k8s"}
	e.Ports = append(e.Ports, catalog.Port{Name: "metrics", Proto: catalog.TCP, Number: 9090, App: "http"})
	mustPut(t, c, s)
	got := entries(t, "web")[0]
	if got.Service.Address != "10.1.0.0" || got.Service.Port != 8080 || fmt.Sprint(got.Service.Tags) != "[v1]" ||
		got.Service.Weights.Passing != 7 || got.Checks.AggregatedStatus() != "passing" {
		t.Errorf("instance %+v, checks %+v", got.Service, got.Checks)
	}
	for k, want := range map[string]string{
		"external-source": "kubernetes", "external-k8s-ns": "shop", "port-http": "8080", "port-metrics": "9090",
		"external-k8s-topology-zone": "z1", "external-k8s-ref-name": "web-0", "app_kubernetes_io_name": "web",
		"isthmus-owner": "form", "isthmus-of": "kubernetes:1", "isthmus-key": "shop/web", "isthmus-format": "1",
	} {
		if got.Service.Meta[k] != want {
			t.Errorf("metadata %q = %q, want %q", k, got.Service.Meta[k], want)
		}
	}
	if !strings.HasPrefix(got.Node.Node, "form-") || got.Node.Meta["external-source"] != "kubernetes" {
		t.Errorf("node %+v", got.Node)
	}
}

// TestInstances holds what tells instances apart, and what each one's check says.
func TestInstances(t *testing.T) {
	empty(t)
	c := open(t, "apart")
	claim(t, c)
	cat := watching(t, c)
	s := mirror("apart", strings.Repeat("x", maxName), 3)
	s.Endpoints[1].Host, s.Endpoints[1].Ports = s.Endpoints[0].Host, []catalog.Port{{Name: "http", Proto: catalog.TCP, Number: 8081}}
	s.Endpoints[2].Ready = false
	mustPut(t, c, s)
	ids := map[string]bool{}
	var got []string
	for _, e := range entries(t, s.Name) {
		ids[e.Service.ID] = true
		for _, check := range e.Checks {
			got = append(got, fmt.Sprintf("%s:%d %q %s %s %q", e.Service.Address, e.Service.Port, check.Name, check.Type, check.Status, check.Output))
		}
	}
	slices.Sort(got)
	want := []string{
		`10.1.0.0:8080 "Readiness at the origin" isthmus-readiness passing "ready"`,
		`10.1.0.0:8081 "Readiness at the origin" isthmus-readiness passing "ready"`,
		`10.1.0.2:8080 "Readiness at the origin" isthmus-readiness critical "not ready"`,
	}
	if diff := cmp.Diff(want, got); diff != "" || len(ids) != 3 {
		t.Errorf("%d instances: -want +got\n%s", len(ids), diff)
	}
	wait(t, cat, "the name in the feed", func(snap *catalog.Snapshot) bool { return get(snap, s.Name, "apart") != nil })
	reader, err := configure(t, server.URL()).Reader(quiet())
	if err != nil {
		t.Fatal(err)
	}
	other := watching(t, reader)
	wait(t, other, "the name for others", func(snap *catalog.Snapshot) bool { return get(snap, s.Name, "apart") != nil })
}

// Readiness is a matter of the check alone, and what stays is not written.
func TestWritesOnlyWhatChanged(t *testing.T) {
	empty(t)
	c := open(t, "least")
	claim(t, c)
	s := mirror("least", "web", 3)
	mustPut(t, c, s)
	before := stamp(t)
	mustPut(t, c, s)
	claim(t, open(t, "least"))
	if again := stamp(t); again != before {
		t.Errorf("putting the same wrote\n%s\nbefore\n%s", again, before)
	}
	was := entries(t, "web")
	s.Endpoints[1].Ready = false
	operations(t, c, s, 1)
	more := mirror("least", "web", 4)
	more.Version = s.Version
	operations(t, c, more, 3) // one that stands, compared; an instance and its check
	mustPut(t, c, s)
	moved := 0
	for i, e := range entries(t, "web") {
		if e.Service.ModifyIndex != was[i].Service.ModifyIndex {
			t.Errorf("instance %q was written", e.Service.ID)
		}
		if e.Checks[0].ModifyIndex != was[i].Checks[0].ModifyIndex {
			moved++
		}
	}
	if moved != 1 {
		t.Errorf("%d checks were written, want 1", moved)
	}
	s.Endpoints[1].Ready, s.Endpoints[1].Tags = true, []string{"v2"}
	mustPut(t, c, s)
	s.Endpoints = s.Endpoints[:2]
	mustPut(t, c, s)
	if got := len(entries(t, "web")); got != 2 {
		t.Errorf("%d instances, want 2", got)
	}
}

func TestFenceRefusesDeposed(t *testing.T) {
	empty(t)
	a, b := open(t, "led"), open(t, "led")
	s := mirror("led", "web", 1)
	if err := putOne(t, a, s); !errors.Is(err, registry.ErrFenced) {
		t.Errorf("Put before Claim = %v", err)
	}
	claim(t, a)
	mustPut(t, a, s)
	if err := b.Claim(t.Context(), registry.Fence{Owner: "led", Sources: []catalog.Identity{"kubernetes:1", "etcd:2"}}, true); err != nil {
		t.Fatal(err)
	}
	late := mirror("led", "late", 1)
	if err := putOne(t, a, late); !errors.Is(err, registry.ErrFenced) || errors.Is(err, registry.ErrNoFence) || len(entries(t, "late")) > 0 {
		t.Errorf("a deposed writer's Put = %v", err)
	}
	mustPut(t, b, late)
	foreign := registry.Fence{Owner: "led", Sources: []catalog.Identity{"kubernetes:9"}}
	if err := a.Claim(t.Context(), foreign, true); !errors.Is(err, registry.ErrForeignFence) {
		t.Errorf("Claim for other sources = %v", err)
	}
}

// A fence that somebody removed is no sign of another writer.
func TestFenceGone(t *testing.T) {
	empty(t)
	c := open(t, "gone")
	claim(t, c)
	s := mirror("gone", "web", 1)
	mustPut(t, c, s)
	call(t, "PUT", "/v1/catalog/deregister", api.CatalogDeregistration{Node: "gone-fence"}, nil)
	for range 2 {
		if err := putOne(t, c, mirror("gone", "late", 1)); !errors.Is(err, registry.ErrNoFence) || len(entries(t, "late")) > 0 {
			t.Errorf("Put without the fence = %v", err)
		}
	}
	if r := c.Delete(t.Context(), []*catalog.Service{s}); !errors.Is(r[0].Err, registry.ErrNoFence) || len(entries(t, "web")) == 0 {
		t.Errorf("Delete without the fence = %v", r[0].Err)
	}
	claim(t, c)
	mustPut(t, c, mirror("gone", "late", 1))
}

// Maintenance of a mirror is for those who read it: to its writer it differs
// in nothing that it could write.
func TestMaintenanceOfMirror(t *testing.T) {
	empty(t)
	c := open(t, "maint")
	claim(t, c)
	cat, watcher := watching(t, c), watching(t, open(t, "reader"))
	s := mirror("maint", "web", 2)
	mustPut(t, c, s)
	e := entries(t, "web")[0]
	call(t, "PUT", "/v1/catalog/register", api.CatalogRegistration{Node: e.Node.Node, SkipNodeUpdate: true,
		Check: &api.AgentCheck{Node: e.Node.Node, CheckID: "_service_maintenance:" + e.Service.ID, ServiceID: e.Service.ID, Name: "m", Status: "critical"}}, nil)
	wait(t, watcher, "maintenance", func(s *catalog.Snapshot) bool {
		web := get(s, "web", "maint")
		return web != nil && web.ReadyEndpoints() == 1
	})
	register(t, "vm", "later", "later", "10.2.0.1", 80, "passing")
	snap := wait(t, cat, "what came later", func(s *catalog.Snapshot) bool { return get(s, "later", "") != nil })
	want, err := c.Canon(s)
	if err != nil {
		t.Fatal(err)
	}
	got := get(snap, "web", "maint")
	if got == nil || !got.Same(want) {
		t.Errorf("its writer reads\n%s\nwant\n%s", text(got), want.Text())
	}
	before := stamp(t)
	mustPut(t, c, s)
	if stamp(t) != before {
		t.Error("a Put of what stands wrote")
	}
}

// Of a batch, what is in conflict and what is refused fails alone.
func TestBadOnesFailAlone(t *testing.T) {
	empty(t)
	c := open(t, "alone")
	claim(t, c)
	var all []*catalog.Service
	for i := range 100 {
		all = append(all, mirror("alone", fmt.Sprintf("web-%03d", i), 2))
	}
	mustPut(t, c, all[7], all[8])
	all[7].Version = ""               // in conflict
	all[8].Mark.Owner = "other"       // not ours
	all[9].Namespace = "elsewhere"    // cannot be held
	all[10].Version = "2;alone-00 x " // nonsense
	for i, r := range c.Put(t.Context(), all) {
		want := map[int]error{7: registry.ErrConflict, 8: registry.ErrNotOwned, 9: registry.ErrInvalid, 10: registry.ErrConflict}[i]
		if !errors.Is(r.Err, want) || r.Ref != all[i].Ref() {
			t.Errorf("Put of %d: %v, %v, want %v", i, r.Ref, r.Err, want)
		}
	}
}

// A name of a synthetic node that is somebody else's is left alone, and a node
// that was removed is made again.
func TestNodes(t *testing.T) {
	empty(t)
	c := open(t, "nodes", "nodes 1")
	claim(t, c)
	call(t, "PUT", "/v1/catalog/register", api.CatalogRegistration{Node: "nodes-00", Address: "10.0.0.7"}, nil)
	s := mirror("nodes", "web", 1)
	if err := putOne(t, c, s); !errors.Is(err, registry.ErrNotOwned) {
		t.Errorf("Put on a foreign node = %v", err)
	}
	call(t, "PUT", "/v1/catalog/deregister", api.CatalogDeregistration{Node: "nodes-00"}, nil)
	mustPut(t, c, s)
	call(t, "PUT", "/v1/catalog/deregister", api.CatalogDeregistration{Node: "nodes-00"}, nil)
	s.Endpoints[0].Ready = false
	if err := putOne(t, c, s); !errors.Is(err, registry.ErrConflict) {
		t.Errorf("Put of what is gone = %v", err)
	}
	s.Version = ""
	mustPut(t, c, s)
	other := open(t, "nodes", "nodes 1")
	claim(t, other)
	call(t, "PUT", "/v1/catalog/deregister", api.CatalogDeregistration{Node: "nodes-00"}, nil)
	mustPut(t, c, mirror("nodes", "web2", 1))
	mustPut(t, other, mirror("nodes", "web3", 1))
	moved := open(t, "nodes", "nodes 64")
	claim(t, moved)
	cat := watching(t, moved)
	s = mirror("nodes", "web2", 1)
	s.Version = get(cat.Snapshot(), "web2", "nodes").Version
	mustPut(t, moved, s)
	if all := entries(t, "web2"); len(all) != 1 || all[0].Node.Node != moved.layout.node("nodes", "web2") {
		t.Errorf("after a change of nodes: %+v", all)
	}
}

// 1,500 endpoints with much to say need many transactions.
func TestLarge(t *testing.T) {
	empty(t)
	c := open(t, "large")
	claim(t, c)
	cat := watching(t, c)
	s := mirror("large", "large", 1500)
	for i := range s.Endpoints {
		s.Endpoints[i].Meta = map[string]string{}
		for k := range 12 {
			s.Endpoints[i].Meta[fmt.Sprint("m", k)] = strings.Repeat("x", 400)
		}
	}
	mustPut(t, c, s, mirror("large", "small", 1))
	if got := get(cat.Snapshot(), "large", "large"); got == nil || len(got.Endpoints) != 1500 || got.Version != s.Version {
		t.Fatal("the feed does not show it")
	}
	s.Endpoints = s.Endpoints[:3]
	mustPut(t, c, s)
	for _, r := range c.Delete(t.Context(), []*catalog.Service{s}) {
		if r.Err != nil || len(entries(t, "large")) > 0 {
			t.Errorf("Delete = %v", r.Err)
		}
	}
}

// The size that a server takes may be smaller than the default.
func TestTooLargeForServer(t *testing.T) {
	empty(t)
	var most atomic.Int64
	at := through(t, func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/v1/txn" || r.ContentLength < 3000 {
			return false
		}
		most.Add(1)
		return code(413, "too large")(w)
	})
	w, err := configure(t, at).Writer("small", quiet())
	if err != nil {
		t.Fatal(err)
	}
	c := w.(*consul)
	claim(t, c)
	bad := mirror("small", "bad", 1)
	bad.Endpoints[0].Meta = map[string]string{}
	for k := range 12 {
		bad.Endpoints[0].Meta[fmt.Sprint("m", k)] = strings.Repeat("x", 400)
	}
	good := []*catalog.Service{mirror("small", "a", 1), bad, mirror("small", "b", 5)}
	r := c.Put(t.Context(), good)
	if r[0].Err != nil || !errors.Is(r[1].Err, registry.ErrInvalid) || r[2].Err != nil || most.Load() == 0 {
		t.Errorf("Put = %v", r)
	}
}

func TestUnknownOutcome(t *testing.T) {
	empty(t)
	var deaf atomic.Bool
	at := through(t, func(_ http.ResponseWriter, r *http.Request) bool {
		if deaf.Load() && r.URL.Path == "/v1/txn" {
			panic(http.ErrAbortHandler)
		}
		return false
	})
	w, err := configure(t, at).Writer("deaf", quiet())
	if err != nil {
		t.Fatal(err)
	}
	c := w.(*consul)
	claim(t, c)
	deaf.Store(true)
	if err := putOne(t, c, mirror("deaf", "web", 1)); !errors.Is(err, registry.ErrUnknownOutcome) {
		t.Errorf("Put without an answer = %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r := c.Put(ctx, []*catalog.Service{mirror("deaf", "web", 1)}); errors.Is(r[0].Err, registry.ErrUnknownOutcome) || r[0].Err == nil {
		t.Errorf("Put after the end = %v", r[0].Err)
	}
}
