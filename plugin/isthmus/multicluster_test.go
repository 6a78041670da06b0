package isthmus

import (
	"errors"
	"strings"
	"testing"

	"github.com/coredns/coredns/plugin/pkg/fall"
	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry/registrytest/hostile"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

// exported is what the clusters c1, c2 and c3 export to each other.
const exported = `
service shop/web ClusterIP
	addr 10.42.0.1
	addr fd00::42
	port https TCP 443
	port "" UDP 53
	endpoint 10.1.0.1 id=c1/10.1.0.1 ready hostname=web-0 cluster=c1
		port https TCP 8443
service shop/idle ClusterIP
	addr 10.42.0.2
	port http TCP 80
service shop/pending ClusterIP
	port http TCP 80
service shop/db Headless
	port sql TCP 5432
	endpoint 10.1.0.11 id=c1/a ready hostname=db-0 cluster=c1
		port sql TCP 5432
	endpoint 10.2.0.11 id=c2/a ready hostname=db-0 cluster=c2
		port sql TCP 5432
	endpoint fd00::2:11 id=c2/b ready hostname=db-0 cluster=c2
		port sql TCP 5432
	endpoint 10.2.0.12 id=c2/c ready pod=db-x cluster=c2
		port "" UDP 9000
	endpoint 10.3.0.11 id=c3/a hostname=db-0 cluster=c3
		port sql TCP 5432
service shop/down Headless
	endpoint 10.1.0.31 id=c1/a cluster=c1
`

// clusters parses the inside of a block with a multicluster zone.
func clusters(t testing.TB, inside string) *config {
	t.Helper()
	all, err := stanza.Parse("Corefile", []byte("isthmus cluster.local clusterset.local in-addr.arpa {\nmulticluster ClusterSet.local\n"+inside+"\n}\n"))
	if err != nil {
		t.Fatal(err)
	}
	conf, err := parse(all[0], nil, importerTypes(), func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	return conf
}

// member answers from both catalogs; the imports are reported if synced is.
func member(t testing.TB, conf *config, synced bool) *Isthmus {
	t.Helper()
	own, imports := catalog.New(conf.policy()), conf.imports()
	conf.registries[0].(importer).report(t, own.Feed("kubernetes/cluster"))
	others := catalog.New(imports.policy())
	if synced {
		reportExported(others.Feed("kubernetes/cluster"))
	}
	p := handler(conf, own)
	p.imports = new(views)
	p.imports.newest.Store(newView(imports, others.Snapshot(), start))
	return p
}

const (
	setSOA     = "auth clusterset.local. SOA ns.dns.clusterset.local. hostmaster.clusterset.local. 1800000000 7200 1800 86400 5\n"
	setNodata  = "NOERROR\n" + setSOA
	setMissing = "NXDOMAIN\n" + setSOA
)

// TestMulticluster has every shape of name in a multicluster zone.
func TestMulticluster(t *testing.T) {
	conf := clusters(t, "pods insecure\nzonal")
	conf.locals = mustAddrs(t, "192.0.2.53 10.1.0.1")
	run(t, member(t, conf, true), []ask_{
		{"clusterset.local.", "SOA", "NOERROR\n" + strings.TrimPrefix(setSOA, "auth ")},
		{"clusterset.local.", "NS", "NOERROR\nclusterset.local. NS ns.dns.clusterset.local.\nadd ns.dns.clusterset.local. A 10.1.0.1\nadd ns.dns.clusterset.local. A 192.0.2.53\n"},
		{"clusterset.local.", "*", setNodata},
		{"svc.clusterset.local.", "*", setNodata},
		{"dns-version.clusterset.local.", "TXT", "NOERROR\ndns-version.clusterset.local. 28800 IN TXT \"1.0.0\"\n"},
		{"dns-version.Z", "TXT", "NOERROR\ndns-version.Z 28800 IN TXT \"1.1.0\"\n"},
		{"empty.svc.clusterset.local.", "*", setNodata},
		{"nothing.svc.clusterset.local.", "*", setMissing},

		// A service with a ClusterSetIP.
		{"web.shop.svc.clusterset.local.", "A", "NOERROR\nweb.shop.svc.clusterset.local. A 10.42.0.1\n"},
		{"web.shop.svc.clusterset.local.", "AAAA", "NOERROR\nweb.shop.svc.clusterset.local. AAAA fd00::42\n"},
		{"web.shop.svc.clusterset.local.", "TXT MX CNAME", setNodata},
		{"_https._tcp.web.shop.svc.clusterset.local.", "SRV", "NOERROR\n_https._tcp.web.shop.svc.clusterset.local. SRV 0 50 443 web.shop.svc.clusterset.local.\nadd web.shop.svc.clusterset.local. A 10.42.0.1\nadd web.shop.svc.clusterset.local. AAAA fd00::42\n"},
		{"_https.tcp.web.shop.svc.clusterset.local.", "A", "NOERROR\n_https.tcp.web.shop.svc.clusterset.local. A 10.42.0.1\n"},
		{"https._tcp.web.shop.svc.clusterset.local.", "A", "NOERROR\nhttps._tcp.web.shop.svc.clusterset.local. A 10.42.0.1\n"},
		{"https.tcp.web.shop.svc.clusterset.local.", "*", setMissing},
		{"_tcp.web.shop.svc.clusterset.local.", "*", setNodata},
		{"c1.web.shop.svc.clusterset.local.", "*", setMissing},
		{"web-0.c1.web.shop.svc.clusterset.local.", "*", setMissing},
		{"10-1-0-1.c1.web.shop.svc.clusterset.local.", "*", setMissing},
		{"web-0.web.shop.svc.clusterset.local.", "*", setMissing},
		{"idle.shop.svc.clusterset.local.", "A", "NOERROR\nidle.shop.svc.clusterset.local. A 10.42.0.2\n"},

		// One that has none yet: no record points to what has no address.
		{"pending.shop.svc.clusterset.local.", "*", setNodata},
		{"_http._tcp.pending.shop.svc.clusterset.local.", "*", setNodata},

		// A headless one: the union of all clusters.
		{"db.shop.svc.clusterset.local.", "A", "NOERROR\ndb.shop.svc.clusterset.local. A 10.1.0.11\ndb.shop.svc.clusterset.local. A 10.2.0.11\ndb.shop.svc.clusterset.local. A 10.2.0.12\n"},
		{"db.shop.svc.clusterset.local.", "AAAA", "NOERROR\ndb.shop.svc.clusterset.local. AAAA fd00::2:11\n"},
		{"_sql._tcp.db.shop.svc.clusterset.local.", "SRV", `NOERROR
_sql._tcp.db.shop.svc.clusterset.local. SRV 0 33 5432 db-0.c1.db.shop.svc.clusterset.local.
_sql._tcp.db.shop.svc.clusterset.local. SRV 0 33 5432 db-0.c2.db.shop.svc.clusterset.local.
add db-0.c1.db.shop.svc.clusterset.local. A 10.1.0.11
add db-0.c2.db.shop.svc.clusterset.local. A 10.2.0.11
add db-0.c2.db.shop.svc.clusterset.local. AAAA fd00::2:11
`},
		{"db-0.c1.db.shop.svc.clusterset.local.", "A", "NOERROR\ndb-0.c1.db.shop.svc.clusterset.local. A 10.1.0.11\n"},
		{"DB-0.C2.db.shop.svc.clusterset.local.", "AAAA", "NOERROR\nDB-0.C2.db.shop.svc.clusterset.local. AAAA fd00::2:11\n"},
		{"db-0.c2.db.shop.svc.clusterset.local.", "SRV", "NOERROR\ndb-0.c2.db.shop.svc.clusterset.local. SRV 0 50 5432 db-0.c2.db.shop.svc.clusterset.local.\nadd db-0.c2.db.shop.svc.clusterset.local. A 10.2.0.11\nadd db-0.c2.db.shop.svc.clusterset.local. AAAA fd00::2:11\n"},
		{"10-2-0-12.c2.db.shop.svc.clusterset.local.", "A", "NOERROR\n10-2-0-12.c2.db.shop.svc.clusterset.local. A 10.2.0.12\n"},
		{"10-2-0-12.c2.db.shop.svc.clusterset.local.", "AAAA TXT", setNodata},
		{"10-2-0-12.c1.db.shop.svc.clusterset.local.", "*", setMissing},
		{"db-0.c3.db.shop.svc.clusterset.local.", "*", setMissing},
		{"db-0.db.shop.svc.clusterset.local.", "*", setMissing},
		{"10-2-0-12.db.shop.svc.clusterset.local.", "*", setMissing},
		{"c1.db.shop.svc.clusterset.local.", "*", setNodata},
		{"c3.db.shop.svc.clusterset.local.", "*", setMissing},
		{"x.db-0.c1.db.shop.svc.clusterset.local.", "*", setMissing},
		{"down.shop.svc.clusterset.local.", "*", setMissing},
		{"nothing.shop.svc.clusterset.local.", "*", setMissing},

		// What only a cluster has.
		{"1-2-3-4.shop.pod.clusterset.local.", "*", setMissing},
		{"shop.pod.clusterset.local.", "*", setMissing},
		{"_zone.db.shop.svc.clusterset.local.", "*", setMissing},
		{"pin._zone.db.shop.svc.clusterset.local.", "*", setMissing},
		{"z.pin._zone.db.shop.svc.clusterset.local.", "*", setMissing},

		// The two kinds of zones know nothing of each other.
		{"idle.shop.svc.Z", "A", "NOERROR\nidle.shop.svc.Z A 10.0.0.82\n"},
		{"dual.shop.svc.clusterset.local.", "*", setMissing},
		{"db-0.c1.db.shop.svc.Z", "*", nxdomain},
		{"1.0.42.10.in-addr.arpa.", "PTR", "NXDOMAIN\n" + reverseSOA},
		{"11.0.2.10.in-addr.arpa.", "PTR", "NXDOMAIN\n" + reverseSOA},
		{"80.0.0.10.in-addr.arpa.", "PTR", "NOERROR\n80.0.0.10.in-addr.arpa. PTR web.shop.svc.Z\n"},
	})
}

// TestMulticlusterOptions has the options that change the answers there.
func TestMulticlusterOptions(t *testing.T) {
	for _, tt := range []struct {
		options string
		rows    []ask_
	}{
		{"endpoint_pod_names", []ask_{{"db-x.c2.db.shop.svc.clusterset.local.", "A", "NOERROR\ndb-x.c2.db.shop.svc.clusterset.local. A 10.2.0.12\n"}}},
		{"noendpoints", []ask_{
			{"db.shop.svc.clusterset.local.", "*", setMissing},
			{"web.shop.svc.clusterset.local.", "A", "NOERROR\nweb.shop.svc.clusterset.local. A 10.42.0.1\n"},
		}},
		{"ignore empty_service", []ask_{
			{"idle.shop.svc.clusterset.local.", "*", setMissing},
			{"web.shop.svc.clusterset.local.", "A", "NOERROR\nweb.shop.svc.clusterset.local. A 10.42.0.1\n"},
		}},
		{"ttl 60", []ask_{{"web.shop.svc.clusterset.local.", "A", "NOERROR\nweb.shop.svc.clusterset.local. 60 IN A 10.42.0.1\n"}}},
		{"fallthrough clusterset.local", []ask_{
			{"nothing.shop.svc.clusterset.local.", "*", next_},
			{"nothing.shop.svc.Z", "*", nxdomain},
		}},
	} {
		t.Run(tt.options, func(t *testing.T) { run(t, member(t, clusters(t, tt.options), true), tt.rows) })
	}
}

// TestMulticlusterNotSynced holds that names of several clusters fail while
// nobody knows them, and that a cluster's own do not.
func TestMulticlusterNotSynced(t *testing.T) {
	conf := clusters(t, "")
	conf.fall = fall.Root
	p := member(t, conf, false)
	run(t, p, []ask_{
		{"web.shop.svc.clusterset.local.", "*", servfail},
		{"shop.svc.clusterset.local.", "*", servfail},
		{"db-0.c1.db.shop.svc.clusterset.local.", "*", servfail},
		{"web.shop.svc.Z", "A", "NOERROR\nweb.shop.svc.Z A 10.0.0.80\n"},
		{"nothing.shop.svc.Z", "*", next_},
		{"9.9.9.10.in-addr.arpa.", "PTR", next_},
	})
	if !p.Ready() {
		t.Error("a cluster is not ready without the others")
	}
	if _, err := p.Transfer("clusterset.local.", 0); !errors.Is(err, errNotSynced) {
		t.Errorf("Transfer = %v, want %v", err, errNotSynced)
	}
}

// TestMulticlusterAlias holds that an alias of one kind of zone that points
// into the other is resolved by asking the server.
func TestMulticlusterAlias(t *testing.T) {
	conf := clusters(t, "")
	p := member(t, conf, true)
	c := catalog.New(conf.policy())
	c.Feed("kubernetes/cluster").Replace(services(t, "service shop/alias ExternalName\n\talias web.shop.svc.clusterset.local\n"))
	p.views = handler(conf, c).views
	run(t, p, []ask_{
		{"alias.shop.svc.Z", "A", "NOERROR\nalias.shop.svc.Z CNAME web.shop.svc.clusterset.local.\nweb.shop.svc.clusterset.local. 60 IN A 203.0.113.9\n"},
		{"alias.shop.svc.Z", "TXT", "NOERROR\nalias.shop.svc.Z CNAME web.shop.svc.clusterset.local.\n"},
	})
}

// TestMulticlusterTransfer holds that a transferred zone has the names that
// questions are asked for.
func TestMulticlusterTransfer(t *testing.T) {
	conf := clusters(t, "")
	conf.locals = mustAddrs(t, "192.0.2.53")
	want := strings.ReplaceAll(`clusterset.local. SOA ns.dns.C hostmaster.C 1800000000 7200 1800 86400 5
clusterset.local. NS ns.dns.C
ns.dns.C A 192.0.2.53
dns-version.C 28800 IN TXT "1.0.0"
db.shop.svc.C A 10.1.0.11
db.shop.svc.C A 10.2.0.11
db.shop.svc.C A 10.2.0.12
db.shop.svc.C AAAA fd00::2:11
db.shop.svc.C SRV 0 25 5432 db-0.c1.db.shop.svc.C
db.shop.svc.C SRV 0 25 5432 db-0.c2.db.shop.svc.C
db.shop.svc.C SRV 0 25 9000 10-2-0-12.c2.db.shop.svc.C
db-0.c1.db.shop.svc.C A 10.1.0.11
db-0.c2.db.shop.svc.C A 10.2.0.11
db-0.c2.db.shop.svc.C AAAA fd00::2:11
10-2-0-12.c2.db.shop.svc.C A 10.2.0.12
_sql._tcp.db.shop.svc.C SRV 0 33 5432 db-0.c1.db.shop.svc.C
_sql._tcp.db.shop.svc.C SRV 0 33 5432 db-0.c2.db.shop.svc.C
idle.shop.svc.C A 10.42.0.2
idle.shop.svc.C SRV 0 100 80 idle.shop.svc.C
_http._tcp.idle.shop.svc.C SRV 0 100 80 idle.shop.svc.C
web.shop.svc.C A 10.42.0.1
web.shop.svc.C AAAA fd00::42
web.shop.svc.C SRV 0 25 53 web.shop.svc.C
web.shop.svc.C SRV 0 25 443 web.shop.svc.C
_https._tcp.web.shop.svc.C SRV 0 50 443 web.shop.svc.C
clusterset.local. SOA ns.dns.C hostmaster.C 1800000000 7200 1800 86400 5
`, ".C", ".clusterset.local.")
	p := member(t, conf, true)
	if diff := cmp.Diff(want, texts(received(t, p, "clusterset.local.", 0))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, typ := range map[string]uint16{"db-0.c2.db.shop.svc.clusterset.local.": dns.TypeAAAA, "10-2-0-12.c2.db.shop.svc.clusterset.local.": dns.TypeA} {
		if m, _ := ask(t, p, name, typ); len(m.Answer) != 1 {
			t.Errorf("%s stands in the zone and is not answered: %v", name, m)
		}
	}
}

func TestMulticlusterMetadata(t *testing.T) {
	p := member(t, clusters(t, ""), true)
	for name, want := range map[string]string{
		"clusterset.local.":                          "",
		"web.shop.svc.clusterset.local.":             "kind=svc namespace=shop service=web",
		"DB-0.c1.db.shop.svc.clusterset.local.":      "cluster=c1 endpoint=db-0 kind=svc namespace=shop service=db",
		"c1.db.shop.svc.clusterset.local.":           "endpoint=c1 kind=svc namespace=shop service=db",
		"_sql._tcp.db.shop.svc.clusterset.local.":    "kind=svc namespace=shop port-name=sql protocol=tcp service=db",
		"a.b.c.db.shop.svc.clusterset.local.":        "parse-error=invalid query name",
		"db-0.c1.db.shop.svc.cluster.local.":         "kind=svc namespace=shop port-name=db-0 protocol=c1 service=db",
		"web-0.c1.web.nothing.svc.clusterset.local.": "cluster=c1 endpoint=web-0 kind=svc namespace=nothing service=web",
		"x.pin._zone.db.shop.svc.clusterset.local.":  "parse-error=invalid query name",
	} {
		if diff := cmp.Diff(want, told(p, name)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestMulticlusterZones(t *testing.T) {
	zonesOf := func(block string) (zones, error) {
		all, err := stanza.Parse("Corefile", []byte(block))
		if err != nil {
			t.Fatal(err)
		}
		conf, err := parse(all[0], nil, importerTypes(), func(string) string { return "" })
		if err != nil {
			return nil, err
		}
		return conf.zones, nil
	}
	a, b, r := zone{name: "a."}, zone{name: "b.", multicluster: true}, zone{name: "10.in-addr.arpa.", reverse: true}
	for block, want := range map[string]zones{
		"isthmus a {\nmulticluster\n}\n":                           {a},
		"isthmus a b 10.0.0.0/8 {\nmulticluster B.\n}\n":           {a, b, r},
		"isthmus b a 10.0.0.0/8 {\nmulticluster b 10.0.0.0/8\n}\n": {b, a, r},
		"isthmus b {\nmulticluster b\n}\n":                         {b},
	} {
		got, err := zonesOf(block)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(zone{})); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", block, err, diff)
		}
	}
}

// TestMulticlusterAlone holds that a block may have no other zone; then no
// address has a name.
func TestMulticlusterAlone(t *testing.T) {
	all, err := stanza.Parse("Corefile", []byte("isthmus clusterset.local in-addr.arpa {\nmulticluster clusterset.local\n}\n"))
	if err != nil {
		t.Fatal(err)
	}
	conf, err := parse(all[0], nil, importerTypes(), func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	conf.locals = mustAddrs(t, "192.0.2.53")
	run(t, member(t, conf, true), []ask_{
		{"in-addr.arpa.", "NS", "NOERROR\nin-addr.arpa. NS ns.dns.in-addr.arpa.\nadd ns.dns.in-addr.arpa. A 192.0.2.53\n"},
		{"web.shop.svc.clusterset.local.", "A", "NOERROR\nweb.shop.svc.clusterset.local. A 10.42.0.1\n"},
		{"80.0.0.10.in-addr.arpa.", "PTR", "NXDOMAIN\n" + reverseSOA},
	})
}

// FuzzMulticluster holds that no name in a multicluster zone upsets the plugin,
// and that whatever is answered goes over the wire.
func FuzzMulticluster(f *testing.F) {
	for _, name := range []string{"web.shop", "db-0.c2.db.shop", "_sql._tcp.db.shop", "c1.db.shop", `\..c1.db.shop`, `db-0\.c1.c2.db.shop`, "_.c1.db.shop", "a.b.c.db.shop"} {
		f.Add(name, uint8(0))
		f.Add(name, uint8(3))
	}
	for _, label := range hostile.Names() {
		f.Add(label+".shop", uint8(0))
		f.Add(label+".web."+label, uint8(3))
	}
	conf := clusters(f, "zonal")
	p := member(f, conf, true)
	f.Fuzz(func(t *testing.T, labels string, typ uint8) {
		name := labels + ".svc.clusterset.local."
		if _, ok := dns.IsDomainName(name); !ok {
			return
		}
		lower := strings.ToLower(name)
		q, ours := conf.zones.parse(lower)
		if !ours {
			t.Fatalf("%q is not ours", name)
		}
		a := p.view(q.zone).answer(&q, lower, dns.StringToType[allTypes[int(typ)%len(allTypes)]])
		r := new(dns.Msg)
		r.SetQuestion(name, dns.TypeA)
		if _, err := newReply(r, &a, lower).msg.Pack(); err != nil && strings.IndexFunc(name, func(c rune) bool { return c > 0x7e || c < ' ' }) < 0 {
			t.Errorf("the answer to %q does not pack: %v", name, err)
		}
	})
}
