package isthmus

import (
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/isthmus-dns/isthmus/catalog"
)

// answer is what one question gets. Without an answer section it tells of
// absence, of the type (rcode NOERROR) or of the name (NXDOMAIN).
type answer struct {
	rcode int
	rrset
	packed  *packedA // the answer section; nil: it is not packed yet
	zone    int      // whose SOA record tells of absence
	ordered bool     // the order of the answer section means something
	chased  bool     // the answer is that of an alias's target
	outside string   // an alias's target outside of our zones, which is not looked up yet
}

// maxChain is how many aliases are followed: as many as *kubernetes* does.
const maxChain = 11

// answer answers a question for name, in lower case, that q was read from.
//
//	name                       exists                                holds
//	Z                          always                                SOA, NS
//	svc.Z, pod.Z, dns.Z        always                                nothing
//	dns-version.Z              always                                TXT
//	ns.dns.Z                   always                                A, AAAA
//	NS.svc.Z                   with the namespace                    nothing
//	NS.pod.Z                   likewise, by the option pods          nothing
//	S.NS.svc.Z                 ClusterIP: with the service           A, AAAA, SRV of all ports
//	                           Headless: with a ready endpoint       A, AAAA, SRV of all ports
//	                           ExternalName: if it is a name         CNAME
//	_P._T.S.NS.svc.Z           with a port of that name              A, AAAA, SRV
//	_T.S.NS.svc.Z              with a port of that protocol          nothing
//	H.S.NS.svc.Z               with a ready endpoint of that name    A, AAAA, SRV of its ports
//	W.pin._zone.S.NS.svc.Z     by the option zonal, with a headless  A, AAAA, SRV
//	                           service S
//	1-2-3-4.NS.pod.Z           by the option pods                    A or AAAA
//	4.3.2.1.in-addr.arpa       with a service or endpoint there      PTR
//	3.2.1.in-addr.arpa, ...    with such a name below                nothing
//
// A name that exists does so for every type. A name that does not is
// SERVFAIL, and no NXDOMAIN, while an origin that may hold it is not synced.
func (v *view) answer(q *query, name string, typ uint16) (a answer) {
	switch q.kind {
	case kindService, kindEndpoint, kindPort:
		a = v.service(q, name, typ)
	default:
		a = v.other(q, name, typ)
	}
	if !a.chased {
		a.zone = q.zone
	}
	return a
}

// other answers for names that are not those of services. It stands apart
// because it takes much of the stack.
func (v *view) other(q *query, name string, typ uint16) answer {
	switch q.kind {
	case kindApex:
		return v.apex(q.zone, typ)
	case kindBranch:
		return answer{}
	case kindVersion:
		return holds(typ, dns.TypeTXT, func() []dns.RR { return v.versionTXT(name) })
	case kindNS:
		return ofType(typ)(v.nsAddrs(name, v.conf.zones[q.zone]))
	case kindNamespace, kindPods:
		switch {
		case q.kind == kindPods && v.conf.pods == podsDisabled:
			return answer{rcode: dns.RcodeNameError}
		case v.snap.Namespace(q.key.Namespace):
			return answer{}
		}
		return v.absent(q.key.Namespace)
	case kindZonal:
		return v.zonal(q, name, typ)
	case kindPod:
		return v.pod(q, name, typ)
	case kindReverse, kindNet:
		return v.reverse(q, name, typ)
	case kindOwn:
		return v.own(q, name, typ)
	}
	return answer{rcode: dns.RcodeNameError}
}

// absent is the answer for a name in namespace ns that nobody here holds.
func (v *view) absent(ns string) answer { return answer{rcode: v.absentRcode(ns)} }

func (v *view) absentRcode(ns string) int {
	if v.snap.Pending(ns) {
		return dns.RcodeServerFailure
	}
	return dns.RcodeNameError
}

// holds is the answer of a name that holds one type only.
func holds(typ, held uint16, rrs func() []dns.RR) answer {
	if typ != held {
		return answer{}
	}
	return answer{rrset: rrset{answer: rrs()}}
}

// ofType picks the addresses of the type asked for.
func ofType(typ uint16) func(a, aaaa []dns.RR) answer {
	return func(a, aaaa []dns.RR) answer {
		switch typ {
		case dns.TypeA:
			return answer{rrset: rrset{answer: a}}
		case dns.TypeAAAA:
			return answer{rrset: rrset{answer: aaaa}}
		}
		return answer{}
	}
}

func (v *view) apex(z int, typ uint16) answer {
	switch typ {
	case dns.TypeSOA:
		return answer{rrset: rrset{answer: v.soa[z]}}
	case dns.TypeNS:
		return answer{rrset: v.ns(v.conf.zones[z])}
	}
	return answer{}
}

// service answers for the names of a service and those below it. Addresses of
// a service itself are what is asked for most; the rest stands apart, because
// it takes much of the stack.
func (v *view) service(q *query, name string, typ uint16) (a answer) {
	e := v.at(q)
	if e == nil {
		a.rcode = v.absentRcode(q.key.Namespace)
		return a
	}
	r := v.recordsOf(e, q.zone)
	switch {
	case q.kind != kindService || typ == dns.TypeSRV || r.cname != nil || v.conf.preferZone:
		a = v.held(e, q, name, typ)
	case typ == dns.TypeA || typ == dns.TypeAAAA:
		r.addresses(&a, typ)
		v.byName.put(r)
	}
	return a
}

