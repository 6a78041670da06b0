package isthmus

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/coredns/coredns/plugin/test"
	"github.com/coredns/coredns/request"
	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// TestOptionsAnswer has what each option changes in the answers.
func TestOptionsAnswer(t *testing.T) {
	for _, tt := range []struct {
		options string
		rows    []ask_
	}{
		{"kubernetes", []ask_{
			{"1-2-3-4.shop.pod.Z", "*", nxdomain},
			{"shop.pod.Z", "*", nxdomain},
			{"pod.Z", "*", nodata},
		}},
		{"kubernetes\nendpoint_pod_names", []ask_{
			{"db-y.db.shop.svc.Z", "A", "NOERROR\ndb-y.db.shop.svc.Z A 10.1.0.12\n"},
			{"db-0.db.shop.svc.Z", "A", "NOERROR\ndb-0.db.shop.svc.Z A 10.1.0.11\n"},
			{"10-1-0-12.db.shop.svc.Z", "*", nxdomain},
			{"12.0.1.10.in-addr.arpa.", "PTR", "NOERROR\n12.0.1.10.in-addr.arpa. PTR db-y.db.shop.svc.Z\n"},
		}},
		{"kubernetes\nnoendpoints", []ask_{
			{"db.shop.svc.Z", "*", nxdomain},
			{"db-0.db.shop.svc.Z", "*", nxdomain},
			{"10-1-0-1.web.shop.svc.Z", "*", nxdomain},
			{"web.shop.svc.Z", "A", "NOERROR\nweb.shop.svc.Z A 10.0.0.80\n"},
			{"1.0.1.10.in-addr.arpa.", "PTR", "NXDOMAIN\n" + reverseSOA},
		}},
		{"kubernetes\nignore empty_service", []ask_{
			{"idle.shop.svc.Z", "*", nxdomain},
			{"82.0.0.10.in-addr.arpa.", "PTR", "NXDOMAIN\n" + reverseSOA},
			{"web.shop.svc.Z", "A", "NOERROR\nweb.shop.svc.Z A 10.0.0.80\n"},
			{"outer.shop.svc.Z", "CNAME", "NOERROR\nouter.shop.svc.Z CNAME www.example.org.\n"},
		}},
		{"kubernetes\nttl 60", []ask_{
			{"web.shop.svc.Z", "A", "NOERROR\nweb.shop.svc.Z 60 IN A 10.0.0.80\n"},
			{"dual.shop.svc.Z", "A", "NOERROR\ndual.shop.svc.Z 30 IN A 10.0.0.81\n"},
			{"x.Z", "A", "NXDOMAIN\nauth cluster.local. 60 IN SOA ns.dns.Z hostmaster.Z 1800000000 7200 1800 86400 60\n"},
		}},
		{"kubernetes\nttl 3600", []ask_{
			{"x.Z", "A", "NXDOMAIN\nauth cluster.local. 300 IN SOA ns.dns.Z hostmaster.Z 1800000000 7200 1800 86400 3600\n"},
		}},
		{"kubernetes\nfallthrough in-addr.arpa", []ask_{
			{"9.9.9.10.in-addr.arpa.", "PTR A", next_},
			{"x.in-addr.arpa.", "PTR", next_},
			{"10.in-addr.arpa.", "NS", "NOERROR\n" + reverseSOA},
			{"80.0.0.10.in-addr.arpa.", "TXT", "NOERROR\n" + reverseSOA},
			{"x.Z", "A", nxdomain},
		}},
		{"kubernetes\nfallthrough", []ask_{
			{"x.shop.svc.Z", "*", next_},
			{"shop.svc.Z", "*", nodata},
			{"dangling.shop.svc.Z", "A", "NXDOMAIN\ndangling.shop.svc.Z CNAME nothing.shop.svc.Z\n" + soa},
		}},
	} {
		t.Run(tt.options, func(t *testing.T) {
			conf := block(t, tt.options)
			run(t, handler(conf, synced(t, conf)), tt.rows)
		})
	}
}

