package consul

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul/api"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

var testLayout = layout{namespace: "consul", owner: "prod", nodes: 64}

// instance is a native instance of web on node vm.
func instance(id string, edit ...func(*api.ServiceEntry)) *api.ServiceEntry {
	e := &api.ServiceEntry{
		Node: &api.Node{Node: "vm", Address: "10.0.0.1"},
		Service: &api.AgentService{ID: id, Service: "web", Address: "10.1.0.1", Port: 80,
			Weights: api.AgentWeights{Passing: 1, Warning: 1}},
	}
	for _, f := range edit {
		f(e)
	}
	return e
}

func addr(a string) func(*api.ServiceEntry) {
	return func(e *api.ServiceEntry) { e.Service.Address = a }
}

func meta(pairs ...string) func(*api.ServiceEntry) {
	return func(e *api.ServiceEntry) {
		e.Service.Meta = map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			e.Service.Meta[pairs[i]] = pairs[i+1]
		}
	}
}

func status(id, status string) func(*api.ServiceEntry) {
	return func(e *api.ServiceEntry) {
		e.Checks = append(e.Checks, &api.HealthCheck{CheckID: id, Status: status})
	}
}

func onOwners(owner string) func(*api.ServiceEntry) {
	return func(e *api.ServiceEntry) { e.Node.Node, e.Node.Meta = owner+"-00", nodeMeta(owner) }
}

var goodMark = []string{metaOwner, "prod", metaOf, "kubernetes:1", metaKey, "shop/web", metaFormat, "1", metaID, "a", metaPorts, "http/TCP/80/"}

func without(pairs []string, name string) []string {
	i := slices.Index(pairs, name)
	return slices.Delete(slices.Clone(pairs), i, i+2)
}

func with(pairs []string, name, value string) []string {
	return append(without(pairs, name), name, value)
}

