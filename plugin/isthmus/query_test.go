package isthmus

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/coredns/coredns/request"
	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry/registrytest/hostile"
)

func TestParse(t *testing.T) {
	zs := newZones([]string{"cluster.local.", "sub.cluster.local.", "in-addr.arpa.", "ip6.arpa."})
	for _, tt := range []struct {
		name string
		ours bool
		want query
	}{
		{"cluster.local.", true, query{kind: kindApex}},
		{"sub.cluster.local.", true, query{kind: kindApex, zone: 1}},
		{"svc.sub.cluster.local.", true, query{kind: kindBranch, zone: 1}},
		{"a.b.svc.cluster.local.", true, query{kind: kindService, key: catalog.Key{Namespace: "b", Name: "a"}}},
		{"h.a.b.svc.cluster.local.", true, query{kind: kindEndpoint, key: catalog.Key{Namespace: "b", Name: "a"}, host: "h"}},
		{"_p._t.a.b.svc.cluster.local.", true, query{kind: kindPort, key: catalog.Key{Namespace: "b", Name: "a"}, port: "p", proto: "t"}},
		{"x._p._t.a.b.svc.cluster.local.", true, query{}},
		{"_zone.a.b.svc.cluster.local.", true, query{kind: kindZonal, key: catalog.Key{Namespace: "b", Name: "a"}}},
		{"pin._zone.a.b.svc.cluster.local.", true, query{kind: kindZonal, key: catalog.Key{Namespace: "b", Name: "a"}}},
		{"prefer._zone.a.b.svc.cluster.local.", true, query{kind: kindZonal, key: catalog.Key{Namespace: "b", Name: "a"}}},
		{"pin.zone.a.b.svc.cluster.local.", true, query{kind: kindPort, key: catalog.Key{Namespace: "b", Name: "a"}, port: "pin", proto: "zone"}},
		{"x._zone.a.b.svc.cluster.local.", true, query{kind: kindPort, key: catalog.Key{Namespace: "b", Name: "a"}, port: "x", proto: "zone"}},
		{"w.pin._zone.a.b.svc.cluster.local.", true, query{kind: kindZonal, key: catalog.Key{Namespace: "b", Name: "a"}, where: "w"}},
		{"w.x.y.prefer._zone.a.b.svc.sub.cluster.local.", true, query{kind: kindZonal, zone: 1, key: catalog.Key{Namespace: "b", Name: "a"}, where: "w.x.y", prefer: true}},
		{`w\.pin.pin._zone.a.b.svc.cluster.local.`, true, query{kind: kindZonal, key: catalog.Key{Namespace: "b", Name: "a"}, where: `w\.pin`}},
		{"w.x._zone.a.b.svc.cluster.local.", true, query{}},
		{"w.pin._zone.a.b.pod.cluster.local.", true, query{}},
		{"w.pin._zone.a.b.c.svc.cluster.local.", true, query{}},
		{"pin._zone.w.x.a.b.svc.cluster.local.", true, query{}},
		{"1-2-3-4.b.pod.cluster.local.", true, query{kind: kindPod, key: catalog.Key{Namespace: "b"}, host: "1-2-3-4"}},
		{`a\.b.svc.cluster.local.`, true, query{kind: kindNamespace, key: catalog.Key{Namespace: `a\.b`}}},
		{`a.b.svc\.cluster.local.`, false, query{}},
		{"4.3.2.1.in-addr.arpa.", true, query{kind: kindReverse, zone: 2, net: netip.MustParsePrefix("1.2.3.4/32")}},
		{"2.1.in-addr.arpa.", true, query{kind: kindNet, zone: 2, net: netip.MustParsePrefix("1.2.0.0/16")}},
		{"256.1.in-addr.arpa.", true, query{zone: 2}},
		{"d.f.ip6.arpa.", true, query{kind: kindNet, zone: 3, net: netip.MustParsePrefix("fd00::/8")}},
		{"dd.f.ip6.arpa.", true, query{zone: 3}},
		{"ns.dns.in-addr.arpa.", true, query{kind: kindNS, zone: 2}},
		{"dns.ip6.arpa.", true, query{kind: kindBranch, zone: 3}},
		{"dns-version.in-addr.arpa.", true, query{zone: 2}},
		{"b.pod.cluster.local.", true, query{kind: kindPods, key: catalog.Key{Namespace: "b"}}},
		{"local.", false, query{}},
		{".", false, query{}},
		{"xcluster.local.", false, query{}},
	} {
		got, ours := zs.parse(tt.name)
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(query{}), cmp.Comparer(samePrefix)); diff != "" || ours != tt.ours {
			t.Errorf("parse(%q): ours %v, want %v (-want +got):\n%s", tt.name, ours, tt.ours, diff)
		}
	}
}