// TestNotSynced holds that a name is SERVFAIL, and nothing falls through,
// while an origin that may hold it has not reported.
func TestNotSynced(t *testing.T) {
	conf := block(t, "kubernetes\nconsul\nfallthrough\npods insecure")
	const other = "SERVFAIL\n"
	t.Run("nothing", func(t *testing.T) {
		run(t, handler(conf, catalog.New(conf.policy())), []ask_{
			{"web.shop.svc.Z", "*", other},
			{"_http._tcp.web.shop.svc.Z", "*", other},
			{"shop.svc.Z", "*", other},
			{"api.consul.svc.Z", "*", other},
			{"1-2-3-4.shop.pod.Z", "*", other},
			{"80.0.0.10.in-addr.arpa.", "*", other},
			{"10.in-addr.arpa.", "*", other},
			{"svc.Z", "*", nodata},
			{"dns-version.Z", "TXT", "NOERROR\ndns-version.Z 28800 IN TXT \"1.1.0\"\n"},
			{"x.Z", "*", next_},
			{"Z", "SOA", "NOERROR\ncluster.local. SOA ns.dns.Z hostmaster.Z 1800000000 7200 1800 86400 5\n"},
		})
	})
	t.Run("kubernetes only", func(t *testing.T) {
		c := catalog.New(conf.policy())
		conf.registries[0].(fakeConfig).report(t, c.Feed("kubernetes/cluster"))
		run(t, handler(conf, c), []ask_{
			{"web.shop.svc.Z", "A", "NOERROR\nweb.shop.svc.Z A 10.0.0.80\n"},
			{"x.shop.svc.Z", "*", next_},
			{"api.consul.svc.Z", "*", other},
			{"80.0.0.10.in-addr.arpa.", "PTR", "NOERROR\n80.0.0.10.in-addr.arpa. PTR web.shop.svc.Z\n"},
			{"9.9.9.10.in-addr.arpa.", "PTR", next_},
		})
	})
	t.Run("consul only", func(t *testing.T) {
		c := catalog.New(conf.policy())
		conf.registries[1].(fakeConfig).report(t, c.Feed("consul/dc1"))
		run(t, handler(conf, c), []ask_{
			{"web.shop.svc.Z", "*", other},
			{"stolen.shop.svc.Z", "*", other},
			{"api.consul.svc.Z", "A", "NOERROR\napi.consul.svc.Z A 10.20.0.1\napi.consul.svc.Z A 10.20.0.2\n"},
		})
	})
}

// TestCase holds that the case of a question changes nothing but how its name
// is spelled in the answer.
func TestCase(t *testing.T) {
	conf := block(t, "kubernetes\nconsul\npods insecure")
	p := handler(conf, synced(t, conf))
	for _, lower := range []string{
		"web.shop.svc.cluster.local.", "_http._tcp.web.shop.svc.cluster.local.", "db-0.db.shop.svc.cluster.local.", "inner.shop.svc.cluster.local.",
		"cluster.local.", "dns-version.cluster.local.", "ns.dns.cluster.local.", "x.cluster.local.", "shop.svc.cluster.local.",
		"1-2-3-4.shop.pod.cluster.local.", "fd00--9.shop.pod.cluster.local.", "80.0.0.10.in-addr.arpa.",
		"1.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa.", "nothing.shop.svc.cluster.local.",
	} {
		for _, typ := range allTypes {
			upper := strings.ToUpper(lower)
			want, _ := ask(t, p, lower, dns.StringToType[typ])
			got, _ := ask(t, p, upper, dns.StringToType[typ])
			if diff := cmp.Diff(lowered(want), lowered(got)); diff != "" {
				t.Errorf("%s %s (-lower +upper):\n%s", upper, typ, diff)
			}
			if got.Question[0].Name != upper {
				t.Errorf("question is %q, want %q", got.Question[0].Name, upper)
			}
			for _, rr := range append(got.Answer, got.Ns...) {
				if owner := rr.Header().Name; strings.EqualFold(owner, lower) && owner != upper {
					t.Errorf("%s %s: owner is %q", upper, typ, owner)
				}
			}
		}
	}
}

// lowered is what was said, in lower case.
func lowered(m *dns.Msg) string {
	return strings.ToLower(strings.ReplaceAll(said(m), ".Z", ".cluster.local."))
}

