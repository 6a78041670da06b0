package isthmus

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"github.com/isthmus-dns/isthmus/catalog"
)

// records are the answers of one service in one zone. Everybody who asks gets
// the same records: they are never modified.
type records struct {
	zone  int
	of    *entry
	next  *records // of the same entry in another zone
	alone packedA
	a     []dns.RR
	cname []dns.RR // an alias answers nothing else
	aaaa  []dns.RR
	name  string // owner of a, aaaa, cname and srv; lower case
	srv   memo
	ports []portRecords
}

// packedA is an A record as it goes over the wire right after the question that
// it answers. That of a service that has no other stands in its records, so that
// what is asked for most is answered without a look at the record, its address
// and its owner's name, which are elsewhere in the memory.
type packedA [16]byte

// packed returns the only A record; nil if there is another number of them.
func (r *records) packed() *packedA {
	if len(r.a) != 1 {
		return nil
	}
	return &r.alone
}

// addresses makes a the answer to a question for addresses.
func (r *records) addresses(a *answer, typ uint16) {
	if typ == dns.TypeA {
		a.answer, a.packed = r.a, r.packed()
	} else {
		a.answer = r.aaaa
	}
}

// pack packs the only A record.
func (r *records) pack() {
	if only := r.packed(); only != nil {
		p := packet{buf: only[:0]}
		p.record(headerLen, r.a[0])
	}
}

// rrset is an answer and what stands beside it in the additional section.
type rrset struct{ answer, extra []dns.RR }

// portRecords are the SRV records of _NAME._PROTO.
type portRecords struct {
	name, proto string // lower case
	srv         memo
}

// memo is an rrset that is made when it is asked for first, and then kept.
type memo struct{ made atomic.Pointer[rrset] }

// get returns the rrset, made by build if there is none yet.
func (m *memo) get(build func() rrset) rrset {
	if s := m.made.Load(); s != nil {
		return *s
	}
	s := build()
	m.made.Store(&s)
	return s
}

// naming says how names and lifetimes are made; the same for all of a view.
type naming struct {
	ttl      uint32
	podNames bool // endpoints are named after their pods
}

// build makes a service's records in zone z. What has names besides has ports
// though it may be an alias: their SRV records point to all of the names.
func (n naming) build(x *content, z zone) *records {
	svc, ready := x.svc, x.ready
	r := &records{name: serviceName(svc.Key, z)}
	b := builder{naming: n, ttl: n.ttlOf(svc.TTL), name: r.name, content: *x}
	if target := alias(svc, ready); target != "" {
		r.cname = []dns.RR{&dns.CNAME{Hdr: b.header(r.name, dns.TypeCNAME), Target: target}}
		if len(x.names) == 0 {
			return r
		}
	} else {
		r.a, r.aaaa = b.addrs(r.name, addrsOf(svc, ready, anyPort))
		r.pack()
	}
	ports := slices.DeleteFunc(slices.Clone(portsOf(svc, ready)), func(p catalog.Port) bool { return p.Name == "" })
	r.ports = make([]portRecords, len(ports))
	for i, p := range ports {
		r.ports[i].name, r.ports[i].proto = portName(p), protoName(p)
	}
	return r
}

// serviceName returns S.NS.svc.Z., in an external zone S.NS.Z., in lower case.
func serviceName(k catalog.Key, z zone) string {
	var room [nameRoom]byte
	return string(appendService(room[:0], k, z))
}

// ttlOf returns the lifetime in seconds of the records of a service with that
// TTL.
func (n naming) ttlOf(ttl time.Duration) uint32 {
	if ttl <= 0 {
		return n.ttl
	}
	return uint32(max(ttl.Round(time.Second)/time.Second, 1))
}

// alias returns the name that svc stands for, fully qualified, or "". Besides
// that of an ExternalName it is the name of an instance that has no address,
// where no other instance has one.
func alias(svc *catalog.Service, ready []*catalog.Endpoint) string {
	switch svc.Type {
	case catalog.ExternalName:
		return dns.Fqdn(strings.ToLower(svc.Alias))
	case catalog.Headless:
		for _, e := range ready {
			if e.Host.Addr.IsValid() {
				return ""
			}
		}
		if len(ready) > 0 {
			return dns.Fqdn(ready[0].Host.Name)
		}
	}
	return ""
}

// portFilter picks ports; e is nil for those of the service itself.
type portFilter func(e *catalog.Endpoint, p catalog.Port) bool

func anyPort(*catalog.Endpoint, catalog.Port) bool { return true }

// portsOf returns the ports under which svc can be asked for, each once by
// name and protocol.
func portsOf(svc *catalog.Service, ready []*catalog.Endpoint) []catalog.Port {
	all := svc.Ports
	if svc.Type == catalog.Headless {
		all = nil
		for _, e := range ready {
			for _, p := range e.Ports {
				if !slices.ContainsFunc(all, func(x catalog.Port) bool { return x.Name == p.Name && x.Proto == p.Proto }) {
					all = append(all, p)
				}
			}
		}
	}
	return all
}

