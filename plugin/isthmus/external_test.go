package isthmus

import (
	"slices"
	"strings"
	"testing"

	"github.com/coredns/caddy"
	_ "github.com/coredns/coredns/plugin/autopath"     // for the Corefiles below
	_ "github.com/coredns/coredns/plugin/k8s_external" // for the Corefiles below
	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/catalog"
)

// exposedWorld is seen from outside of the cluster.
const exposedWorld = `
service shop/web ClusterIP
	addr 10.0.0.80
	external 203.0.113.80
	external 2001:db8::80
	port http TCP 80
	port https TCP 443
	port dns UDP 53
	endpoint 10.1.0.1 id=a ready
		port http TCP 8080
service shop/slow ClusterIP ttl=30s
	addr 10.0.0.81
	external 203.0.113.81
	port "" TCP 9000
service shop/both ClusterIP
	addr 10.0.0.82
	external 203.0.113.80
	external lb.example.net
	port http TCP 80
service shop/named ClusterIP
	addr 10.0.0.83
	external www.example.net
	external lb.example.net
	port http TCP 80
	port "" UDP 53
service shop/inside ClusterIP
	addr 10.0.0.84
	external web.shop.example.org
	port http TCP 80
service shop/plain ClusterIP
	addr 10.0.0.85
	port http TCP 80
	endpoint 10.1.0.5 id=a ready
		port http TCP 8080
service shop/db Headless
	endpoint 10.1.0.11 id=a ready hostname=db-0
		port sql TCP 5432
	endpoint 10.1.0.12 id=b
		port sql TCP 5432
service shop/fronted Headless
	external 203.0.113.90
	port sql TCP 5432
	endpoint 10.1.0.21 id=a ready
		port sql TCP 5432
service shop/alias ExternalName
	alias www.example.net
service kube-system/kube-dns ClusterIP
	addr 10.0.0.10
	external 203.0.113.53
	port dns UDP 53
	endpoint 192.0.2.53 id=a ready
		port dns UDP 53
`

const (
	outerSOA    = "auth example.org. SOA ns1.dns.example.org. hostmaster.dns.example.org. 1800000000 7200 1800 86400 5\n"
	outerNone   = "NOERROR\n" + outerSOA
	outerAbsent = "NXDOMAIN\n" + outerSOA
)

// exposedTo answers from the exposed world, by a block with these lines.
func exposedTo(t testing.TB, inside string) *Isthmus {
	t.Helper()
	conf := block(t, "kubernetes\n"+inside)
	conf.locals = mustAddrs(t, "192.0.2.53")
	c := catalog.New(conf.policy())
	feed := c.Feed("kubernetes/cluster")
	feed.ReplaceNamespaces([]string{"shop", "empty", "kube-system"})
	feed.Replace(services(t, exposedWorld))
	return handler(conf, c)
}