func TestHeader(t *testing.T) {
	conf := block(t, "kubernetes")
	p := handler(conf, synced(t, conf))
	r := new(dns.Msg)
	r.SetQuestion("web.shop.svc.cluster.local.", dns.TypeA)
	r.Id, r.RecursionDesired, r.CheckingDisabled = 4711, false, true
	w := &keep{}
	if rcode, err := p.ServeDNS(context.Background(), w, r); rcode != dns.RcodeSuccess || err != nil {
		t.Fatalf("ServeDNS = %d, %v", rcode, err)
	}
	want := dns.MsgHdr{Id: 4711, Response: true, Authoritative: true, CheckingDisabled: true}
	if diff := cmp.Diff(want, w.msg.MsgHdr); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	for _, typ := range []uint16{dns.TypeAXFR, dns.TypeIXFR} {
		if m, rcode := ask(t, p, "cluster.local.", typ); m != nil || rcode != dns.RcodeRefused {
			t.Errorf("%s = %v, %d, want REFUSED and nothing written", dns.TypeToString[typ], m, rcode)
		}
	}
	if m, _ := ask(t, p, "outer.shop.svc.cluster.local.", dns.TypeA); !m.Truncated {
		t.Error("the upstream's TC bit is lost")
	}
}

// keep keeps the message that is written.
type keep struct {
	test.ResponseWriter
	msg *dns.Msg
}

func (k *keep) WriteMsg(m *dns.Msg) error {
	k.msg = m
	return nil
}

// client is a writer for the client at addr.
type client struct {
	keep
	addr net.Addr
}

func (c *client) RemoteAddr() net.Addr { return c.addr }

// vandal is a writer that does to a message what plugins in front may do.
type vandal struct{ test.ResponseWriter }

func (*vandal) WriteMsg(m *dns.Msg) error {
	for _, section := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
		for i := range section {
			section[i] = nil
		}
		_ = append(section, &dns.OPT{})
		_ = append(section[:0], &dns.OPT{}, &dns.OPT{})
	}
	m.Question[0].Name = "vandal."
	return nil
}

