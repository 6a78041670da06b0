package isthmus

import (
	"encoding/hex"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/isthmus-dns/isthmus/catalog"
)

// own answers for a name that a registry has in its own DNS.
//
//	name                              exists                            holds
//	[TAG.]NAME.service.Z              with a ready instance of the tag  A, AAAA, SRV; CNAME besides SRV if none has an address
//	NAME.node.Z                       with the node                     A, AAAA, TXT; CNAME if it has a name for an address
//	HEX.addr.Z                        always                            A or AAAA
//	service.Z, node.Z, addr.Z, DC.Z   always                            nothing
//	ns.Z                              always                            A, AAAA
func (v *view) own(q *query, name string, typ uint16) answer {
	z := v.conf.zones[q.zone]
	o := v.owner(z)
	labels := dns.SplitDomainName(strings.TrimSuffix(name, z.name))
	n := readOwn(labels, o.datacenter)
	a, known := o.answer(n, name, typ)
	switch {
	case known:
		return a
	case !v.directed(z) && mayHold(n, labels):
		return answer{rcode: dns.RcodeServerFailure}
	}
	return answer{rcode: dns.RcodeNameError}
}

// directed reports whether the directory of a domain is known, be it from the
// past.
func (v *view) directed(z zone) bool {
	return v.snap.State(z.domain).Known() && v.snap.Directory(z.domain).Lists()
}

// mayHold reports whether a name that is read as n may exist in a directory of
// which nothing is known, not even its datacenter.
func mayHold(n ownName, labels []string) bool {
	switch n.form {
	case "service", "node":
		return true
	case "":
		return len(labels) == 1 || len(labels) == 2 && labels[1] == "dc"
	}
	return false
}

func (v *view) owner(z zone) *owner {
	d := v.snap.Directory(z.domain)
	return &owner{directory: d, zone: z, datacenter: strings.ToLower(d.Datacenter()), builder: builder{ttl: v.conf.ttl}}
}

// owner makes the answers of one domain.
type owner struct {
	builder
	directory  catalog.Directory
	zone       zone
	datacenter string // in lower case
}

// answer is false for a name that does not exist.
func (o *owner) answer(n ownName, name string, typ uint16) (answer, bool) {
	switch {
	case !n.known:
		return answer{}, false
	case n.name == "":
		return answer{}, true
	case n.form == "node":
		return o.node(n, name, typ)
	case n.form == "addr":
		return o.addr(n, name, typ)
	}
	return o.service(n, name, typ)
}

func (o *owner) addr(n ownName, name string, typ uint16) (answer, bool) {
	bytes, err := hex.DecodeString(n.name)
	if err != nil || len(bytes) != 4 && len(bytes) != 16 {
		return answer{}, false
	}
	a, _ := netip.AddrFromSlice(bytes)
	return ofType(typ)(o.addrs(name, []netip.Addr{a})), true
}

func (o *owner) node(n ownName, name string, typ uint16) (answer, bool) {
	node := o.directory.Node(n.name)
	switch {
	case node == nil:
		return answer{}, false
	case typ == dns.TypeTXT:
		return answer{rrset: rrset{answer: o.meta(name, node)}}, true
	case !node.Host.Addr.IsValid():
		return o.alias(name, node.Host.Name, typ), true
	}
	return ofType(typ)(o.addrs(name, []netip.Addr{node.Host.Addr})), true
}

// meta returns what a node says of itself, as Consul writes it (RFC 1464).
func (o *owner) meta(name string, node *catalog.Node) []dns.RR {
	var all []dns.RR
	for _, key := range slices.Sorted(maps.Keys(node.Meta)) {
		text := node.Meta[key]
		if !strings.HasPrefix(strings.ToLower(key), "rfc1035-") {
			text = key + "=" + strings.ReplaceAll(text, "`", "``")
		}
		all = append(all, &dns.TXT{Hdr: o.header(name, dns.TypeTXT), Txt: strings255(text)})
	}
	return all
}

// strings255 cuts text into what one string of a TXT record holds.
func strings255(text string) []string {
	var all []string
	for len(text) > 255 {
		all, text = append(all, text[:255]), text[255:]
	}
	return append(all, text)
}

// alias is the answer of a name that stands for another, which the server is
// asked for.
func (o *owner) alias(name, target string, typ uint16) answer {
	target = dns.Fqdn(target)
	a := answer{rrset: rrset{answer: []dns.RR{&dns.CNAME{Hdr: o.header(name, dns.TypeCNAME), Target: target}}}}
	if typ != dns.TypeCNAME {
		a.chased, a.outside = true, target
	}
	return a
}

