package isthmus

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

// listedWorld is what the Consul lists, in its datacenter DC1.
const listedWorld = `
service x/web Headless
	endpoint 10.20.0.1 id=n1/web-1 node=n1 ready weight=10
		tag v1
		tag Blue.Green
		port "" TCP 8080
		port admin TCP 9090
	endpoint 10.20.0.2 id=n2/web-1 node=n2 ready weight=20
		tag v2
		port "" TCP 8080
	endpoint fd00::20 id=n2/web-2 node=n2 ready weight=20
		tag v2
		port "" TCP 8080
	endpoint 10.20.0.4 id=n2/web-3 node=n2 weight=20
		tag v2
		port "" TCP 8080
service x/here Headless
	endpoint 10.0.1.1 id=n1/here node=n1 hostname=n1 ready weight=1
		port "" TCP 22
service x/dead Headless
	endpoint 10.20.0.9 id=n1/dead node=n1 weight=1
		port "" TCP 1
service x/saas Headless
	endpoint www.example.org id=n3/saas node=n3 ready weight=1
		port "" TCP 443
`

func ownNodes() []*catalog.Node {
	return []*catalog.Node{
		{Name: "N1", Host: catalog.ParseHost("10.0.1.1"), Meta: map[string]string{"os": "linux", "rfc1035-note": "as it is"}},
		{Name: "n2.rack", Host: catalog.ParseHost("fd00::1:2")},
		{Name: "n3", Host: catalog.ParseHost("host.example.org")},
	}
}

// lists reports the Consul's directory.
func lists(feed *catalog.Feed) {
	feed.ReplaceNodes("DC1", ownNodes())
	feed.ReplaceListed(listed())
}

func listed() []*catalog.Service {
	all, err := catalog.ParseText(listedWorld)
	if err != nil {
		panic(err)
	}
	for _, svc := range all {
		svc.Namespace = ""
	}
	return all
}

const (
	ownSOA    = "auth consul. SOA ns.consul. hostmaster.consul. 1800000000 7200 1800 86400 5\n"
	ownNone   = "NOERROR\n" + ownSOA
	ownAbsent = "NXDOMAIN\n" + ownSOA
)