func TestExternal(t *testing.T) {
	run(t, exposedTo(t, "external example.org in-addr.arpa 2001:db8::/32"), []ask_{
		{"example.org.", "SOA", "NOERROR\n" + strings.TrimPrefix(outerSOA, "auth ")},
		{"example.org.", "NS", "NOERROR\nexample.org. NS ns1.dns.example.org.\nadd ns1.dns.example.org. A 203.0.113.53\n"},
		{"example.org.", "*", outerNone},
		{"dns.example.org.", "*", outerNone},
		{"ns1.dns.example.org.", "A", "NOERROR\nns1.dns.example.org. A 203.0.113.53\n"},
		{"ns1.dns.example.org.", "*", outerNone},
		{"hostmaster.dns.example.org.", "*", outerAbsent},
		{"a.ns1.dns.example.org.", "*", outerAbsent},
		{"a.b.c.d.e.f.dns.example.org.", "*", outerAbsent},
		{"shop.example.org.", "*", outerNone},
		{"empty.example.org.", "*", outerNone},
		{"nothing.example.org.", "*", outerAbsent},
		{"svc.example.org.", "*", outerAbsent},
		{"web.shop.svc.example.org.", "*", outerAbsent},

		{"web.shop.example.org.", "A", "NOERROR\nweb.shop.example.org. A 203.0.113.80\n"},
		{"web.shop.example.org.", "AAAA", "NOERROR\nweb.shop.example.org. AAAA 2001:db8::80\n"},
		{"web.shop.example.org.", "SRV", "NOERROR\nweb.shop.example.org. SRV 0 16 443 web.shop.example.org.\nweb.shop.example.org. SRV 0 16 53 web.shop.example.org.\n" +
			"web.shop.example.org. SRV 0 16 80 web.shop.example.org.\nadd web.shop.example.org. A 203.0.113.80\nadd web.shop.example.org. AAAA 2001:db8::80\n"},
		{"web.shop.example.org.", "*", outerNone},
		{"_http._tcp.web.shop.example.org.", "SRV", "NOERROR\n_http._tcp.web.shop.example.org. SRV 0 50 80 web.shop.example.org.\nadd web.shop.example.org. A 203.0.113.80\nadd web.shop.example.org. AAAA 2001:db8::80\n"},
		{"_http._tcp.web.shop.example.org.", "A", "NOERROR\n_http._tcp.web.shop.example.org. A 203.0.113.80\n"},
		{"_._udp.web.shop.example.org.", "AAAA", "NOERROR\n_._udp.web.shop.example.org. AAAA 2001:db8::80\n"},
		{"_http._udp.web.shop.example.org.", "*", outerAbsent},
		{"_udp.web.shop.example.org.", "*", outerNone},
		{"_sctp.web.shop.example.org.", "*", outerAbsent},
		{"10-1-0-1.web.shop.example.org.", "*", outerAbsent},
		{"x.web.shop.example.org.", "*", outerAbsent},
		{"pin._zone.web.shop.example.org.", "*", outerAbsent},
		{"_zone.web.shop.example.org.", "*", outerAbsent},
		{"x._http._tcp.web.shop.example.org.", "*", outerAbsent},
		{"slow.shop.example.org.", "A", "NOERROR\nslow.shop.example.org. 30 IN A 203.0.113.81\n"},
		{"slow.shop.example.org.", "AAAA", outerNone},

		// A CNAME record never stands beside others.
		{"both.shop.example.org.", "A", "NOERROR\nboth.shop.example.org. A 203.0.113.80\n"},
		{"both.shop.example.org.", "SRV", "NOERROR\nboth.shop.example.org. SRV 0 50 80 both.shop.example.org.\nboth.shop.example.org. SRV 0 50 80 lb.example.net.\nadd both.shop.example.org. A 203.0.113.80\n"},
		{"both.shop.example.org.", "*", outerNone},
		{"_http._tcp.both.shop.example.org.", "SRV", "NOERROR\n_http._tcp.both.shop.example.org. SRV 0 50 80 both.shop.example.org.\n_http._tcp.both.shop.example.org. SRV 0 50 80 lb.example.net.\nadd both.shop.example.org. A 203.0.113.80\n"},
		{"named.shop.example.org.", "A", "NOERROR\nnamed.shop.example.org. CNAME lb.example.net.\nlb.example.net. 60 IN A 203.0.113.9\n"},
		{"named.shop.example.org.", "*", "NOERROR\nnamed.shop.example.org. CNAME lb.example.net.\n"},
		{"_http._tcp.named.shop.example.org.", "SRV", "NOERROR\n_http._tcp.named.shop.example.org. SRV 0 50 80 lb.example.net.\n_http._tcp.named.shop.example.org. SRV 0 50 80 www.example.net.\n"},
		{"_http._tcp.named.shop.example.org.", "*", outerNone},
		{"_._udp.named.shop.example.org.", "SRV", "NOERROR\n_._udp.named.shop.example.org. SRV 0 50 53 lb.example.net.\n_._udp.named.shop.example.org. SRV 0 50 53 www.example.net.\n"},
		{"_smtp._tcp.named.shop.example.org.", "*", outerAbsent},
		{"_tcp.named.shop.example.org.", "*", outerNone},
		{"inside.shop.example.org.", "A", "NOERROR\ninside.shop.example.org. CNAME web.shop.example.org.\nweb.shop.example.org. A 203.0.113.80\n"},

		{"plain.shop.example.org.", "*", outerAbsent},
		{"10-1-0-5.plain.shop.example.org.", "*", outerAbsent},
		{"db.shop.example.org.", "*", outerAbsent},
		{"db-0.db.shop.example.org.", "*", outerAbsent},
		{"fronted.shop.example.org.", "A", "NOERROR\nfronted.shop.example.org. A 203.0.113.90\n"},
		{"alias.shop.example.org.", "*", outerAbsent},

		// Reverse zones: one is the cluster's, too, the other is not.
		{"81.113.0.203.in-addr.arpa.", "PTR", "NOERROR\n81.113.0.203.in-addr.arpa. 30 IN PTR slow.shop.example.org.\n"},
		{"80.113.0.203.in-addr.arpa.", "PTR", "NOERROR\n80.113.0.203.in-addr.arpa. PTR both.shop.example.org.\n80.113.0.203.in-addr.arpa. PTR web.shop.example.org.\n"},
		{"80.113.0.203.in-addr.arpa.", "A", "NOERROR\n" + reverseSOA},
		{"203.in-addr.arpa.", "*", "NOERROR\n" + reverseSOA},
		{"204.in-addr.arpa.", "*", "NXDOMAIN\n" + reverseSOA},
		{"81.0.0.10.in-addr.arpa.", "PTR", "NOERROR\n81.0.0.10.in-addr.arpa. 30 IN PTR slow.shop.svc.Z\n"},
		{"0.8.0.0." + nibbles + "8.b.d.0.1.0.0.2.ip6.arpa.", "PTR", "NOERROR\n0.8.0.0." + nibbles + "8.b.d.0.1.0.0.2.ip6.arpa. PTR web.shop.example.org.\n"},
		{"8.b.d.0.1.0.0.2.ip6.arpa.", "NS", "NOERROR\n8.b.d.0.1.0.0.2.ip6.arpa. NS ns1.dns.8.b.d.0.1.0.0.2.ip6.arpa.\nadd ns1.dns.8.b.d.0.1.0.0.2.ip6.arpa. A 203.0.113.53\n"},
		{"ns1.dns.8.b.d.0.1.0.0.2.ip6.arpa.", "A", "NOERROR\nns1.dns.8.b.d.0.1.0.0.2.ip6.arpa. A 203.0.113.53\n"},

		// The cluster's own names are what they were.
		{"web.shop.svc.Z", "A", "NOERROR\nweb.shop.svc.Z A 10.0.0.80\n"},
		{"Z", "NS", "NOERROR\ncluster.local. NS kube-dns.kube-system.svc.Z\nadd kube-dns.kube-system.svc.Z A 10.0.0.10\n"},
	})
}

