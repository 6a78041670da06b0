package main

import (
	"testing"

	"github.com/miekg/dns"
)

func TestSight(t *testing.T) {
	both := records(t, "a.example. 30 IN A 10.0.0.1", "a.example. 30 IN A 10.0.0.2")
	for _, tt := range []struct {
		name    string
		there   bool
		rcode   int
		records []dns.RR
		want    bool
	}{
		{"it came", true, dns.RcodeSuccess, both, true},
		{"not yet", true, dns.RcodeSuccess, both[:1], false},
		{"it went", false, dns.RcodeSuccess, both[:1], true},
		{"still there", false, dns.RcodeSuccess, both, false},
		{"all went", false, dns.RcodeSuccess, nil, false},
		{"the name went", false, dns.RcodeNameError, nil, false},
		{"a failure", false, dns.RcodeServerFailure, both[:1], false},
	} {
		s := sight{name: "a.example.", address: "10.0.0.2", there: tt.there}
		m := &dns.Msg{MsgHdr: dns.MsgHdr{Rcode: tt.rcode}, Answer: tt.records}
		if got := s.holds(m); got != tt.want {
			t.Errorf("%s: holds() = %v, want %v", tt.name, got, tt.want)
		}
	}
}

// What is said of a delay is ours to stock's, and what each change shows of them.
func TestDelays(t *testing.T) {
	all := delays("add", map[side][]float64{ours: {2, 2, 4, 30}, stock: {4, 2, 4, 20}})
	if len(all) != 2 {
		t.Fatalf("%d lines, want p50 and p99", len(all))
	}
	p50, p99 := all[0], all[1]
	if p50.Values[ours] != 2 || p50.Values[stock] != 4 || p50.Met == nil || !*p50.Met {
		t.Errorf("p50: %+v, want 2 ms and 4 ms, met", p50)
	}
	if p99.Ratios[stock].Median != 1.5 || p99.Met == nil || *p99.Met {
		t.Errorf("p99: %+v, want 1.5 times, not met", p99)
	}
	if want := "ours after stock, of each change: p50 0.00 ms, p99 10.00 ms"; p50.Note != want {
		t.Errorf("note %q, want %q", p50.Note, want)
	}
}