// TestPublishedRecords holds that nothing that is done to answers reaches the
// records they were made of, and that asking does not change them.
func TestPublishedRecords(t *testing.T) {
	conf := block(t, "kubernetes\nconsul\npods insecure")
	p := handler(conf, synced(t, conf))
	before := dump(p.views.newest.Load())
	for _, name := range []string{"web.shop", "dual.shop", "db.shop", "inner.shop", "outer.shop", "api.consul", "x.shop", "_sql._tcp.db.shop", "db-0.db.shop"} {
		for _, spelled := range []string{name, strings.ToUpper(name)} {
			for _, typ := range allTypes {
				r := new(dns.Msg)
				r.SetQuestion(spelled+".svc.cluster.local.", dns.StringToType[typ])
				if _, err := p.ServeDNS(context.Background(), &vandal{}, r); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if diff := cmp.Diff(before, dump(p.views.newest.Load())); diff != "" {
		t.Errorf("published records were modified (-before +after):\n%s", diff)
	}
}

// TestTrust holds that mirrors of a trusted owner answer under their
// original's key, where no origin speaks for namespaces.
func TestTrust(t *testing.T) {
	const mirror = "service consul/web-shop Headless\n\tmark owner=prod of=kubernetes:1 key=shop/web format=1\n\tendpoint 10.20.0.9 id=a ready"
	for options, want := range map[string]string{
		"consul":             nxdomain,
		"consul\ntrust prod": "NOERROR\nweb.shop.svc.Z A 10.20.0.9\n",
		"consul\ntrust qa":   nxdomain,
	} {
		conf := block(t, options)
		c := catalog.New(conf.policy())
		c.Feed("consul/dc1").Replace(services(t, mirror))
		run(t, handler(conf, c), []ask_{{"web.shop.svc.Z", "A", want}})
	}
}

func services(t testing.TB, text string) []*catalog.Service {
	t.Helper()
	all, err := catalog.ParseText(text)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestCutAnswers holds that answers that are cut off for UDP name all endpoints
// in turn, whatever the id that a client begins with.
func TestCutAnswers(t *testing.T) {
	var text strings.Builder
	text.WriteString("service shop/big Headless\n")
	for i := range 60 {
		fmt.Fprintf(&text, "\tendpoint 10.1.2.%d id=%d ready\n\t\tport sql TCP 5432\n", i, i)
	}
	conf := block(t, "kubernetes")
	c := catalog.New(conf.policy())
	c.Feed("kubernetes/cluster").Replace(services(t, text.String()))
	p := handler(conf, c)
	for _, typ := range []uint16{dns.TypeA, dns.TypeSRV} {
		seen := map[string]bool{}
		for id := range 60 {
			r := new(dns.Msg)
			r.SetQuestion("_sql._tcp.big.shop.svc.cluster.local.", typ)
			r.Id = uint16(1000 + id)
			w := &keep{}
			if _, err := p.ServeDNS(context.Background(), request.NewScrubWriter(r, w), r); err != nil {
				t.Fatal(err)
			}
			if !w.msg.Truncated || len(w.msg.Answer) >= 60 || len(w.msg.Answer) < 5 {
				t.Fatalf("%d of 60 records, truncated %v", len(w.msg.Answer), w.msg.Truncated)
			}
			for _, rr := range w.msg.Answer {
				seen[rr.String()] = true
			}
		}
		if len(seen) != 60 {
			t.Errorf("%s: %d of 60 endpoints are ever named", dns.TypeToString[typ], len(seen))
		}
	}
}

// TestAllocs holds the answer path to what a reply needs: one piece of memory,
// and for an address the record and the name in it.
func TestAllocs(t *testing.T) {
	conf := block(t, "kubernetes\nfallthrough in-addr.arpa ip6.arpa")
	p := handler(conf, synced(t, conf))
	for _, tt := range []struct {
		name string
		typ  uint16
		max  float64
	}{
		{"web.shop.svc.cluster.local.", dns.TypeA, 1},
		{"web.shop.svc.cluster.local.", dns.TypeAAAA, 1},
		{"web.shop.svc.cluster.local.shop.svc.cluster.local.", dns.TypeA, 1},
		{"www.example.org.cluster.local.", dns.TypeA, 1},
		{"db.shop.svc.cluster.local.", dns.TypeA, 1},
		{"_sql._tcp.db.shop.svc.cluster.local.", dns.TypeSRV, 1},
		{"80.0.0.10.in-addr.arpa.", dns.TypePTR, 3},
		{"12.0.1.10.in-addr.arpa.", dns.TypePTR, 3},
	} {
		r, w, ctx := new(dns.Msg), &keep{}, context.Background()
		r.SetQuestion(tt.name, tt.typ)
		got := testing.AllocsPerRun(100, func() {
			if _, err := p.ServeDNS(ctx, w, r); err != nil {
				t.Fatal(err)
			}
		})
		if got > tt.max {
			t.Errorf("%s %s costs %v allocations, at most %v", tt.name, dns.TypeToString[tt.typ], got, tt.max)
		}
	}
}

// TestPackAllocs holds that packing an answer leaves nothing to collect, but the
// record of an address and the name in it.
func TestPackAllocs(t *testing.T) {
	conf := block(t, "kubernetes")
	v := handler(conf, synced(t, conf)).views.newest.Load()
	for _, name := range []string{"web.shop.svc.cluster.local.", "db.shop.svc.cluster.local.", "x.shop.svc.cluster.local.", "80.0.0.10.in-addr.arpa.", "12.0.1.10.in-addr.arpa."} {
		for _, typ := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeSRV, dns.TypePTR} {
			want := 0.0
			if typ == dns.TypePTR && strings.HasSuffix(name, ".arpa.") {
				want = 2
			}
			r, w, p := new(dns.Msg), &client{addr: new(net.UDPAddr)}, new(packet)
			r.SetQuestion(name, typ)
			r.SetEdns0(1232, false)
			q, _ := conf.zones.parse(name)
			got := testing.AllocsPerRun(100, func() {
				a := v.answer(&q, name, typ)
				p.state = request.Request{W: w, Req: r}
				if !p.pack(name, &a, v.soa[a.zone][0]) {
					t.Fatal("not packed")
				}
			})
			if got != want {
				t.Errorf("%s %s costs %v allocations, want %v", name, dns.TypeToString[typ], got, want)
			}
		}
	}
}

func BenchmarkClusterIP(b *testing.B) {
	conf := block(b, "kubernetes")
	p := handler(conf, synced(b, conf))
	r, w, ctx := new(dns.Msg), &keep{}, context.Background()
	r.SetQuestion("web.shop.svc.cluster.local.", dns.TypeA)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.ServeDNS(ctx, w, r); err != nil {
			b.Fatal(err)
		}
	}
}

var _ registry.Config = fakeConfig{}