func TestDomain(t *testing.T) {
	conf := block(t, "kubernetes\nconsul dc1\ndomain consul")
	conf.locals = mustAddrs(t, "192.0.2.53")
	c := synced(t, conf)
	lists(c.Feed("consul/dc1"))
	run(t, handler(conf, c), []ask_{
		{"consul.", "SOA", "NOERROR\n" + strings.TrimPrefix(ownSOA, "auth ")},
		{"consul.", "NS", "NOERROR\nconsul. NS ns.consul.\nadd ns.consul. A 192.0.2.53\n"},
		{"consul.", "*", ownNone},
		{"ns.consul.", "A", "NOERROR\nns.consul. A 192.0.2.53\n"},
		{"service.consul.", "*", ownNone},
		{"node.consul.", "*", ownNone},
		{"addr.consul.", "*", ownNone},
		{"dc1.consul.", "*", ownNone},
		{"dc1.dc.consul.", "*", ownNone},
		{"service.dc1.consul.", "*", ownNone},
		{"_tcp.service.consul.", "*", ownNone},
		{"dc2.consul.", "*", ownAbsent},
		{"web.consul.", "*", ownAbsent},

		// Services.
		{"web.service.consul.", "A", "NOERROR\nweb.service.consul. A 10.20.0.1\nweb.service.consul. A 10.20.0.2\n"},
		{"web.service.consul.", "AAAA", "NOERROR\nweb.service.consul. AAAA fd00::20\n"},
		{"web.service.consul.", "SRV", "NOERROR\nweb.service.consul. SRV 1 10 8080 0a140001.addr.dc1.consul.\nweb.service.consul. SRV 1 20 8080 0a140002.addr.dc1.consul.\n" +
			"web.service.consul. SRV 1 20 8080 fd000000000000000000000000000020.addr.dc1.consul.\n" +
			"add 0a140001.addr.dc1.consul. A 10.20.0.1\nadd 0a140002.addr.dc1.consul. A 10.20.0.2\nadd fd000000000000000000000000000020.addr.dc1.consul. AAAA fd00::20\n"},
		{"web.service.consul.", "*", ownNone},
		{"v1.web.service.consul.", "A", "NOERROR\nv1.web.service.consul. A 10.20.0.1\n"},
		{"v1.web.service.consul.", "AAAA", ownNone},
		{"blue.green.web.service.consul.", "A", "NOERROR\nblue.green.web.service.consul. A 10.20.0.1\n"},
		{"v3.web.service.consul.", "*", ownAbsent},
		{"_web._tcp.service.consul.", "A", "NOERROR\n_web._tcp.service.consul. A 10.20.0.1\n_web._tcp.service.consul. A 10.20.0.2\n"},
		{"_web._v1.service.consul.", "SRV", "NOERROR\n_web._v1.service.consul. SRV 1 10 8080 0a140001.addr.dc1.consul.\nadd 0a140001.addr.dc1.consul. A 10.20.0.1\n"},
		{"_web._v1.consul.", "SRV", "NOERROR\n_web._v1.consul. SRV 1 10 8080 0a140001.addr.dc1.consul.\nadd 0a140001.addr.dc1.consul. A 10.20.0.1\n"},
		{"v1.web.service.dc1.consul.", "A", "NOERROR\nv1.web.service.dc1.consul. A 10.20.0.1\n"},
		{"v1.web.service.dc1.dc.consul.", "A", "NOERROR\nv1.web.service.dc1.dc.consul. A 10.20.0.1\n"},
		{"v1.web.service.admin.port.consul.", "SRV", "NOERROR\nv1.web.service.admin.port.consul. SRV 1 10 9090 0a140001.addr.dc1.consul.\nadd 0a140001.addr.dc1.consul. A 10.20.0.1\n"},
		{"v1.web.service.admin.port.dc1.dc.consul.", "SRV", "NOERROR\nv1.web.service.admin.port.dc1.dc.consul. SRV 1 10 9090 0a140001.addr.dc1.consul.\nadd 0a140001.addr.dc1.consul. A 10.20.0.1\n"},
		{"web.service.admin.port.consul.", "SRV", ownAbsent}, // one of them lacks it
		{"web.service.dc2.consul.", "*", ownAbsent},
		{"web.service.dc2.dc.consul.", "*", ownAbsent},
		{"web.service.x.peer.consul.", "*", ownAbsent},
		{"web.service.a.b.c.consul.", "*", ownAbsent},
		{"dead.service.consul.", "*", ownAbsent},
		{"nothing.service.consul.", "*", ownAbsent},
		{"web.query.consul.", "*", ownAbsent},
		{"web.connect.consul.", "*", ownAbsent},
		{"here.service.consul.", "SRV", "NOERROR\nhere.service.consul. SRV 1 1 22 n1.node.dc1.consul.\nadd n1.node.dc1.consul. A 10.0.1.1\n"},
		{"saas.service.consul.", "SRV", "NOERROR\nsaas.service.consul. SRV 1 1 443 www.example.org.\n"},
		{"saas.service.consul.", "A", "NOERROR\nsaas.service.consul. CNAME www.example.org.\nwww.example.org. 60 IN A 203.0.113.9\n"},
		{"saas.service.consul.", "CNAME TXT", "NOERROR\nsaas.service.consul. CNAME www.example.org.\n"},

		// Nodes and addresses.
		{"n1.node.consul.", "A", "NOERROR\nn1.node.consul. A 10.0.1.1\n"},
		{"n1.node.consul.", "TXT", "NOERROR\nn1.node.consul. TXT \"as it is\"\nn1.node.consul. TXT \"os=linux\"\n"},
		{"n1.node.consul.", "*", ownNone},
		{"n1.node.dc1.consul.", "A", "NOERROR\nn1.node.dc1.consul. A 10.0.1.1\n"},
		{"n1.node.dc2.consul.", "*", ownAbsent},
		{"n2.rack.node.dc1.dc.consul.", "AAAA", "NOERROR\nn2.rack.node.dc1.dc.consul. AAAA fd00::1:2\n"},
		{"n3.node.consul.", "CNAME", "NOERROR\nn3.node.consul. CNAME host.example.org.\n"},
		{"n9.node.consul.", "*", ownAbsent},
		{"0a140001.addr.consul.", "A", "NOERROR\n0a140001.addr.consul. A 10.20.0.1\n"},
		{"0a140001.addr.consul.", "AAAA SRV", ownNone},
		{"0a140001.addr.dc7.consul.", "A", "NOERROR\n0a140001.addr.dc7.consul. A 10.20.0.1\n"},
		{"fd000000000000000000000000000020.addr.consul.", "AAAA", "NOERROR\nfd000000000000000000000000000020.addr.consul. AAAA fd00::20\n"},
		{"0a1400.addr.consul.", "*", ownAbsent},
		{"xa140001.addr.consul.", "*", ownAbsent},
		{"x.0a140001.addr.consul.", "*", ownAbsent},

		// Reverse: what the cluster calls an address counts more, what Consul's services are called there does not.
		{"1.1.0.10.in-addr.arpa.", "PTR", "NOERROR\n1.1.0.10.in-addr.arpa. PTR n1.node.dc1.consul.\n"},
		{"1.0.20.10.in-addr.arpa.", "PTR", "NOERROR\n1.0.20.10.in-addr.arpa. PTR web.service.dc1.consul.\n"},
		{"9.0.20.10.in-addr.arpa.", "PTR", "NOERROR\n9.0.20.10.in-addr.arpa. PTR dead.service.dc1.consul.\n"},
		{"80.0.0.10.in-addr.arpa.", "PTR", "NOERROR\n80.0.0.10.in-addr.arpa. PTR web.shop.svc.Z\n"},
		{"1.0.10.in-addr.arpa.", "PTR", "NOERROR\n" + reverseSOA},
		{"api.consul.svc.Z", "A", "NOERROR\napi.consul.svc.Z A 10.20.0.1\napi.consul.svc.Z A 10.20.0.2\n"},
	})
}