func portName(p catalog.Port) string { return strings.ToLower(p.Name) }

func protoName(p catalog.Port) string {
	switch p.Proto {
	case catalog.TCP:
		return "tcp"
	case catalog.UDP:
		return "udp"
	}
	return strings.ToLower(string(p.Proto))
}

// is reports whether these are the records of port x.
func (p *portRecords) is(x catalog.Port) bool {
	return strings.EqualFold(p.name, x.Name) && strings.EqualFold(p.proto, string(x.Proto))
}

// addrsOf returns the addresses that svc answers with where keep takes one of
// the ports behind them, each once.
func addrsOf(svc *catalog.Service, ready []*catalog.Endpoint, keep portFilter) []netip.Addr {
	if svc.Type != catalog.Headless {
		return svc.Addrs
	}
	return endpointAddrs(ready, keep)
}

func endpointAddrs(ready []*catalog.Endpoint, keep portFilter) []netip.Addr {
	all := make([]netip.Addr, 0, len(ready))
	seen := newSet[netip.Addr](len(ready))
	for _, e := range ready {
		if e.Host.Addr.IsValid() && keepsAny(e, keep) && seen.add(e.Host.Addr) {
			all = append(all, e.Host.Addr)
		}
	}
	return all
}

// keepsAny reports whether keep takes a port of e; an endpoint without ports
// counts as one with a port of no name.
func keepsAny(e *catalog.Endpoint, keep portFilter) bool {
	if len(e.Ports) == 0 {
		return keep(e, catalog.Port{})
	}
	return slices.ContainsFunc(e.Ports, func(p catalog.Port) bool { return keep(e, p) })
}

// builder makes records of one service.
type builder struct {
	naming
	ttl     uint32
	name    string // the service's
	content        // whose names SRV records point to besides

	made []target // by ready, once targets made them
}

// target is what SRV records of one endpoint point to, and its address there
// if that is ours to tell.
type target struct {
	name string
	glue dns.RR // nil: none
}

func (b *builder) header(owner string, typ uint16) dns.RR_Header {
	return dns.RR_Header{Name: owner, Rrtype: typ, Class: dns.ClassINET, Ttl: b.ttl}
}

// addrs makes A and AAAA records. They stand in one block, because a hundred
// single ones cost the collector a hundred times as much.
func (b *builder) addrs(owner string, all []netip.Addr) (a, aaaa []dns.RR) {
	n4 := 0
	for _, x := range all {
		if x.Is4() {
			n4++
		}
	}
	as, aaaas := make([]dns.A, 0, n4), make([]dns.AAAA, 0, len(all)-n4)
	bytes := make([]byte, 0, 4*n4+16*(len(all)-n4))
	for _, x := range all {
		start := len(bytes)
		bytes = append(bytes, x.AsSlice()...)
		ip := net.IP(bytes[start:len(bytes):len(bytes)])
		if x.Is4() {
			as = append(as, dns.A{Hdr: b.header(owner, dns.TypeA), A: ip})
			a = append(a, &as[len(as)-1])
		} else {
			aaaas = append(aaaas, dns.AAAA{Hdr: b.header(owner, dns.TypeAAAA), AAAA: ip})
			aaaa = append(aaaa, &aaaas[len(aaaas)-1])
		}
	}
	return a, aaaa
}

// address makes one A or AAAA record.
func (b *builder) address(owner string, x netip.Addr) dns.RR {
	if x.Is4() {
		return &dns.A{Hdr: b.header(owner, dns.TypeA), A: x.AsSlice()}
	}
	return &dns.AAAA{Hdr: b.header(owner, dns.TypeAAAA), AAAA: x.AsSlice()}
}

// hostOf returns what an endpoint is called below its service's name: a label
// and, where there are several clusters, its cluster. It is "" if the endpoint is
// known by a name of its own.
func (n naming) hostOf(e *catalog.Endpoint) string {
	if !e.Host.Addr.IsValid() {
		return ""
	}
	var room [nameRoom]byte
	return string(n.appendHost(room[:0], e))
}

// isHost reports whether label is hostOf(e), mostly without making that.
func (n naming) isHost(e *catalog.Endpoint, label string, addr netip.Addr) bool {
	if e.Hostname == "" && (!n.podNames || e.Pod == "") && (!addr.IsValid() || e.Host.Addr != addr) {
		return false
	}
	return label != "" && n.hostOf(e) == label
}

// targets returns the targets of the ready endpoints, in their order. They are
// made once and shared by all SRV records.
func (b *builder) targets() []target {
	if b.made != nil {
		return b.made
	}
	b.made = make([]target, len(b.ready))
	for i, e := range b.ready {
		if host := b.hostOf(e); host != "" {
			name := host + "." + b.name
			b.made[i] = target{name, b.address(name, e.Host.Addr)}
		} else {
			b.made[i] = target{name: dns.Fqdn(e.Host.Name)}
		}
	}
	return b.made
}
