package isthmus

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/coredns/coredns/plugin/pkg/dnstest"
	"github.com/coredns/coredns/plugin/test"
	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/isthmus-dns/isthmus/catalog"
)

const preferWorld = `
service shop/db Headless
	endpoint 10.1.0.1 id=a ready zone=a node=node-a hostname=db-a
		port sql TCP 5432
	endpoint 10.1.0.2 id=b ready zone=b node=node-b hostname=db-b
		port sql TCP 5432
	endpoint 10.1.0.3 id=c ready zone=c node=node-c hostname=db-c
		port sql TCP 5432
	endpoint 10.1.0.4 id=d ready zone=b node=node-b hostname=db-d
		port sql TCP 5432
		port metrics TCP 9100
service shop/one Headless
	endpoint 10.1.1.1 id=a ready zone=a node=node-a
		port sql TCP 5432
service shop/web ClusterIP
	addr 10.0.0.80
	port http TCP 80
	endpoint 10.1.2.1 id=a ready zone=b node=node-b
	endpoint 10.1.2.2 id=b ready zone=d node=node-d
service shop/alias ExternalName
	alias db.shop.svc.cluster.local
`

func preferPods() []*catalog.Pod {
	pod := func(name, addr, node string, host bool) *catalog.Pod {
		return &catalog.Pod{Key: catalog.Key{Namespace: "shop", Name: name}, Addrs: []netip.Addr{netip.MustParseAddr(addr)}, Node: node, Host: host}
	}
	return []*catalog.Pod{
		pod("in-b", "10.9.0.2", "node-b", false),
		pod("in-c", "10.9.0.3", "node-c", false),
		pod("in-d", "10.9.0.4", "node-d", false),
		pod("nowhere", "10.9.0.5", "node-x", false),
		pod("pending", "10.9.0.6", "", false),
		pod("host-b", "192.0.2.2", "node-b", true),
		pod("agent-b", "192.0.2.2", "node-b", true),
		pod("moved", "10.9.0.7", "node-b", false),
		pod("twin", "10.9.0.7", "node-c", false),
	}
}

// from asks as a client with that address.
type from struct {
	test.ResponseWriter
	addr string
}

func (f *from) RemoteAddr() net.Addr { return &net.UDPAddr{IP: net.ParseIP(f.addr), Port: 40000} }

// order is what answers a question, in its order: the last words of each record.
func order(t *testing.T, p *Isthmus, client, name string, typ uint16) string {
	t.Helper()
	r := new(dns.Msg)
	r.SetQuestion(name, typ)
	w := dnstest.NewRecorder(&from{addr: client})
	if _, err := p.ServeDNS(context.Background(), w, r); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, rr := range w.Msg.Answer {
		words := strings.Fields(rr.String())
		all = append(all, strings.TrimSuffix(words[len(words)-1], ".db.shop.svc.cluster.local."))
	}
	return strings.Join(all, " ")
}

func preferring(t *testing.T, options string) (*Isthmus, *catalog.Catalog) {
	t.Helper()
	conf := block(t, "kubernetes\npods verified\n"+options)
	c := catalog.New(conf.policy())
	feed := c.Feed("kubernetes/cluster")
	feed.ReplaceNamespaces([]string{"shop"})
	feed.ReplacePods(preferPods())
	feed.Replace(services(t, preferWorld))
	return handler(conf, c), c
}