// TestDomainNotSynced holds that nothing of a Consul that was not read is absent.
func TestDomainNotSynced(t *testing.T) {
	conf := block(t, "kubernetes\nconsul dc1\ndomain consul\nfallthrough")
	run(t, handler(conf, catalog.New(conf.policy())), []ask_{
		{"web.service.consul.", "*", servfail},
		{"n1.node.consul.", "*", servfail},
		{"web.service.dc1.consul.", "*", servfail}, // nobody knows the datacenter yet
		{"dc1.consul.", "*", servfail},
		{"dc1.dc.consul.", "*", servfail},
		{"a.dc1.consul.", "*", next_},
		{"service.consul.", "A", "NOERROR\n" + ownSOA},
		{"web.query.consul.", "*", next_},
		{"0a140001.addr.consul.", "A", "NOERROR\n0a140001.addr.consul. A 10.20.0.1\n"},
	})
	c := synced(t, conf)
	run(t, handler(conf, c), []ask_{{"web.service.consul.", "*", servfail}}) // as from what an earlier version saved
	c.Feed("consul/dc1").ReplaceNodes("DC1", ownNodes())
	run(t, handler(conf, c), []ask_{ // what it lists is told after its nodes
		{"web.service.consul.", "*", servfail},
		{"n9.node.consul.", "*", servfail},
		{"n1.node.consul.", "A", "NOERROR\nn1.node.consul. A 10.0.1.1\n"},
	})
	c.Feed("consul/dc1").ReplaceListed(nil)
	run(t, handler(conf, c), []ask_{
		{"web.service.consul.", "*", next_},
		{"n9.node.consul.", "*", next_},
		{"dc2.consul.", "*", next_},
		{"n1.node.consul.", "A", "NOERROR\nn1.node.consul. A 10.0.1.1\n"},
	})
}

