package consul

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul/api"

	"github.com/isthmus-dns/isthmus/catalog"
)

// TestList holds that everybody's instances are listed, with what Consul's own
// DNS says of each.
func TestList(t *testing.T) {
	refused := map[string]error{}
	got := list("Web", []*api.ServiceEntry{
		instance("b", addr(""), func(e *api.ServiceEntry) { e.Service.Tags = []string{"v1"} }),
		instance("a", status("c", api.HealthWarning), func(e *api.ServiceEntry) { e.Service.Weights = api.AgentWeights{Passing: 9, Warning: 4} }),
		instance("c", status("c", api.HealthCritical)),
		instance("d", onOwners("prod"), meta(goodMark...)),
		instance("e", func(e *api.ServiceEntry) { e.Service.Kind = api.ServiceKindConnectProxy }),
		instance("f", addr("127.0.0.1")),
		instance("g", addr("lb.example.org"), func(e *api.ServiceEntry) {
			e.Service.Ports = api.ServicePorts{{Name: "Admin", Port: 90}, {Name: "http", Port: 80, Default: true}}
		}),
		nil,
	}, refused)
	var b strings.Builder
	got.Namespace = "x"
	if err := catalog.WriteText(&b, []*catalog.Service{got}); err != nil {
		t.Fatal(err)
	}
	const want = `service x/web Headless
	endpoint 10.1.0.1 id=prod-00/d ready serving node=prod-00 weight=1
		port "" TCP 80
	endpoint 10.1.0.1 id=vm/a ready serving node=vm weight=4
		port "" TCP 80
	endpoint 10.0.0.1 id=vm/b ready serving hostname=vm node=vm weight=1
		port "" TCP 80
		tag v1
	endpoint 10.1.0.1 id=vm/c node=vm weight=1
		port "" TCP 80
	endpoint 10.1.0.1 id=vm/e ready serving node=vm weight=1
		port "" TCP 80
	endpoint lb.example.org id=vm/g ready serving node=vm weight=1
		port "" TCP 80
		port admin TCP 90
		port http TCP 80
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(refused) != 1 || refused["vm/f"] == nil {
		t.Errorf("refused %v, want vm/f", refused)
	}
	if s := list("web", []*api.ServiceEntry{instance("f", addr("127.0.0.1"))}, refused); s != nil {
		t.Errorf("listed %v", s)
	}
}

// TestDirectory holds that the directory follows Consul, where it is asked for.
func TestDirectory(t *testing.T) {
	empty(t)
	register(t, "vm", "dir-1", "Dir", "10.2.0.1", 80, "passing")
	if d := watching(t, open(t, "reader")).Snapshot().Directory("consul/test"); d != (catalog.Directory{}) {
		t.Error("a directory that nobody asked for")
	}
	cat := watching(t, open(t, "reader", "directory"))
	of := func(s *catalog.Snapshot) catalog.Directory { return s.Directory("consul/test") }
	d := of(cat.Snapshot())
	if svc := d.Listed("dir"); svc == nil || svc.Endpoints[0].Host.String() != "10.2.0.1" || d.Datacenter() != "dc1" || d.Node("vm") == nil {
		t.Fatalf("with the first report: %v, %q, %v", svc, d.Datacenter(), d.Node("vm"))
	}
	register(t, "vm", "dir-1", "Dir", "10.2.0.1", 80, "critical")
	wait(t, cat, "a failing check", func(s *catalog.Snapshot) bool { return of(s).Listed("dir").ReadyEndpoints() == 0 })
	call(t, "PUT", "/v1/catalog/register", map[string]any{"Node": "moved", "Address": "10.9.0.1", "NodeMeta": map[string]string{"os": "linux"}}, nil)
	s := wait(t, cat, "a node", func(s *catalog.Snapshot) bool { return of(s).Node("moved") != nil })
	if n := of(s).Node("moved"); n.Host.String() != "10.9.0.1" || n.Meta["os"] != "linux" || len(of(s).NodesAt(n.Host.Addr)) != 1 {
		t.Errorf("the node is %+v", n)
	}
	call(t, "PUT", "/v1/catalog/register", map[string]any{"Node": "moved", "Address": "10.9.0.2"}, nil)
	s = wait(t, cat, "another address", func(s *catalog.Snapshot) bool { return of(s).Node("moved").Host.String() == "10.9.0.2" })
	if len(of(s).NodesAt(netip.MustParseAddr("10.9.0.1"))) != 0 {
		t.Error("the old address leads to the node")
	}
	call(t, "PUT", "/v1/catalog/deregister", map[string]any{"Node": "moved"}, nil)
	wait(t, cat, "no node", func(s *catalog.Snapshot) bool { return of(s).Node("moved") == nil })
	deregister(t, "vm", "dir-1")
	s = wait(t, cat, "absence", func(s *catalog.Snapshot) bool { return of(s).Listed("dir") == nil })
	if len(of(s).ListedAt(netip.MustParseAddr("10.2.0.1"))) != 0 {
		t.Error("the address leads to a service that is gone")
	}
}
