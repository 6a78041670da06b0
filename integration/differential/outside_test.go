package differential

import (
	"testing"

	"github.com/miekg/dns"
	corev1 "k8s.io/api/core/v1"
)

// TestExplainOutside holds what the rows about external zones explain, and what
// not. A name whose A record is told of exists.
func TestExplainOutside(t *testing.T) {
	soa := []string{"example.org. 20 in soa ns1.dns.example.org. hostmaster.dns.example.org. 0 7200 1800 86400 20"}
	nxdomain, nodata := answer{rcode: dns.RcodeNameError, flags: " aa", ns: soa}, answer{flags: " aa", ns: soa}
	holds := func(records ...string) answer { return answer{flags: " aa", answer: union(records, nil)} }
	const a, cname, far = "mixed.alpha.example.org. 20 in a 203.0.113.2", "mixed.alpha.example.org. 20 in cname host.example.", "host.example. 60 in a 203.0.113.9"
	const first, second = "named.alpha.example.org. 20 in cname host.example.", "named.alpha.example.org. 20 in cname other.example."
	byName := func(name string) corev1.LoadBalancerIngress { return corev1.LoadBalancerIngress{Hostname: name} }
	world := []object{
		outer(virtual("alpha", "web", []string{"10.96.2.1"}, "http:80/TCP"), []string{"203.0.113.1"}),
		outer(virtual("alpha", "mixed", []string{"10.96.2.2"}, "http:80/TCP"), []string{"203.0.113.2"}, byName("host.example")),
		outer(virtual("alpha", "named", []string{"10.96.2.3"}, "http:80/TCP"), nil, byName("other.example"), byName("host.example")),
		virtual("alpha", "plain", []string{"10.96.2.4"}, "http:80/TCP"), virtual("alpha", "idle", []string{"10.96.2.5"}, "http:80/TCP"),
		slice("alpha", "plain-a", "plain", []string{"http:80/TCP"}, at("10.244.1.1")),
	}
	for _, tt := range []struct {
		name        string
		stock, ours answer
		exists      bool
		want        string // the row, "" for none
	}{
		{"x.web.alpha", holds("x"), nxdomain, true, "outer label"},
		{"x.web.alpha", holds("x"), nodata, true, ""},
		{"_tcp.web.alpha", holds("x"), nodata, true, "outer label"},
		{"_tcp.web.alpha", holds("x"), nxdomain, true, ""},
		{"x.plain.alpha", holds("x"), nxdomain, true, ""},
		{"plain.alpha", nxdomain, nodata, false, "outer of endpoints"},
		{"idle.alpha", nxdomain, nodata, false, ""},
		{"mixed.alpha", holds(a, cname, far), holds(a), true, "outer names"},
		{"mixed.alpha", holds(a, cname, far), holds(cname, far), true, ""},
		{"named.alpha", holds(first, second, far), holds(first, far), true, "outer names"},
		{"named.alpha", holds(first, second, far), holds(second), true, ""},
		{"web.alpha", holds("x"), nodata, true, ""},
	} {
		says := func(name string, typ uint16) answer {
			switch {
			case name == outerZone:
				return nodata
			case tt.exists && typ == dns.TypeA && name == tt.name+"."+outerZone:
				return tt.stock
			}
			return nxdomain
		}
		d := &dispute{v: variantNamed("external headless"), name: tt.name + "." + outerZone, typ: dns.TypeA, stock: tt.stock, ours: tt.ours, stockSays: says, oursSays: says, s: newState()}
		for _, o := range world {
			d.s.hold(o, false)
		}
		d.zone, d.labels = d.v.split(d.name)
		w := &worker{tally: newTally()}
		err := w.explain(d)
		if tt.want == "" && err == nil || tt.want != "" && w.tally.explained[tt.want] != 1 {
			t.Errorf("%s: explained by %v (%v), want %q", tt.name, w.tally.explained, err, tt.want)
		}
	}
}