// TestDomainRecalled holds that the past of a Consul answers, and decides what is
// absent.
func TestDomainRecalled(t *testing.T) {
	conf := block(t, "kubernetes\nconsul dc1\ndomain consul\nfallthrough")
	c := catalog.New(conf.policy())
	past := catalog.Past{Origin: "consul/dc1", At: start, Listing: &catalog.Listing{Datacenter: "DC1", Nodes: ownNodes(), Services: listed()}}
	if !c.Feed("consul/dc1").Recall(past) {
		t.Fatal("not recalled")
	}
	run(t, handler(conf, c), []ask_{
		{"v1.web.service.dc1.consul.", "A", "NOERROR\nv1.web.service.dc1.consul. A 10.20.0.1\n"},
		{"n1.node.consul.", "A", "NOERROR\nn1.node.consul. A 10.0.1.1\n"},
		{"1.1.0.10.in-addr.arpa.", "PTR", "NOERROR\n1.1.0.10.in-addr.arpa. PTR n1.node.dc1.consul.\n"},
		{"dc1.consul.", "*", ownNone},
		{"n9.node.consul.", "*", next_},
		{"dc2.consul.", "*", next_},
		{"nothing.shop.svc.Z", "*", servfail}, // the cluster was never read
		{"8.8.8.8.in-addr.arpa.", "PTR", servfail},
	})
}

// TestNextOwn holds that addresses with names in a domain are known step by step.
func TestNextOwn(t *testing.T) {
	conf := block(t, "kubernetes\nconsul dc1\ndomain consul")
	c := synced(t, conf)
	feed := c.Feed("consul/dc1")
	v := newView(conf, c.Snapshot(), start)
	first := v.serial
	for _, step := range []func(){
		func() { lists(feed) },
		func() { feed.ReplaceNodes("dc1", ownNodes()[1:]) },
		func() { feed.UpdateListed(nil, []string{"here", "web"}) },
		func() { feed.ReplaceListed(nil) },
		func() { lists(feed) },
	} {
		step()
		v = v.next(c.Snapshot(), start)
		want := newView(conf, c.Snapshot(), start)
		if diff := cmp.Diff(ownAddrs(want), ownAddrs(v)); diff != "" {
			t.Errorf("(-at once +by steps):\n%s", diff)
		}
		if !v.serial.owed {
			t.Errorf("the serial does not move: %+v, %+v", first, v.serial)
		}
		v.serial.owed = false
	}
}

func ownAddrs(v *view) (all []string) {
	for a := range v.ownPlaces.all() {
		all = append(all, a.String())
	}
	return all
}

func TestDomainOptions(t *testing.T) {
	for _, tt := range []struct{ zones, inside, want string }{
		{"cluster.local", "consul dc1\ndomain consul", "consul. consul/dc1 directory"},
		{"cluster.local", "domain consul.example.org consul/b\nconsul a\nconsul b", "consul.example.org. consul/b directory"},
		{"", "consul dc1\ndomain consul", "consul. consul/dc1 directory"},
		{"cluster.local", "consul dc1 {\ndirectory\n}\ndomain consul", "consul. consul/dc1 directory"},
	} {
		conf, err := readCorefile(t, "cluster.local consul {\n isthmus "+tt.zones+" {\n"+tt.inside+"\n}\n}")
		if err != nil {
			t.Errorf("%s: %v", tt.inside, err)
			continue
		}
		z := conf.zones[len(conf.zones)-1]
		got := z.name + " " + string(z.domain)
		for _, r := range conf.registries {
			words := r.(fakeConfig).stanza.Block
			if n := len(slices.DeleteFunc(slices.Clone(words), func(s stanza.Stanza) bool { return s.Name() != "directory" })); n > 0 && r.Origin() == z.domain {
				got += strings.Repeat(" directory", n)
			} else if n > 0 {
				t.Errorf("%s: %q reports its directory, too", tt.inside, r.Origin())
			}
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.inside, got, tt.want)
		}
		if p := (&Isthmus{conf: conf}); !slices.Equal(p.CacheBypassZones(), []string{"cluster.local.", z.name}) {
			t.Errorf("%s: cache bypasses %v", tt.inside, p.CacheBypassZones())
		}
	}
}