func samePrefix(a, b netip.Prefix) bool { return a == b }

func TestParseRootZone(t *testing.T) {
	zs := newZones([]string{"."})
	for name, want := range map[string]kind{".": kindApex, "svc.": kindBranch, "a.b.svc.": kindService, "4.3.2.1.in-addr.arpa.": kindReverse, "com.": kindNone, "w.pin._zone.a.b.svc.": kindZonal} {
		if q, ours := zs.parse(name); !ours || q.kind != want {
			t.Errorf("parse(%q) = %v, %v, want kind %v", name, q.kind, ours, want)
		}
	}
	if got := serviceName(catalog.Key{Namespace: "b", Name: "a"}, zs[0]); got != "a.b.svc." {
		t.Errorf("serviceName = %q", got)
	}
}

func TestDashed(t *testing.T) {
	for _, tt := range []struct{ addr, label string }{
		{"10.0.0.1", "10-0-0-1"},
		{"fd00::1", "fd00--1"},
		{"::1", "--1"},
		{"fd00::", "fd00--0"},
		{"2001:db8:1:2:3:4:5:6", "2001-db8-1-2-3-4-5-6"},
	} {
		a := netip.MustParseAddr(tt.addr)
		if got := string(appendDashed(nil, a)); got != tt.label {
			t.Errorf("appendDashed(%s) = %q, want %q", a, got, tt.label)
		}
		if got, ok := parseDashed(tt.label); !ok || got != a {
			t.Errorf("parseDashed(%q) = %s, %v, want %s", tt.label, got, ok, a)
		}
	}
	for _, label := range []string{"", "-", "web", "1-2-3", "1-2-3-256", "01-2-3-4", "1-2-3-4-5", "fd00:-1", "1.2.3.4", "fe80--1%eth0", "1--2--3"} {
		if a, ok := parseDashed(label); ok {
			t.Errorf("parseDashed(%q) = %s, want nothing", label, a)
		}
	}
}

// FuzzParse holds for every name that the plugin may be asked for: it is ours
// exactly if it is in a zone, it is answered without a panic, and whatever is
// answered is a message that goes over the wire.
func FuzzParse(f *testing.F) {
	for _, name := range []string{
		"web.shop.svc.cluster.local.", "_http._tcp.web.shop.svc.cluster.local.", "db-0.db.shop.svc.cluster.local.", "_._.web.shop.svc.cluster.local.",
		"1-2-3-4.shop.pod.cluster.local.", "1.0.0.10.in-addr.arpa.", "0.d.f.ip6.arpa.", `\.\000.svc.cluster.local.`, "cluster.local.", ".",
		`inner.shop.svc.cluster.local.`, "ns.dns.cluster.local.", `x\.cluster.local.`, "--.shop.pod.cluster.local.",
		"w.pin._zone.db.shop.svc.cluster.local.", `\.w.prefer._zone.db.shop.svc.cluster.local.`,
	} {
		for i := range allTypes {
			f.Add(name, uint8(i))
		}
	}
	for _, label := range hostile.Names() {
		f.Add(label+".shop.svc.cluster.local.", uint8(0))
		f.Add("web."+label+".svc.cluster.local.", uint8(1))
		f.Add("_http."+label+".web.shop.svc.cluster.local.", uint8(2))
	}
	conf := block(f, "kubernetes\nconsul\npods insecure\nendpoint_pod_names\nzonal")
	v := newView(conf, synced(f, conf).Snapshot(), start)
	f.Fuzz(func(t *testing.T, name string, typ uint8) {
		lower := strings.ToLower(name)
		if _, ok := dns.IsDomainName(name); !ok || !dns.IsFqdn(name) {
			return // no message holds it
		}
		q, ours := conf.zones.parse(lower)
		inside := false
		for _, z := range conf.zones {
			inside = inside || dns.IsSubDomain(z.name, lower)
		}
		if ours != inside {
			t.Fatalf("parse(%q): ours %v, want %v", lower, ours, inside)
		}
		if !ours {
			return
		}
		a := v.answer(&q, lower, dns.StringToType[allTypes[int(typ)%len(allTypes)]])
		r := new(dns.Msg)
		r.SetQuestion(name, dns.TypeA)
		if _, err := newReply(r, &a, lower).msg.Pack(); err != nil && strings.IndexFunc(name, func(c rune) bool { return c > 0x7e || c < ' ' }) < 0 {
			t.Errorf("the answer to %q does not pack: %v", name, err)
		}
	})
}

