package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

func records(t *testing.T, lines ...string) []dns.RR {
	t.Helper()
	var all []dns.RR
	for _, line := range lines {
		r, err := dns.NewRR(line)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

func TestCanonical(t *testing.T) {
	base := func() *dns.Msg {
		return &dns.Msg{
			MsgHdr: dns.MsgHdr{Response: true, Authoritative: true},
			Answer: records(t, "a.example. 30 IN A 10.0.0.1", "a.example. 30 IN A 10.0.0.2"),
			Ns:     records(t, "example. 30 IN SOA ns.example. h.example. 1 2 3 4 5"),
		}
	}
	for _, tt := range []struct {
		name   string
		aged   bool
		change func(*dns.Msg)
		same   bool
	}{
		{"nothing", false, func(*dns.Msg) {}, true},
		{"order", false, func(m *dns.Msg) { m.Answer[0], m.Answer[1] = m.Answer[1], m.Answer[0] }, true},
		{"case", false, func(m *dns.Msg) { m.Answer[0].Header().Name = "A.example." }, true},
		{"serial", false, func(m *dns.Msg) { m.Ns[0].(*dns.SOA).Serial = 7 }, true},
		{"lifetime", false, func(m *dns.Msg) { m.Answer[0].Header().Ttl = 29 }, false},
		{"lifetime behind a cache", true, func(m *dns.Msg) { m.Answer[0].Header().Ttl = 29 }, true},
		{"address", true, func(m *dns.Msg) { m.Answer = records(t, "a.example. 30 IN A 10.0.0.1", "a.example. 30 IN A 10.0.0.3") }, false},
		{"one less", true, func(m *dns.Msg) { m.Answer = m.Answer[:1] }, false},
		{"one twice", true, func(m *dns.Msg) { m.Answer[1] = m.Answer[0] }, false},
		{"rcode", false, func(m *dns.Msg) { m.Rcode = dns.RcodeNameError }, false},
		{"authority", false, func(m *dns.Msg) { m.Authoritative = false }, false},
		{"minimum", false, func(m *dns.Msg) { m.Ns[0].(*dns.SOA).Minttl = 6 }, false},
		{"glue", false, func(m *dns.Msg) { m.Extra = m.Answer }, false},
		{"edns", false, func(m *dns.Msg) { m.SetEdns0(ednsSize, false) }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := base()
			tt.change(m)
			diff := cmp.Diff(canonical(base(), tt.aged), canonical(m, tt.aged))
			if (diff == "") != tt.same {
				t.Errorf("the same: %v, want %v\n%s", diff == "", tt.same, diff)
			}
		})
	}
}

func TestSamePart(t *testing.T) {
	full := answer{Answer: []string{"a", "b", "c", "d"}}
	for _, tt := range []struct {
		name        string
		ours, stock answer
		want        string
	}{
		{"others of the same", answer{Answer: []string{"a", "b"}}, answer{Answer: []string{"c", "d"}}, ""},
		{"nothing", answer{}, answer{Answer: []string{"c", "d"}}, "0 records"},
		{"a stranger", answer{Answer: []string{"a", "x"}}, answer{Answer: []string{"c", "d"}}, `"x"`},
		{"other flags", answer{Flags: "x", Answer: []string{"a", "b"}}, answer{Answer: []string{"c", "d"}}, "flags"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := samePart(full, tt.ours, tt.stock)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("samePart() = %v, want %q", err, tt.want)
			}
		})
	}
}

func TestComparison(t *testing.T) {
	ours, wrong := serve(t, udp, right), serve(t, udp, func(w dns.ResponseWriter, r *dns.Msg) {
		m := new(dns.Msg).SetReply(r)
		if r.Question[0].Name == "b.example." {
			m.Rcode = dns.RcodeNameError
			_ = w.WriteMsg(m)
			return
		}
		right(w, r)
	})
	queries := someQueries(t, dns.RcodeSuccess, 1)
	for _, tt := range []struct {
		name        string
		ours, stock string
		want        string
	}{
		{"equal", ours, ours, ""},
		{"ours is wrong", wrong, ours, "differ"},
		{"both are wrong", wrong, wrong, "stock answers NXDOMAIN"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			known, err := comparison{network: udp, ours: tt.ours, stock: tt.stock}.all(t.Context(), queries)
			if tt.want == "" {
				if err != nil || len(known) != len(queries) {
					t.Errorf("all() = %d queries, %v", len(known), err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "b.example. A") {
				t.Errorf("all() = %v, want %q and the question in it", err, tt.want)
			}
		})
	}
}
