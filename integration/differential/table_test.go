package differential

import (
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// TestReduce holds what is compared of an answer, and what is not.
func TestReduce(t *testing.T) {
	message := func(records ...string) *dns.Msg {
		m := new(dns.Msg)
		m.Response, m.Authoritative = true, true
		for _, r := range records {
			m.Answer = append(m.Answer, parseRR(r))
		}
		return m
	}
	base := message("a.Z. 5 IN A 10.0.0.1", "a.Z. 5 IN A 10.0.0.2", "Z. 5 IN SOA ns.Z. h.Z. 7 1 2 3 4")
	for _, tt := range []struct {
		name string
		m    *dns.Msg
		same bool
	}{
		{"another order", message("a.Z. 5 IN A 10.0.0.2", "Z. 5 IN SOA ns.Z. h.Z. 7 1 2 3 4", "a.Z. 5 IN A 10.0.0.1"), true},
		{"another serial", message("a.Z. 5 IN A 10.0.0.1", "a.Z. 5 IN A 10.0.0.2", "Z. 5 IN SOA ns.Z. h.Z. 8 1 2 3 4"), true},
		{"another TTL", message("a.Z. 6 IN A 10.0.0.1", "a.Z. 5 IN A 10.0.0.2", "Z. 5 IN SOA ns.Z. h.Z. 7 1 2 3 4"), false},
		{"another owner", message("b.Z. 5 IN A 10.0.0.1", "a.Z. 5 IN A 10.0.0.2", "Z. 5 IN SOA ns.Z. h.Z. 7 1 2 3 4"), false},
		{"another spelling", message("a.z. 5 IN A 10.0.0.1", "a.Z. 5 IN A 10.0.0.2", "Z. 5 IN SOA ns.Z. h.Z. 7 1 2 3 4"), false},
		{"one less", message("a.Z. 5 IN A 10.0.0.1", "Z. 5 IN SOA ns.Z. h.Z. 7 1 2 3 4"), false},
		{"another expiry", message("a.Z. 5 IN A 10.0.0.1", "a.Z. 5 IN A 10.0.0.2", "Z. 5 IN SOA ns.Z. h.Z. 7 1 2 9 4"), false},
	} {
		if got := reduce(base, false).is(reduce(tt.m, false)); got != tt.same {
			t.Errorf("%s: same is %v, want %v", tt.name, got, tt.same)
		}
	}
	m := base.Copy()
	m.Authoritative = false
	if reduce(base, false).is(reduce(m, false)) {
		t.Error("AA does not count")
	}
	m = base.Copy()
	m.Ns = append(m.Ns, m.Answer[0])
	if reduce(base, false).is(reduce(m, false)) {
		t.Error("the authority section does not count")
	}
	m = base.Copy()
	m.Answer = append(m.Answer, m.Answer[0])
	if reduce(m, false).doubled == "" {
		t.Error("a record that stands twice does not show")
	}
}

// TestRespelled holds how our answers must be spelled.
func TestRespelled(t *testing.T) {
	for records, good := range map[string]bool{
		"A.sVc.Z. 5 IN A 10.0.0.1":                      true,
		"a.svc.z. 5 IN A 10.0.0.1":                      false,
		"A.sVc.Z. 5 IN CNAME b.z.;b.z. 5 IN A 10.0.0.1": true,
		"A.sVc.Z. 5 IN CNAME b.Z.":                      false,
		"A.sVc.Z. 5 IN CNAME b.z.;b.Z. 5 IN A 10.0.0.1": false,
		"Z. 5 IN SOA ns.z. h.z. 7 1 2 3 4":              true,
		"z. 5 IN SOA ns.z. h.z. 7 1 2 3 4":              true,
		"svc.Z. 5 IN SOA ns.z. h.z. 7 1 2 3 4":          false,
		"Z. 5 IN SOA ns.Z. h.z. 7 1 2 3 4":              false,
	} {
		m := new(dns.Msg)
		for _, r := range strings.Split(records, ";") {
			m.Answer = append(m.Answer, parseRR(r))
		}
		if err := respelled(m, "A.sVc.Z."); (err == nil) != good {
			t.Errorf("%s: %v", records, err)
		}
	}
}

// TestFits holds how long replies over UDP may be, and when they are cut short.
func TestFits(t *testing.T) {
	whole := new(dns.Msg)
	whole.Response = true
	whole.Question = []dns.Question{{Name: "a.cluster.local.", Qtype: dns.TypeA, Qclass: dns.ClassINET}}
	for i := range 100 {
		whole.Answer = append(whole.Answer, parseRR(fmt.Sprintf("a.cluster.local. 5 IN A 10.0.0.%d", i)))
	}
	q := question{name: "a.cluster.local.", mode: mode{"udp", 512, false}}
	cut := whole.Copy()
	cut.Truncate(512)
	foreign := cut.Copy()
	foreign.Answer[0] = parseRR("a.cluster.local. 5 IN A 10.9.9.9")
	small := whole.Copy()
	small.Answer = small.Answer[:20]
	for _, tt := range []struct {
		name  string
		got   *dns.Msg
		size  int
		whole *dns.Msg
		good  bool
	}{
		{"cut short", cut, 500, whole, true},
		{"too long", cut, 513, whole, false},
		{"cut short for nothing", cut, 500, small, false},
		{"cut to something else", foreign, 500, whole, false},
		{"whole", small, 512, nil, true},
	} {
		if err := q.fits(reply{tt.got, tt.size}, tt.whole); (err == nil) != tt.good {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestExplain holds that rows explain what they decide and no more. The two
// sides say what the rows of a case say of other names, and NXDOMAIN else.
func TestExplain(t *testing.T) {
	const soa = "cluster.local. 30 in soa ns.dns.cluster.local. hostmaster.cluster.local. 0 7200 1800 86400 30"
	nxdomain := answer{rcode: dns.RcodeNameError, flags: " aa", ns: []string{soa}}
	nodata := answer{flags: " aa", ns: []string{soa}}
	holds := func(records ...string) answer { return answer{flags: " aa", answer: records} }
	a := func(name string) string { return name + " 30 in a 10.96.1.1" }
	const reverse = "1.1.244.10.in-addr.arpa."
	pointer := func(to string) string { return reverse + " 30 in ptr " + to + "." + mainZone }
	srv := func(weight int) string {
		return fmt.Sprintf("a.alpha.svc.cluster.local. 30 in srv 0 %d 80 10-244-1-1.a.alpha.svc.cluster.local.", weight)
	}
	for _, tt := range []struct {
		name        string
		typ         uint16
		stock, ours answer
		others      map[string]answer
		want        string // the row, "" for none
		world       []object
	}{
		{"alpha.svc", dns.TypeTXT, nxdomain, nodata, map[string]answer{"alpha.svc A": nodata}, "existence", nil},
		{"alpha.svc", dns.TypeTXT, nxdomain, nodata, nil, "", nil},
		{"alpha.svc", dns.TypeAAAA, nxdomain, nodata, map[string]answer{"alpha.svc A": nodata}, "", nil},
		{"x", dns.TypeSOA, nodata, nxdomain, nil, "existence", nil},
		{"x", dns.TypeSOA, nodata, nxdomain, map[string]answer{"x A": nodata}, "", nil},
		{"dns", dns.TypeA, nxdomain, nodata, nil, "branch", nil},
		{"dns", dns.TypeA, nxdomain, holds(a("dns.cluster.local.")), nil, "", nil},
		{"_tcp.web.alpha.svc", dns.TypeA, nxdomain, nodata, map[string]answer{"_._tcp.web.alpha.svc A": holds("x")}, "branch", nil},
		{"_tcp.web.alpha.svc", dns.TypeA, nxdomain, nodata, nil, "", nil},
		{"web.alpha.svc", dns.TypeA, nxdomain, holds(a("web.alpha.svc.cluster.local.")), nil, "", nil},
		{"web.alpha.svc", dns.TypeA, holds(a("web.alpha.svc.cluster.local.")), nodata, nil, "", nil},
		{"x.1-2-3-4.alpha.pod", dns.TypeA, holds(a("x")), nxdomain, map[string]answer{"1-2-3-4.alpha.pod A": holds("x")}, "below pod", nil},
		{"1-2-3-4.alpha.pod", dns.TypeA, holds(a("x")), nxdomain, map[string]answer{"1-2-3-4.alpha.pod A": holds("x")}, "", nil},
		{"out.alpha.svc", dns.TypeTXT, nodata, holds("out.alpha.svc.cluster.local. 30 in cname host.example."),
			map[string]answer{"out.alpha.svc CNAME": holds("out.alpha.svc.cluster.local. 30 in cname host.example.")}, "alias", nil},
		{"out.alpha.svc", dns.TypeTXT, nodata, holds("out.alpha.svc.cluster.local. 30 in cname other.example."),
			map[string]answer{"out.alpha.svc CNAME": holds("out.alpha.svc.cluster.local. 30 in cname host.example.")}, "", nil},
		{reverse, dns.TypePTR, holds(pointer("gone.alpha.svc")), nxdomain, nil, "reverse name of nothing", nil},
		{reverse, dns.TypePTR, holds(pointer("gone.alpha.svc")), nxdomain, map[string]answer{"gone.alpha.svc A": nodata}, "", nil},
		{reverse, dns.TypeA, nxdomain, nodata, map[string]answer{reverse + " PTR": holds("x")}, "reverse name, other type", nil},
		{reverse, dns.TypeA, nxdomain, nodata, nil, "", nil},
		{"a.alpha.svc", dns.TypeSRV, holds(srv(50)), holds(srv(100)), nil, "weight",
			[]object{headless("alpha", "a"), slice("alpha", "a-1", "a", []string{"http:80/TCP"}, at("10.244.1.1")), slice("alpha", "a-2", "a", nil, at("10.244.1.2"))}},
		{"a.alpha.svc", dns.TypeSRV, holds(srv(50)), holds(srv(100)), nil, "",
			[]object{headless("alpha", "a"), slice("alpha", "a-1", "a", []string{"http:80/TCP"}, at("10.244.1.1"))}},
		{"a.alpha.svc", dns.TypeA, nxdomain, holds("a.alpha.svc.cluster.local. 30 in a 10.244.1.1"), nil, "terminating",
			[]object{headless("alpha", "a"), slice("alpha", "a-1", "a", nil, at("10.244.1.1", "terminating"), at("10.244.1.2", "unready"))}},
		{"a.alpha.svc", dns.TypeA, nxdomain, holds("a.alpha.svc.cluster.local. 30 in a 10.244.1.2"), nil, "",
			[]object{headless("alpha", "a"), slice("alpha", "a-1", "a", nil, at("10.244.1.1", "terminating"), at("10.244.1.2", "unready"))}},
		{"a.alpha.svc", dns.TypeA, nxdomain, holds("a.alpha.svc.cluster.local. 30 in a 10.244.1.2"), nil, "",
			[]object{headless("alpha", "a"), slice("alpha", "a-1", "a", nil, at("10.244.1.2", "unready"))}},
		{"a.alpha.svc", dns.TypeA, holds("a.alpha.svc.cluster.local. 30 in a 10.244.1.1"), nxdomain, nil, "",
			[]object{headless("alpha", "a"), slice("alpha", "a-1", "a", nil, at("10.244.1.1"))}},
		{"_._.a.alpha.svc", dns.TypeA, holds("x"), nxdomain, map[string]answer{"_._.a.alpha.svc A": holds("x")}, "below alias", []object{alias("alpha", "a", "host.example")}},
		{"_._.a.alpha.svc", dns.TypeA, holds("x"), nxdomain, map[string]answer{"_._.a.alpha.svc A": holds("x")}, "", []object{headless("alpha", "a")}},
	} {
		says := func(name string, typ uint16) answer {
			if name == mainZone || name == zone4 {
				return nodata
			}
			if a, known := tt.others[strings.TrimSuffix(name, "."+mainZone)+" "+dns.Type(typ).String()]; known {
				return a
			}
			return nxdomain
		}
		d := &dispute{v: variants()[0], name: tt.name, typ: tt.typ, stock: tt.stock, ours: tt.ours, s: newState(), stockSays: says, oursSays: says}
		if tt.name != reverse {
			d.name += "." + mainZone
		}
		for _, o := range tt.world {
			d.s.hold(o, false)
		}
		d.zone, d.labels = d.v.split(d.name)
		w := &worker{tally: newTally()}
		err := w.explain(d)
		if tt.want == "" && err == nil || tt.want != "" && w.tally.explained[tt.want] != 1 {
			t.Errorf("%s %s: explained by %v (%v), want %q", tt.name, dns.Type(tt.typ), w.tally.explained, err, tt.want)
		}
	}
}