// nibbles are the zeros between a short IPv6 host and its network, reversed.
const nibbles = "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."

func TestExternalOptions(t *testing.T) {
	for _, tt := range []struct {
		options string
		rows    []ask_
	}{
		{"external example.org {\nheadless\n}", []ask_{
			{"db.shop.example.org.", "A", "NOERROR\ndb.shop.example.org. A 10.1.0.11\n"},
			{"db.shop.example.org.", "SRV", "NOERROR\ndb.shop.example.org. SRV 0 100 5432 db-0.db.shop.example.org.\nadd db-0.db.shop.example.org. A 10.1.0.11\n"},
			{"_sql._tcp.db.shop.example.org.", "SRV", "NOERROR\n_sql._tcp.db.shop.example.org. SRV 0 100 5432 db-0.db.shop.example.org.\nadd db-0.db.shop.example.org. A 10.1.0.11\n"},
			{"db-0.db.shop.example.org.", "A", "NOERROR\ndb-0.db.shop.example.org. A 10.1.0.11\n"},
			{"10-1-0-12.db.shop.example.org.", "*", outerAbsent},
			{"fronted.shop.example.org.", "A", "NOERROR\nfronted.shop.example.org. A 203.0.113.90\n"},
			{"10-1-0-21.fronted.shop.example.org.", "*", outerAbsent},
			{"10-1-0-1.web.shop.example.org.", "*", outerAbsent},
			{"10-1-0-5.plain.shop.example.org.", "A", "NOERROR\n10-1-0-5.plain.shop.example.org. A 10.1.0.5\n"},
			{"10-1-0-5.plain.shop.example.org.", "SRV", "NOERROR\n10-1-0-5.plain.shop.example.org. SRV 0 100 8080 10-1-0-5.plain.shop.example.org.\nadd 10-1-0-5.plain.shop.example.org. A 10.1.0.5\n"},
			{"plain.shop.example.org.", "*", outerNone}, // its endpoints' names stand below it
			{"_http._tcp.plain.shop.example.org.", "*", outerAbsent},
			{"_tcp.plain.shop.example.org.", "*", outerAbsent},
			{"11.0.1.10.in-addr.arpa.", "PTR", "NOERROR\n11.0.1.10.in-addr.arpa. PTR db-0.db.shop.svc.Z\n"},
		}},
		{"noendpoints\nexternal example.org {\nheadless\n}", []ask_{
			{"db.shop.example.org.", "*", outerAbsent},
			{"plain.shop.example.org.", "*", outerAbsent},
			{"ns1.dns.example.org.", "A", "NOERROR\nns1.dns.example.org. A 192.0.2.53\n"},
		}},
		{"zonal\nexternal example.org {\nheadless\n}", []ask_{
			{"a.pin._zone.db.shop.example.org.", "*", outerAbsent},
			{"pin._zone.db.shop.example.org.", "*", outerAbsent},
		}},
		{"ttl 60\nexternal example.org {\nttl 5\napex NS\n}", []ask_{
			{"example.org.", "NS", "NOERROR\nexample.org. NS ns1.ns.example.org.\nadd ns1.ns.example.org. A 203.0.113.53\n"},
			{"ns.example.org.", "TXT", "NOERROR\nauth example.org. SOA ns1.ns.example.org. hostmaster.ns.example.org. 1800000000 7200 1800 86400 5\n"},
			{"web.shop.example.org.", "A", "NOERROR\nweb.shop.example.org. A 203.0.113.80\n"},
			{"web.shop.svc.Z", "A", "NOERROR\nweb.shop.svc.Z 60 IN A 10.0.0.80\n"},
		}},
		{"external example.org {\nfallthrough\n}", []ask_{
			{"x.shop.example.org.", "*", next_},
			{"hostmaster.dns.example.org.", "*", next_},
			{"x.y.dns.example.org.", "*", next_},
			{"shop.example.org.", "*", outerNone},
			{"x.shop.svc.Z", "*", nxdomain},
		}},
		{"fallthrough\nexternal example.org example.net {\nfallthrough example.net\n}", []ask_{
			{"x.shop.example.org.", "*", outerAbsent},
			{"x.shop.example.net.", "*", next_},
			{"x.shop.svc.Z", "*", next_},
		}},
		{"external ext.cluster.local", []ask_{
			{"web.shop.ext.Z", "A", "NOERROR\nweb.shop.ext.Z A 203.0.113.80\n"},
			{"web.shop.svc.Z", "A", "NOERROR\nweb.shop.svc.Z A 10.0.0.80\n"},
		}},
	} {
		t.Run(tt.options, func(t *testing.T) { run(t, exposedTo(t, tt.options), tt.rows) })
	}
}