// asked is a question for an A record with these labels, whatever is in them: one of
// more than 63 bytes says that it is something else.
func asked(labels ...string) []byte {
	wire := []byte{0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}
	for _, l := range labels {
		wire = append(append(wire, byte(len(l))), l...)
	}
	return append(wire, 0, 0, 1, 0, 1)
}

// FuzzMessage holds for every message that a client may send: it is passed on,
// refused or answered without a panic; an answer is to the question, goes over
// the wire as it is, and once scrubbed is no larger than the client takes.
func FuzzMessage(f *testing.F) {
	for _, name := range []string{"web.shop.svc.cluster.local.", "_sql._tcp.db.shop.svc.cluster.local.", "80.0.0.10.in-addr.arpa.", "outer.shop.svc.cluster.local.", "x.prefer._zone.db.shop.svc.cluster.local."} {
		for _, typ := range []uint16{dns.TypeA, dns.TypeSRV, dns.TypePTR, dns.TypeANY, dns.TypeAXFR, 0, 65535} {
			b, err := new(dns.Msg).SetQuestion(name, typ).SetEdns0(512, true).Pack()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
			f.Add(append(b[:12:12], 0xc0, 12, 0, 1, 0, 1))
		}
	}
	for _, text := range append(hostile.Names(), hostile.Hosts()...) {
		f.Add(asked(text, "shop", "svc", "cluster", "local"))
		f.Add(asked("web", text, "svc", "cluster", "local"))
		f.Add(asked(strings.Split(text, ".")...))
	}
	conf := block(f, "kubernetes\nconsul\npods insecure\nendpoint_pod_names\nzonal\nfallthrough ip6.arpa")
	p := handler(conf, synced(f, conf))
	f.Fuzz(func(t *testing.T, wire []byte) {
		r := new(dns.Msg)
		if r.Unpack(wire) != nil {
			return // the server refuses it
		}
		w := &keep{}
		rcode, err := p.ServeDNS(t.Context(), w, r)
		if err != nil {
			t.Fatalf("ServeDNS: %v", err)
		}
		if w.msg == nil {
			if rcode != dns.RcodeRefused {
				t.Errorf("nothing written, and %s", dns.RcodeToString[rcode])
			}
			return
		}
		if w.msg.Id != r.Id || !w.msg.Response || len(w.msg.Question) != 1 || w.msg.Question[0] != r.Question[0] {
			t.Errorf("%v\nanswers %v", w.msg, r)
		}
		state := request.Request{W: w, Req: r}
		state.SizeAndDo(w.msg)
		scrubbed := state.Scrub(w.msg)
		out, err := scrubbed.Pack()
		if err != nil {
			t.Fatalf("%v does not pack: %v", scrubbed, err)
		}
		if len(out) > max(state.Size(), dns.MinMsgSize) {
			t.Errorf("%d bytes, the client takes %d", len(out), state.Size())
		}
	})
}