func TestDecode(t *testing.T) {
	for _, tt := range []struct {
		name    string
		in      []*api.ServiceEntry
		want    string
		refused []string
	}{
		{"nothing", nil, "", nil},
		{"plain", []*api.ServiceEntry{instance("a")}, `
service consul/web Headless
	port "" TCP 80
	endpoint 10.1.0.1 id=vm/a ready serving node=vm weight=1
		port "" TCP 80
`, nil},
		{"address of the node", []*api.ServiceEntry{instance("a", addr(""))}, `
service consul/web Headless
	port "" TCP 80
	endpoint 10.0.0.1 id=vm/a ready serving node=vm weight=1
		port "" TCP 80
`, nil},
		{"a name for an address", []*api.ServiceEntry{instance("a", addr("DB.example.org."))}, `
service consul/web Headless
	port "" TCP 80
	endpoint db.example.org id=vm/a ready serving node=vm weight=1
		port "" TCP 80
`, nil},
		{"health", []*api.ServiceEntry{
			instance("a", status("c", "critical"), status("d", "warning")),
			instance("b", status("c", "warning"), func(e *api.ServiceEntry) { e.Service.Weights.Warning = 7 }),
			instance("c", status("c", "passing")),
			instance("d", status("_node_maintenance", "passing")),
			instance("e", status("_service_maintenance:e", "critical")),
			instance("f", status("c", "odd")),
		}, `
service consul/web Headless
	port "" TCP 80
	endpoint 10.1.0.1 id=vm/a node=vm weight=1
		port "" TCP 80
	endpoint 10.1.0.1 id=vm/b ready serving warning node=vm weight=7
		port "" TCP 80
	endpoint 10.1.0.1 id=vm/c ready serving node=vm weight=1
		port "" TCP 80
	endpoint 10.1.0.1 id=vm/d node=vm weight=1
		port "" TCP 80
	endpoint 10.1.0.1 id=vm/e node=vm weight=1
		port "" TCP 80
	endpoint 10.1.0.1 id=vm/f node=vm weight=1
		port "" TCP 80
`, nil},
		{"ports of its own", []*api.ServiceEntry{instance("a", func(e *api.ServiceEntry) {
			e.Service.Port = 0
			e.Service.Ports = api.ServicePorts{{Name: "http", Port: 80, Default: true}, {Name: "admin", Port: 90}}
		})}, `
service consul/web Headless
	port admin TCP 90
	port http TCP 80
	endpoint 10.1.0.1 id=vm/a ready serving node=vm weight=1
		port admin TCP 90
		port http TCP 80
`, nil},
		{"ports in metadata", []*api.ServiceEntry{instance("a", meta("port-http", "80", "port-x", "no", "team", "blue"))}, `
service consul/web Headless
	port http TCP 80
	endpoint 10.1.0.1 id=vm/a ready serving node=vm weight=1
		port http TCP 80
		meta port-x=no
		meta team=blue
`, nil},
		{"a main port among named ones", []*api.ServiceEntry{instance("a", meta("port-admin", "90", "port-default", "91"))}, `
service consul/web Headless
	port admin TCP 90
	port default TCP 91
	port port-80 TCP 80
	endpoint 10.1.0.1 id=vm/a ready serving node=vm weight=1
		port admin TCP 90
		port default TCP 91
		port port-80 TCP 80
`, nil},
		{"no port, tags, a zone", []*api.ServiceEntry{instance("a", func(e *api.ServiceEntry) {
			e.Service.Port, e.Service.Tags = 0, []string{"v2", "a"}
			e.Service.Locality = &api.Locality{Zone: "z1"}
		})}, `
service consul/web Headless
	endpoint 10.1.0.1 id=vm/a ready serving zone=z1 node=vm weight=1
		tag v2
		tag a
`, nil},
		{"what is no service of its own", []*api.ServiceEntry{
			instance("a", func(e *api.ServiceEntry) { e.Service.Kind = api.ServiceKindConnectProxy }),
			instance("b", func(e *api.ServiceEntry) { e.Service.Service = "consul" }),
			nil, {}, {Node: &api.Node{}},
		}, "", nil},
		{"bad addresses beside a good one", []*api.ServiceEntry{
			instance("a", addr("127.0.0.1")), instance("b", addr("fe80::1%eth0")), instance("c", addr("::ffff:10.0.0.1")),
			instance("d", addr("010.0.0.1")), instance("e", addr("a b")), instance("f", addr("0x7f000001")),
			instance("g", func(e *api.ServiceEntry) { e.Service.Port = 70000 }), instance("z"),
		}, `
service consul/web Headless
	port "" TCP 80
	endpoint 10.1.0.1 id=vm/z ready serving node=vm weight=1
		port "" TCP 80
`, []string{"vm/a", "vm/b", "vm/c", "vm/d", "vm/e", "vm/f", "vm/g"}},
		{"native and mirrors of several", []*api.ServiceEntry{
			instance("a"), instance("m", onOwners("prod"), meta(goodMark...)),
			instance("n", onOwners("test"), meta(with(goodMark, metaOwner, "test")...)),
			instance("k", func(e *api.ServiceEntry) { e.Node.Node, e.Service.Tags = "k8s-sync", []string{"k8s"} }, meta(metaSource, "kubernetes")),
		}, `
service consul/web Headless
	port "" TCP 80
	endpoint 10.1.0.1 id=vm/a ready serving node=vm weight=1
		port "" TCP 80
service consul/web Headless
	mark owner=? key=consul/web format=0
	port "" TCP 80
	endpoint 10.1.0.1 id=k8s-sync/k ready serving node=k8s-sync weight=1
		port "" TCP 80
		tag k8s
		meta external-source=kubernetes
service consul/web Headless
	mark owner=prod of=kubernetes:1 key=shop/web format=1
	port http TCP 80
	endpoint 10.1.0.1 id=a ready serving weight=1
		port http TCP 80
service consul/web Headless
	mark owner=test of=kubernetes:1 key=shop/web format=1
	port http TCP 80
	endpoint 10.1.0.1 id=a ready serving weight=1
		port http TCP 80
`, nil},
		{"forged and broken marks", []*api.ServiceEntry{
			instance("a", meta(goodMark...)), instance("b", meta(metaKey, "x/y")),
			instance("c", onOwners("prod")), instance("d", onOwners("test"), meta(goodMark...)),
			instance("e", onOwners("prod"), meta(with(goodMark, metaKey, "nonsense")...)),
			instance("f", onOwners("prod"), meta(without(goodMark, metaFormat)...)),
			instance("g", onOwners("prod"), meta(goodMark...)),
			instance("h", onOwners("prod"), meta(with(goodMark, metaOf, "kubernetes:2")...)),
			instance("i", onOwners("prod"), meta(goodMark...)),
			instance("j", onOwners("prod"), meta(with(with(goodMark, metaID, "j"), metaPorts, "http/TCP/99999/")...)),
		}, `
service consul/web Headless
	mark owner=prod of=kubernetes:1 key=shop/web format=1
	port http TCP 80
	endpoint 10.1.0.1 id=a ready serving weight=1
		port http TCP 80
`, []string{"prod-00/c", "prod-00/e", "prod-00/f", "prod-00/h", "prod-00/i", "prod-00/j", "test-00/d", "vm/a", "vm/b"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := testLayout.decode("Web", tt.in)
			for _, s := range f.services {
				s.Version = ""
			}
			var b strings.Builder
			if err := catalog.WriteText(&b, f.services); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), b.String()); diff != "" {
				t.Errorf("services (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.refused, slices.Sorted(maps.Keys(f.refused))); diff != "" {
				t.Errorf("refused (-want +got):\n%s", diff)
			}
			for record, err := range f.refused {
				if !errors.Is(err, registry.ErrInvalid) {
					t.Errorf("%s: %v", record, err)
				}
			}
		})
	}
}

