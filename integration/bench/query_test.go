package main

import (
	"slices"
	"testing"

	"github.com/miekg/dns"
)

func TestQueries(t *testing.T) {
	for _, tt := range []struct {
		kind    question
		number  int
		qtype   uint16
		rcode   int
		answers int
		one     string
	}{
		{clusterIPs, 8000, dns.TypeA, dns.RcodeSuccess, 1, "svc-1.ns-99.svc.cluster.local."},
		{headlessA, 100, dns.TypeA, dns.RcodeSuccess, 100, "svc-0.ns-7.svc.cluster.local."},
		{headlessSR, 100, dns.TypeSRV, dns.RcodeSuccess, 100, "_http._tcp.svc-0.ns-7.svc.cluster.local."},
		{nxdomain, 3900, dns.TypeA, dns.RcodeNameError, 0, "host-0.site-3.example.com.ns-3.svc.cluster.local."},
		{ptr, 3900, dns.TypePTR, dns.RcodeSuccess, 1, "1.16.96.10.in-addr.arpa."},
	} {
		t.Run(string(tt.kind), func(t *testing.T) {
			queries, err := whole().queries(tt.kind, 0)
			if err != nil {
				t.Fatal(err)
			}
			if len(queries) != tt.number {
				t.Errorf("%d queries, want %d", len(queries), tt.number)
			}
			if !slices.ContainsFunc(queries, func(q query) bool { return q.name == tt.one }) {
				t.Errorf("%q is not asked", tt.one)
			}
			seen := make(map[string]bool)
			for _, q := range queries {
				if q.qtype != tt.qtype || q.rcode != tt.rcode || q.answers != tt.answers || seen[q.name] {
					t.Fatalf("query %v, rcode %d, %d answers, seen before: %v", q, q.rcode, q.answers, seen[q.name])
				}
				seen[q.name] = true
			}
		})
	}
}

func TestQueryWire(t *testing.T) {
	q, err := newQuery("a.example.", dns.TypeA, ednsSize, dns.RcodeSuccess, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := int(q.wire[0])<<8|int(q.wire[1]), len(q.wire)-2; got != want {
		t.Errorf("length before the message = %d, want %d", got, want)
	}
	m := new(dns.Msg)
	if err := m.Unpack(q.wire[2:]); err != nil {
		t.Fatal(err)
	}
	if m.Id != 0 || m.Question[0].Name != q.name || m.IsEdns0() == nil || m.IsEdns0().UDPSize() != ednsSize {
		t.Errorf("the query on the wire is %v", m)
	}
}
