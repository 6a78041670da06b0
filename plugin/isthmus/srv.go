package isthmus

import (
	"net/netip"

	"github.com/miekg/dns"

	"github.com/isthmus-dns/isthmus/catalog"
)

// srv returns the SRV records of all ports of a service.
func (v *view) srv(e *entry, z int) rrset {
	r := v.recordsOf(e, z)
	return r.srv.get(func() rrset {
		b := v.builderOf(v.read(e), z)
		return b.srv(r.name, anyPort)
	})
}

// portSRV returns the SRV records of one port of a service.
func (v *view) portSRV(e *entry, z int, p *portRecords) rrset {
	return p.srv.get(func() rrset {
		b := v.builderOf(v.read(e), z)
		return b.portSRV(p)
	})
}

func (b *builder) portSRV(p *portRecords) rrset {
	return b.srv("_"+p.name+"._"+p.proto+"."+b.name, func(_ *catalog.Endpoint, x catalog.Port) bool { return p.is(x) })
}

// srv makes the SRV records of the ports that keep takes, owned by owner.
// Those of a headless service point to its endpoints, all others to the
// service itself, or to the names that it has outside of the cluster.
func (b *builder) srv(owner string, keep portFilter) rrset {
	if b.svc.Type == catalog.Headless {
		return b.endpointSRV(owner, keep)
	}
	var s rrset
	ports := keepPorts(nil, b.svc.Ports, keep)
	weight := srvWeight(100, 100*len(ports)*max(len(b.svc.Addrs)+len(b.names), 1))
	for i, p := range ports {
		if hasPort(ports[:i], p.Number) {
			continue
		}
		if len(b.svc.Addrs) > 0 { // RFC 2782: a target has an address
			s.answer = append(s.answer, b.srvRecord(owner, weight, p.Number, b.name))
		}
		for _, to := range b.names {
			s.answer = append(s.answer, b.srvRecord(owner, weight, p.Number, to))
		}
	}
	if len(s.answer) > 0 {
		a, aaaa := b.addrs(b.name, b.svc.Addrs)
		s.extra = append(a, aaaa...)
	}
	return s
}

func (b *builder) srvRecord(owner string, weight, port uint16, target string) dns.RR {
	return &dns.SRV{Hdr: b.header(owner, dns.TypeSRV), Weight: weight, Port: port, Target: target}
}

// endpointSRV is srv for endpoints, whatever the service's type.
func (b *builder) endpointSRV(owner string, keep portFilter) rrset {
	n, totals := b.weigh(keep)
	if n == 0 {
		return rrset{}
	}
	type at struct {
		target string
		port   uint16
	}
	type glue struct {
		target string
		addr   netip.Addr
	}
	seen, glued := newSet[at](n), newSet[glue](len(b.ready))
	block := make([]dns.SRV, 0, n)
	s := rrset{make([]dns.RR, 0, n), make([]dns.RR, 0, len(b.ready))}
	for i, e := range b.ready {
		to := &b.targets()[i]
		for _, p := range e.Ports {
			if !keep(e, p) {
				continue
			}
			if seen.add(at{to.name, p.Number}) {
				block = append(block, dns.SRV{Hdr: b.header(owner, dns.TypeSRV), Priority: e.Priority,
					Weight: srvWeight(weightOf(e), totals[e.Priority]), Port: p.Number, Target: to.name})
				s.answer = append(s.answer, &block[len(block)-1])
			}
			if to.glue != nil && glued.add(glue{to.name, e.Host.Addr}) {
				s.extra = append(s.extra, to.glue)
			}
		}
	}
	return s
}

// weigh counts the ports that keep takes, and sums their weights by priority:
// a client chooses among those of the least priority that it reaches.
func (b *builder) weigh(keep portFilter) (n int, totals map[uint16]int) {
	totals = make(map[uint16]int, 1)
	for _, e := range b.ready {
		for _, p := range e.Ports {
			if keep(e, p) {
				n++
				totals[e.Priority] += weightOf(e)
			}
		}
	}
	return n, totals
}

// weightOf is what an endpoint weighs among its siblings: 100 unless it says.
func weightOf(e *catalog.Endpoint) int {
	if e.Weight > 0 {
		return e.Weight
	}
	return 100
}

// srvWeight is the hundredth of the total that weight is, at least 1.
func srvWeight(weight, total int) uint16 {
	if total == 0 {
		return 1
	}
	return uint16(max(100*weight/total, 1))
}

func keepPorts(e *catalog.Endpoint, all []catalog.Port, keep portFilter) []catalog.Port {
	var kept []catalog.Port
	for _, p := range all {
		if keep(e, p) {
			kept = append(kept, p)
		}
	}
	return kept
}

func hasPort(all []catalog.Port, number uint16) bool {
	for _, p := range all {
		if p.Number == number {
			return true
		}
	}
	return false
}