// TestExternalNotSynced holds that nothing is absent before the first sync.
func TestExternalNotSynced(t *testing.T) {
	conf := block(t, "kubernetes\nexternal example.org in-addr.arpa {\nfallthrough\n}")
	run(t, handler(conf, catalog.New(conf.policy())), []ask_{
		{"web.shop.example.org.", "*", servfail},
		{"_http._tcp.web.shop.example.org.", "*", servfail},
		{"shop.example.org.", "*", servfail},
		{"81.113.0.203.in-addr.arpa.", "*", servfail},
		{"dns.example.org.", "*", outerNone},
		{"x.dns.example.org.", "*", next_},
	})
}

// TestExternalCase holds that case counts in questions only.
func TestExternalCase(t *testing.T) {
	run(t, exposedTo(t, "external Example.ORG"), []ask_{
		{"WEB.shop.Example.org.", "A", "NOERROR\nWEB.shop.Example.org. A 203.0.113.80\n"},
		{"x.SHOP.EXAMPLE.org.", "A", "NXDOMAIN\nauth EXAMPLE.org. SOA ns1.dns.example.org. hostmaster.dns.example.org. 1800000000 7200 1800 86400 5\n"},
		{"NS1.Dns.example.org.", "A", "NOERROR\nNS1.Dns.example.org. A 203.0.113.53\n"},
	})
}