func TestDecodeBadName(t *testing.T) {
	for _, name := range []string{"a/b", "", "a\x1bb", "ü"} {
		if f := testLayout.decode(name, []*api.ServiceEntry{instance("a")}); len(f.services) != 0 || f.refused[name] == nil {
			t.Errorf("decode(%q) = %v", name, f)
		}
	}
}

// A version holds every record on the owner's node under its mark, also the
// refused, so that the next Put can mend them.
func TestVersionHoldsRefused(t *testing.T) {
	f := testLayout.decode("web", []*api.ServiceEntry{
		instance("m", onOwners("prod"), meta(goodMark...)),
		instance("n", onOwners("prod"), meta(goodMark...), addr("127.0.0.1")),
		instance("o", onOwners("prod"), meta(metaOwner, "prod")),
		instance("p", onOwners("prod")),
	})
	_, all, err := decodeVersion(f.services[0].Version)
	if err != nil || len(all) != 3 || all[0].id != "m" || all[1].id != "n" || all[2].id != "o" {
		t.Errorf("version holds %v, %v, want m, n, o", all, err)
	}
}

func TestCanonCannot(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*catalog.Service)
		want error
	}{
		{"no mark", func(s *catalog.Service) { s.Mark = nil }, registry.ErrNotOwned},
		{"other namespace", func(s *catalog.Service) { s.Namespace = "x" }, registry.ErrInvalid},
		{"the servers' own name", func(s *catalog.Service) { s.Name = "consul" }, registry.ErrInvalid},
		{"upper case", func(s *catalog.Service) { s.Name = "Web" }, registry.ErrInvalid},
		{"only bad addresses", func(s *catalog.Service) { s.Endpoints[0].Host = catalog.ParseHost("127.0.0.1") }, registry.ErrInvalid},
		{"a port's name too long", func(s *catalog.Service) { s.Endpoints[0].Ports[0].Name = strings.Repeat("x", 600) }, registry.ErrInvalid},
	} {
		s := mirror("prod", "web", 1)
		tt.edit(s)
		if c, err := testLayout.canon(s); !errors.Is(err, tt.want) {
			t.Errorf("%s: Canon = %v, %v, want %v", tt.name, c, err, tt.want)
		}
	}
	if c, err := testLayout.canon(mirror("prod", "web", 0)); c != nil || err != nil {
		t.Errorf("Canon of nothing = %v, %v", c, err)
	}
}

func TestCanonAlias(t *testing.T) {
	s := mirror("prod", "db", 0)
	s.Type, s.Alias = catalog.ExternalName, "db.example.org"
	s.Ports = []catalog.Port{{Name: "pg", Proto: catalog.TCP, Number: 5432}}
	got, err := testLayout.canon(s)
	if err != nil {
		t.Fatal(err)
	}
	want := `service consul/db Headless
	mark owner=prod of=kubernetes:1 key=shop/db format=1
	port pg TCP 5432
	endpoint db.example.org id=alias ready serving weight=1
		port pg TCP 5432
`
	if diff := cmp.Diff(want, got.Text()); diff != "" {
		t.Error(diff)
	}
}

// TestMainPort holds which port readers find who know of one only.
func TestMainPort(t *testing.T) {
	for _, tt := range []struct {
		chosen string
		want   int
	}{
		{"", 80}, {"http", 80}, {"rpc", 90}, {"none", 80},
	} {
		s := mirror("prod", "web", 1)
		s.Endpoints[0].Ports = []catalog.Port{{Name: "http", Proto: catalog.TCP, Number: 80}, {Name: "rpc", Proto: catalog.TCP, Number: 90}}
		if tt.chosen != "" {
			s.Meta = map[string]string{catalog.MetaMainPort: tt.chosen}
		}
		all, err := testLayout.encode(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := all[0].Service.Port; got != tt.want || all[0].Service.Meta["port-rpc"] != "90" {
			t.Errorf("chosen %q: port %d, want %d; %v", tt.chosen, got, tt.want, all[0].Service.Meta)
		}
	}
}