// TestPreferZone has clients of every kind.
func TestPreferZone(t *testing.T) {
	const usual = "10.1.0.1 10.1.0.2 10.1.0.3 10.1.0.4"
	p, _ := preferring(t, "prefer_zone")
	for _, tt := range []struct {
		client, name, want string
		typ                uint16
	}{
		{"10.9.0.2", "db.shop.svc", "10.1.0.2 10.1.0.4 10.1.0.1 10.1.0.3", dns.TypeA},
		{"10.9.0.3", "db.shop.svc", "10.1.0.3 10.1.0.1 10.1.0.2 10.1.0.4", dns.TypeA},
		{"10.9.0.3", "DB.shop.svc", "10.1.0.3 10.1.0.1 10.1.0.2 10.1.0.4", dns.TypeA},
		{"192.0.2.2", "db.shop.svc", "10.1.0.2 10.1.0.4 10.1.0.1 10.1.0.3", dns.TypeA}, // pods of one node
		{"10.9.0.2", "db.shop.svc", "db-b db-d db-d db-a db-c", dns.TypeSRV},
		{"10.9.0.2", "_sql._tcp.db.shop.svc", "db-b db-d db-a db-c", dns.TypeSRV},
		{"10.9.0.2", "_sql._tcp.db.shop.svc", "10.1.0.2 10.1.0.4 10.1.0.1 10.1.0.3", dns.TypeA},
		{"10.9.0.2", "alias.shop.svc", "db.shop.svc.cluster.local. 10.1.0.2 10.1.0.4 10.1.0.1 10.1.0.3", dns.TypeA},
		{"10.9.0.2", "one.shop.svc", "10.1.1.1", dns.TypeA},
		{"10.9.0.2", "web.shop.svc", "10.0.0.80", dns.TypeA},
		{"10.9.0.4", "db.shop.svc", usual, dns.TypeA}, // nothing stands in its zone
		{"10.9.0.5", "db.shop.svc", usual, dns.TypeA}, // no endpoint tells of its node
		{"10.9.0.6", "db.shop.svc", usual, dns.TypeA}, // on no node
		{"10.9.0.7", "db.shop.svc", usual, dns.TypeA}, // one of two
		{"203.0.113.1", "db.shop.svc", usual, dns.TypeA},
	} {
		if got := order(t, p, tt.client, tt.name+".cluster.local.", tt.typ); got != tt.want {
			t.Errorf("%s asks for %s %s: %s, want %s", tt.client, tt.name, dns.TypeToString[tt.typ], got, tt.want)
		}
	}
	// Nothing that is published was changed.
	if got := order(t, p, "203.0.113.1", "db.shop.svc.cluster.local.", dns.TypeA); got != usual {
		t.Errorf("afterwards: %s", got)
	}
	p, _ = preferring(t, "")
	if got := order(t, p, "10.9.0.2", "db.shop.svc.cluster.local.", dns.TypeA); got != usual {
		t.Errorf("without prefer_zone: %s", got)
	}
	if p.views.newest.Load().nodes.Len() != 0 {
		t.Error("without prefer_zone nodes are kept")
	}
}

// TestPreferZoneOfMany holds that what is in order stays so where answers are
// large and begin at another record each time.
func TestPreferZoneOfMany(t *testing.T) {
	p, c := preferring(t, "prefer_zone")
	var text strings.Builder
	text.WriteString("service shop/many Headless\n")
	for i := range 2 * manyRecords {
		fmt.Fprintf(&text, "\tendpoint 10.2.0.%d id=%d ready zone=%c\n", i, i, 'a'+rune(i%2))
	}
	c.Feed("kubernetes/cluster").Update(services(t, text.String()), nil)
	p.views.newest.Store(p.views.newest.Load().next(c.Snapshot(), start))
	want := order(t, p, "10.9.0.2", "many.shop.svc.cluster.local.", dns.TypeA)
	for i, addr := range strings.Fields(want) {
		if a := netip.MustParseAddr(addr).As4(); (a[3]%2 == 1) != (i < manyRecords) {
			t.Fatalf("%d: %s", i, want)
		}
	}
	for range 20 {
		if got := order(t, p, "10.9.0.2", "many.shop.svc.cluster.local.", dns.TypeA); got != want {
			t.Errorf("got %s, then %s", want, got)
		}
	}
}

// TestZonesOfNodes holds that the zones follow what endpoints say, by the most
// of them, and that nothing is kept of nodes that are gone.
func TestZonesOfNodes(t *testing.T) {
	p, c := preferring(t, "prefer_zone")
	v, feed := p.views.newest.Load(), c.Feed("kubernetes/cluster")
	check := func(want map[string]string) {
		t.Helper()
		all := map[string]string{}
		for node := range v.nodes.All() {
			all[node] = v.zoneOfNode(node)
		}
		if diff := cmp.Diff(want, all); diff != "" {
			t.Errorf("zones (-want +got):\n%s", diff)
		}
	}
	step := func(text string, gone ...string) {
		var refs []catalog.Ref
		for _, name := range gone {
			refs = append(refs, catalog.Ref{Key: catalog.Key{Namespace: "shop", Name: name}})
		}
		feed.Update(services(t, text), refs)
		v = v.next(c.Snapshot(), start)
	}
	check(map[string]string{"node-a": "a", "node-b": "b", "node-c": "c", "node-d": "d"})
	step("service shop/db Headless\n\tendpoint 10.1.0.1 id=a ready zone=z node=node-b\n\tendpoint 10.1.0.2 id=b zone=z node=node-b\n")
	check(map[string]string{"node-a": "a", "node-b": "z", "node-d": "d"})
	step("", "db", "one")
	check(map[string]string{"node-b": "b", "node-d": "d"})
	step("", "web")
	check(map[string]string{})
}