const outerZone = `example.org. SOA ns1.dns.example.org. hostmaster.dns.example.org. 1800000000 7200 1800 86400 5
example.org. NS ns1.dns.example.org.
ns1.dns.example.org. A 203.0.113.53
kube-dns.kube-system.example.org. A 203.0.113.53
kube-dns.kube-system.example.org. SRV 0 100 53 kube-dns.kube-system.example.org.
_dns._udp.kube-dns.kube-system.example.org. SRV 0 100 53 kube-dns.kube-system.example.org.
both.shop.example.org. A 203.0.113.80
both.shop.example.org. SRV 0 50 80 both.shop.example.org.
both.shop.example.org. SRV 0 50 80 lb.example.net.
_http._tcp.both.shop.example.org. SRV 0 50 80 both.shop.example.org.
_http._tcp.both.shop.example.org. SRV 0 50 80 lb.example.net.
db.shop.example.org. A 10.1.0.11
db.shop.example.org. SRV 0 100 5432 db-0.db.shop.example.org.
db-0.db.shop.example.org. A 10.1.0.11
_sql._tcp.db.shop.example.org. SRV 0 100 5432 db-0.db.shop.example.org.
fronted.shop.example.org. A 203.0.113.90
fronted.shop.example.org. SRV 0 100 5432 fronted.shop.example.org.
_sql._tcp.fronted.shop.example.org. SRV 0 100 5432 fronted.shop.example.org.
inside.shop.example.org. CNAME web.shop.example.org.
_http._tcp.inside.shop.example.org. SRV 0 100 80 web.shop.example.org.
named.shop.example.org. CNAME lb.example.net.
_http._tcp.named.shop.example.org. SRV 0 50 80 lb.example.net.
_http._tcp.named.shop.example.org. SRV 0 50 80 www.example.net.
slow.shop.example.org. 30 IN A 203.0.113.81
slow.shop.example.org. 30 IN SRV 0 100 9000 slow.shop.example.org.
web.shop.example.org. A 203.0.113.80
web.shop.example.org. AAAA 2001:db8::80
web.shop.example.org. SRV 0 16 53 web.shop.example.org.
web.shop.example.org. SRV 0 16 80 web.shop.example.org.
web.shop.example.org. SRV 0 16 443 web.shop.example.org.
_dns._udp.web.shop.example.org. SRV 0 50 53 web.shop.example.org.
_http._tcp.web.shop.example.org. SRV 0 50 80 web.shop.example.org.
_https._tcp.web.shop.example.org. SRV 0 50 443 web.shop.example.org.
example.org. SOA ns1.dns.example.org. hostmaster.dns.example.org. 1800000000 7200 1800 86400 5
`