// held answers for all names of e.
func (v *view) held(e *entry, q *query, name string, typ uint16) answer {
	r, near := v.recordsOf(e, q.zone), v.nearFirst(e, q)
	switch {
	case q.kind == kindService && r.cname != nil:
		return v.follow(r, q.near, typ)
	case q.kind == kindService && near != nil:
		return v.nearService(e, q, near, name, typ)
	case q.kind == kindService && typ == dns.TypeSRV:
		return answer{rrset: v.srv(e, q.zone)}
	case q.kind == kindService:
		return ofType(typ)(r.a, r.aaaa)
	case r.cname != nil && len(v.contentOf(e).names) == 0:
		return v.absent(q.key.Namespace)
	case q.kind == kindPort:
		return v.port(e, q, near, name, typ)
	}
	return v.endpoint(e, q, name, typ)
}

// port answers for _PORT._PROTO below a service; near are its endpoints in the
// client's order, if that is another than the usual one.
func (v *view) port(e *entry, q *query, near []*catalog.Endpoint, name string, typ uint16) answer {
	r := v.recordsOf(e, q.zone)
	for i := range r.ports {
		if p := &r.ports[i]; near == nil && p.name == q.port && p.proto == q.proto {
			if typ == dns.TypeSRV {
				s := v.portSRV(e, q.zone, p)
				return answer{rrset: rrset{owned(s.answer, name), s.extra}}
			}
		}
	}
	keep := func(_ *catalog.Endpoint, p catalog.Port) bool {
		return (q.port == "" || strings.EqualFold(p.Name, q.port)) && (q.proto == "" || strings.EqualFold(string(p.Proto), q.proto))
	}
	b := v.builder(e, q.zone)
	if near != nil {
		b.ready = near
	}
	if !b.has(keep) {
		return v.absent(q.key.Namespace)
	}
	return b.service(name, keep, typ, near != nil)
}

// endpoint answers for one label below a service: an endpoint's, or the
// protocol that port names stand below.
func (v *view) endpoint(e *entry, q *query, name string, typ uint16) answer {
	b := v.builder(e, q.zone)
	if v.conf.imported && b.svc.Type != catalog.Headless {
		b.ready = nil // nobody is to single out a cluster behind a virtual address
	}
	label, _ := q.cutCluster()
	addr, _ := parseDashed(label)
	found := slices.DeleteFunc(slices.Clone(b.ready), func(ep *catalog.Endpoint) bool { return !v.conf.isHost(ep, q.host, addr) })
	switch {
	case len(found) == 0 && (b.hasProto(q.host) || b.hasCluster(q.host)):
		return answer{}
	case len(found) == 0:
		return v.absent(q.key.Namespace)
	}
	b.ready = found
	if typ == dns.TypeSRV {
		return answer{rrset: b.endpointSRV(name, anyPort)}
	}
	return ofType(typ)(b.addrs(name, endpointAddrs(found, anyPort)))
}

// hasProto reports whether port names stand below label.
func (b *builder) hasProto(label string) bool {
	proto := strings.TrimPrefix(label, "_")
	return b.has(func(_ *catalog.Endpoint, p catalog.Port) bool {
		return proto == "" || strings.EqualFold(string(p.Proto), proto)
	})
}

// has reports whether keep takes a port that the service can be asked for.
func (b *builder) has(keep portFilter) bool {
	if b.svc.Type == catalog.Headless {
		return slices.ContainsFunc(b.ready, func(e *catalog.Endpoint) bool { return keepsAny(e, keep) })
	}
	return slices.ContainsFunc(b.svc.Ports, func(p catalog.Port) bool { return keep(nil, p) })
}

// follow answers for an alias: with the chain of aliases and, where its end is
// in our zones, with what is held there.
func (v *view) follow(r *records, near string, typ uint16) answer {
	chain := slices.Clip(r.cname)
	for typ != dns.TypeCNAME {
		target := chain[len(chain)-1].(*dns.CNAME).Target
		q, inside := v.conf.zones.parse(target)
		q.near = near
		if !inside || v.conf.zones[q.zone].multicluster != v.conf.imported {
			return answer{rrset: rrset{answer: chain}, chased: true, outside: target}
		}
		next := v.aliasAt(&q)
		if next == nil {
			a := v.answer(&q, target, typ)
			a.answer, a.packed, a.chased = slices.Concat(chain, a.answer), nil, true
			return a
		}
		if len(chain) == maxChain || slices.Contains(chain, next) {
			break
		}
		chain = append(chain, next)
	}
	return answer{rrset: rrset{answer: chain}}
}

// aliasAt returns the CNAME record that stands at q, or nil.
func (v *view) aliasAt(q *query) dns.RR {
	if q.kind != kindService {
		return nil
	}
	e := v.at(q)
	if e == nil {
		return nil
	}
	if r := v.recordsOf(e, q.zone); r.cname != nil {
		return r.cname[0]
	}
	return nil
}

// owned returns rrs with the owner name; they are copied if they have another.
func owned(rrs []dns.RR, owner string) []dns.RR {
	if len(rrs) == 0 || rrs[0].Header().Name == owner {
		return rrs
	}
	all := make([]dns.RR, len(rrs))
	for i, rr := range rrs {
		all[i] = dns.Copy(rr)
		all[i].Header().Name = owner
	}
	return all
}
