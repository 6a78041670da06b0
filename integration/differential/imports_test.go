package differential

import (
	"testing"

	"github.com/miekg/dns"
)

// TestExplainImports holds what the rows about multicluster zones explain, and
// what not. Names exist in the stock plugin's zone where the case says so.
func TestExplainImports(t *testing.T) {
	soa := []string{"clusterset.local. 5 in soa ns.dns.clusterset.local. hostmaster.clusterset.local. 0 7200 1800 86400 5"}
	nxdomain, nodata := answer{rcode: dns.RcodeNameError, flags: " aa", ns: soa}, answer{flags: " aa", ns: soa}
	holds := func(record string) answer { return answer{flags: " aa", answer: []string{record}} }
	version := func(v string) answer { return holds(`dns-version.clusterset.local. 28800 in txt "` + v + `"`) }
	world := []object{
		imported("alpha", "web", []string{"10.97.1.1"}, "http:80/TCP"), imported("alpha", "db", nil), imported("alpha", "nobody", nil),
		importSlice("alpha", "web-c1", "web", "c1", nil, at("10.1.0.1", "host=one")),
		importSlice("alpha", "db-c1", "db", "c1", nil, at("10.1.0.2", "host=one")),
		importSlice("alpha", "nobody-c1", "nobody", "c_1", nil, at("10.1.0.3", "host=one")),
	}
	for _, tt := range []struct {
		name        string
		typ         uint16
		stock, ours answer
		exists      bool
		want        string // the row, "" for none
	}{
		{"dns-version", dns.TypeTXT, version("1.1.0"), version("1.0.0"), false, "imported version"},
		{"dns-version", dns.TypeTXT, version("1.1.0"), version("1.2.0"), false, ""},
		{"1-2-3-4.alpha.pod", dns.TypeA, holds("x"), nxdomain, true, "imported pod"},
		{"1-2-3-4.alpha.pod", dns.TypeA, holds("x"), nodata, true, ""},
		{"one.c1.web.alpha.svc", dns.TypeA, holds("x"), nxdomain, true, "imported endpoint"},
		{"one.c1.db.alpha.svc", dns.TypeA, holds("x"), nxdomain, true, ""},
		{"_http._tcp.web.alpha.svc", dns.TypeA, holds("x"), nxdomain, true, ""},
		{"c1.db.alpha.svc", dns.TypeA, nxdomain, nodata, false, "imported cluster"},
		{"c2.db.alpha.svc", dns.TypeA, nxdomain, nodata, false, ""},
		{"c1.web.alpha.svc", dns.TypeA, nxdomain, nodata, false, ""},
		{"nobody.alpha.svc", dns.TypeA, holds("x"), nxdomain, true, "imported of nobody"},
		{"db.alpha.svc", dns.TypeA, holds("x"), nxdomain, true, ""},
		{"absent.alpha.svc", dns.TypeA, holds("x"), nxdomain, true, ""},
	} {
		says := func(name string, typ uint16) answer {
			switch {
			case name == setZone:
				return nodata
			case tt.exists && typ == tt.typ && name == tt.name+"."+setZone:
				return holds("x")
			}
			return nxdomain
		}
		d := &dispute{v: variantNamed("multicluster"), name: tt.name + "." + setZone, typ: tt.typ, stock: tt.stock, ours: tt.ours, stockSays: says, oursSays: says}
		s := newState()
		for _, o := range world {
			s.hold(o, false)
		}
		d.s = s.imported()
		d.zone, d.labels = d.v.split(d.name)
		w := &worker{tally: newTally()}
		err := w.explain(d)
		if tt.want == "" && err == nil || tt.want != "" && w.tally.explained[tt.want] != 1 {
			t.Errorf("%s %s: explained by %v (%v), want %q", tt.name, dns.Type(tt.typ), w.tally.explained, err, tt.want)
		}
	}
}