const outerReverse = `203.in-addr.arpa. SOA ns1.dns.203.in-addr.arpa. hostmaster.dns.203.in-addr.arpa. 1800000000 7200 1800 86400 5
203.in-addr.arpa. NS ns1.dns.203.in-addr.arpa.
ns1.dns.203.in-addr.arpa. A 203.0.113.53
53.113.0.203.in-addr.arpa. PTR kube-dns.kube-system.example.org.
80.113.0.203.in-addr.arpa. PTR both.shop.example.org.
80.113.0.203.in-addr.arpa. PTR web.shop.example.org.
81.113.0.203.in-addr.arpa. 30 IN PTR slow.shop.example.org.
90.113.0.203.in-addr.arpa. PTR fronted.shop.example.org.
203.in-addr.arpa. SOA ns1.dns.203.in-addr.arpa. hostmaster.dns.203.in-addr.arpa. 1800000000 7200 1800 86400 5
`

func TestExternalTransfer(t *testing.T) {
	p := exposedTo(t, "external example.org 203.0.0.0/8 ip6.arpa {\nheadless\n}")
	for zone, want := range map[string]string{"example.org.": outerZone, "203.in-addr.arpa.": outerReverse} {
		if diff := cmp.Diff(want, texts(received(t, p, zone, 0))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", zone, diff)
		}
	}
	for zone, want := range map[string]int{"cluster.local.": 0, "in-addr.arpa.": 0, "ip6.arpa.": 1} {
		all := texts(received(t, p, zone, 0))
		if got := strings.Count(all, ".example.org."); got != want {
			t.Errorf("%s has %d names of the outside, want %d:\n%s", zone, got, want, all)
		}
	}
}

func TestExternalZones(t *testing.T) {
	for _, tt := range []struct {
		server, args, inside string
		want                 zones
		bypass               []string
	}{
		{"cluster.local example.org in-addr.arpa", "", "external example.org in-addr.arpa {\napex a\n}",
			zones{{name: "cluster.local."}, {name: "example.org.", external: true, apex: "a"}, {name: "in-addr.arpa.", reverse: true, external: true}},
			[]string{"cluster.local.", "example.org."}},
		{".", "cluster.local", "external example.org 198.51.100.0/24\nfallthrough",
			zones{{name: "cluster.local."}, {name: "example.org.", external: true, apex: "dns"}, {name: "100.51.198.in-addr.arpa.", reverse: true, external: true, apex: "dns"}},
			[]string{"example.org."}},
		{".", "cluster.local", "external example.org {\nfallthrough\n}",
			zones{{name: "cluster.local."}, {name: "example.org.", external: true, apex: "dns"}},
			[]string{"cluster.local."}},
	} {
		conf, err := readCorefile(t, tt.server+" {\n isthmus "+tt.args+" {\n"+tt.inside+"\n}\n}")
		if err != nil {
			t.Errorf("%s: %v", tt.inside, err)
			continue
		}
		if diff := cmp.Diff(tt.want, conf.zones, cmp.AllowUnexported(zone{})); diff != "" {
			t.Errorf("%s: zones (-want +got):\n%s", tt.inside, diff)
		}
		if got := (&Isthmus{conf: conf}).CacheBypassZones(); !slices.Equal(got, tt.bypass) {
			t.Errorf("%s: cache bypasses %v, want %v", tt.inside, got, tt.bypass)
		}
	}
}

// TestBeside starts servers whose plugins want the kubernetes plugin.
func TestBeside(t *testing.T) {
	for _, tt := range []struct{ inside, want string }{
		{" k8s_external example.org\n isthmus cluster.local", `plugin/isthmus: Corefile:2: "k8s_external" works with the plugin "kubernetes" only: write "external ZONE..." into the block of "isthmus" instead`},
		{" isthmus cluster.local\n autopath @kubernetes", `plugin/isthmus: Corefile:3: "@kubernetes" is not there: write "@isthmus"`},
	} {
		server, err := caddy.Start(input(".:0 {\n" + tt.inside + "\n}\n"))
		if err == nil {
			stopServer(t, server)
		}
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s: error = %v\nwant %s", tt.inside, err, tt.want)
		}
	}
}