func (o *owner) service(n ownName, name string, typ uint16) (answer, bool) {
	svc := o.directory.Listed(n.name)
	if svc == nil {
		return answer{}, false
	}
	var found []*catalog.Endpoint
	for i := range svc.Endpoints {
		if e := &svc.Endpoints[i]; e.Ready && (n.tag == "" || slices.ContainsFunc(e.Tags, func(t string) bool { return strings.EqualFold(t, n.tag) })) {
			found = append(found, e)
		}
	}
	if len(found) == 0 {
		return answer{}, false
	}
	if typ == dns.TypeSRV {
		s, known := o.srv(n, name, found)
		return answer{rrset: s}, known
	}
	if all := endpointAddrs(found, anyPort); len(all) > 0 {
		return ofType(typ)(o.addrs(name, all)), true
	}
	return o.alias(name, found[0].Host.Name, typ), true
}

// srv makes one record for each address and port. An instance with an address
// of its own is told by that, another by its node. It is false if one of them
// has no port of the name that is asked for.
func (o *owner) srv(n ownName, name string, found []*catalog.Endpoint) (s rrset, known bool) {
	type at struct {
		target string
		port   uint16
	}
	seen := newSet[at](len(found))
	glued := newSet[string](len(found))
	for _, e := range found {
		i := slices.IndexFunc(e.Ports, func(p catalog.Port) bool { return p.Name == n.port })
		if i < 0 {
			return rrset{}, false
		}
		target := o.target(e)
		if seen.add(at{target, e.Ports[i].Number}) {
			s.answer = append(s.answer, &dns.SRV{Hdr: o.header(name, dns.TypeSRV), Priority: 1, Weight: uint16(e.Weight), Port: e.Ports[i].Number, Target: target})
		}
		if e.Host.Addr.IsValid() && glued.add(target) {
			s.extra = append(s.extra, o.address(target, e.Host.Addr))
		}
	}
	return s, true
}

func (o *owner) target(e *catalog.Endpoint) string {
	switch {
	case !e.Host.Addr.IsValid():
		return dns.Fqdn(e.Host.Name)
	case e.Hostname != "":
		return o.nodeName(e.Hostname)
	}
	return o.zone.below(fmt.Sprintf("%x.addr.%s", e.Host.Addr.AsSlice(), o.datacenter))
}

func (o *owner) nodeName(node string) string {
	return o.zone.below(strings.ToLower(node) + ".node." + o.datacenter)
}

// nameOf returns the name of the node that has the address, else of the first
// service with it; "" if there is none.
func (o *owner) nameOf(a netip.Addr) string {
	if nodes := o.directory.NodesAt(a); len(nodes) > 0 {
		return o.nodeName(nodes[0].Name)
	}
	if all := o.directory.ListedAt(a); len(all) > 0 {
		return o.zone.below(all[0].Name + ".service." + o.datacenter)
	}
	return ""
}

// ownPTR returns the names that an address has in domains.
func (v *view) ownPTR(owner string, a netip.Addr) []dns.RR {
	var all []dns.RR
	for _, z := range v.conf.zones {
		if z.domain == "" {
			continue
		}
		o := v.owner(z)
		if name := o.nameOf(a); name != "" {
			all = appendPTR(all, owner, name, o.ttl)
		}
	}
	return all
}

// directories are those of the domains, in their order.
func (c *config) directories(snap *catalog.Snapshot) []catalog.Directory {
	var all []catalog.Directory
	for _, z := range c.zones {
		if z.domain != "" {
			all = append(all, snap.Directory(z.domain))
		}
	}
	return all
}

// putOwn makes the addresses that have names in domains what their directories
// say now, which said something else before; nil: nothing. It reports whether
// any of them changed.
func (v *view) putOwn(now, before []catalog.Directory) (changed bool) {
	for i, d := range now {
		var was catalog.Directory
		if before != nil {
			was = before[i]
		}
		changed = changed || d != was
		d.Since(was, func(a netip.Addr) { v.ownPlaces.put(a, named(now, a)) })
	}
	return changed
}

// named reports whether any of the directories has a name for a.
func named(all []catalog.Directory, a netip.Addr) bool {
	return slices.ContainsFunc(all, func(d catalog.Directory) bool { return len(d.NodesAt(a))+len(d.ListedAt(a)) > 0 })
}
