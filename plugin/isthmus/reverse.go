package isthmus

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/isthmus-dns/isthmus/catalog"
)

// reverse answers for addresses and beginnings of them.
func (v *view) reverse(q *query, name string, typ uint16) answer {
	z := v.conf.zones[q.zone]
	known := z.apex == "" && (v.places.has(q.net) || v.ownPlaces.has(q.net)) || z.external && v.outside.has(q.net)
	switch {
	case known && q.kind == kindNet:
		return answer{}
	case known:
		return holds(typ, dns.TypePTR, func() []dns.RR { return v.ptrIn(z, name, q.net.Addr()) })
	case v.snap.PendingAddr():
		return answer{rcode: dns.RcodeServerFailure}
	}
	return answer{rcode: dns.RcodeNameError}
}

// ptrIn returns the names that an address has in the reverse zone z.
func (v *view) ptrIn(z zone, owner string, addr netip.Addr) []dns.RR {
	if z.external {
		if rrs := v.frontPTR(owner, addr); len(rrs) > 0 || z.apex != "" {
			return rrs
		}
	}
	return v.ptr(owner, addr)
}

// frontPTR returns the names of the services that have the external address.
func (v *view) frontPTR(owner string, addr netip.Addr) []dns.RR {
	z := v.conf.zones[v.conf.external.primary]
	var all []dns.RR
	for _, k := range v.outside.keysAt(addr) {
		at, _ := v.snap.LookupAt(*k, addr, nil)
		all = appendPTR(all, owner, serviceName(*k, z), v.conf.namingIn(z).ttlOf(at.TTL))
	}
	return all
}

// ptr returns the names of the services that have the address; where there is
// none, those of its endpoints. Few addresses are asked for twice, so that
// nothing is kept of it.
func (v *view) ptr(owner string, addr netip.Addr) []dns.RR {
	var services, endpoints []dns.RR
	own := v.ownPTR(owner, addr)
	for _, k := range v.places.keysAt(addr) {
		z := v.conf.zones[v.conf.zones.primary()]
		var room [1]catalog.Endpoint
		at, _ := v.snap.LookupAt(*k, addr, room[:0])
		switch {
		case len(own) > 0 && v.conf.zones.hasDomain(at.Origin):
			// It calls its address itself.
		case at.Type == catalog.ClusterIP && at.Own:
			services = appendPTR(services, owner, serviceName(*k, z), v.conf.namingIn(z).ttlOf(at.TTL))
		case !v.conf.noEndpoints && at.Type != catalog.ExternalName:
			endpoints = v.conf.namingIn(z).appendHosts(endpoints, owner, *k, z, at)
		}
	}
	switch {
	case len(services) > 0:
		return services
	case len(endpoints) > 0:
		return endpoints
	}
	return own
}

// appendHosts appends the names of the endpoints that are answered, each once.
func (n naming) appendHosts(rrs []dns.RR, owner string, k catalog.Key, z zone, at catalog.Place) []dns.RR {
	someReady := slices.ContainsFunc(at.Endpoints, func(e catalog.Endpoint) bool { return e.Ready })
	first := len(rrs)
	for i := range at.Endpoints {
		e := &at.Endpoints[i]
		if !e.Ready && (someReady || !e.Serving || !e.Terminating) {
			continue
		}
		var room [nameRoom]byte
		name := string(appendService(append(n.appendHost(room[:0], e), '.'), k, z))
		if !slices.ContainsFunc(rrs[first:], func(rr dns.RR) bool { return rr.(*dns.PTR).Ptr == name }) {
			rrs = appendPTR(rrs, owner, name, n.ttlOf(at.TTL))
		}
	}
	return rrs
}

// lone is a record that stands alone in its section, and the section: most
// addresses have one name.
type lone struct {
	ptr     dns.PTR
	section [1]dns.RR
}

// appendPTR appends a record that points to target.
func appendPTR(rrs []dns.RR, owner, target string, ttl uint32) []dns.RR {
	one := lone{ptr: dns.PTR{Hdr: dns.RR_Header{Name: owner, Rrtype: dns.TypePTR, Class: dns.ClassINET, Ttl: ttl}, Ptr: target}}
	if len(rrs) > 0 {
		return append(rrs, &one.ptr)
	}
	one.section[0] = &one.ptr
	return one.section[:]
}

// nameRoom is enough for a name, or for all but very long ones.
const nameRoom = 256

// appendHost appends what hostOf returns of an endpoint that has an address.
func (n naming) appendHost(b []byte, e *catalog.Endpoint) []byte {
	b = n.appendLabel(b, e)
	if e.Cluster != "" {
		b = append(append(b, '.'), e.Cluster...)
	}
	return b
}

func (n naming) appendLabel(b []byte, e *catalog.Endpoint) []byte {
	switch {
	case e.Hostname != "":
		return append(b, strings.ToLower(e.Hostname)...)
	case n.podNames && e.Pod != "" && len(e.Pod) < 64:
		return append(b, strings.ToLower(e.Pod)...)
	}
	return appendDashed(b, e.Host.Addr)
}

// appendService appends what serviceName returns.
func appendService(b []byte, k catalog.Key, z zone) []byte {
	b = append(append(b, strings.ToLower(k.Name)...), '.')
	b = append(append(b, strings.ToLower(k.Namespace)...), '.')
	if !z.external {
		b = append(b, "svc."...)
	}
	if z.name != "." {
		b = append(b, z.name...)
	}
	return b
}

// appendDashed spells an address as a label. A label may not end in a dash.
func appendDashed(b []byte, a netip.Addr) []byte {
	sep, start := byte(':'), len(b)
	if a.Is4() {
		sep = '.'
	}
	b = a.AppendTo(b)
	for i := start; i < len(b); i++ {
		if b[i] == sep {
			b[i] = '-'
		}
	}
	if len(b) > start && b[len(b)-1] == '-' {
		b = append(b, '0')
	}
	return b
}
