package isthmus

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/catalog/pmap"
)

// outside returns what svc is in external zones: nil if it does not exist there.
// What has addresses or names outside of the cluster is found by those,
// anything else by its endpoints, with the option headless.
//
//	name              exists                                         holds
//	S.NS.Z            with an external address                       A, AAAA, SRV of all ports
//	                  with external names only                       CNAME
//	                  by the option headless, with a ready endpoint  as in the cluster; of a ClusterIP service nothing
//	_P._T.S.NS.Z      with a port of that name                       SRV, A, AAAA
//	_T.S.NS.Z         with a port of that protocol                   nothing
//	H.S.NS.Z          by the option headless, with a ready endpoint  A, AAAA, SRV of its ports
//	                  of that name
//	NS.Z              with the namespace                             nothing
//	Z                 always                                         SOA, NS
//	APEX.Z            always                                         nothing
//	ns1.APEX.Z        always                                         A, AAAA
func (c *config) outside(svc *catalog.Service) *content {
	if svc == nil {
		return nil
	}
	shown, names := exposed(*svc)
	x := &content{svc: &shown, ready: c.ready(&shown), names: names}
	if len(names)+len(shown.Addrs) == 0 && (!c.external.headless || len(x.ready) == 0) {
		return nil
	}
	return x
}

// exposed returns svc with its external addresses as its own, and the names
// that it has besides. Without an address it is an alias of the first name: a
// CNAME record never stands beside others. Without either nothing but its
// endpoints is left.
func exposed(svc catalog.Service) (shown catalog.Service, names []string) {
	svc.Addrs = nil
	for _, h := range svc.External {
		switch {
		case h.Addr.IsValid():
			svc.Addrs = append(svc.Addrs, h.Addr)
		case isName(h.Name):
			names = append(names, dns.Fqdn(strings.ToLower(h.Name)))
		}
	}
	slices.SortFunc(svc.Addrs, netip.Addr.Compare)
	svc.Addrs = slices.Compact(svc.Addrs)
	switch {
	case len(svc.Addrs) > 0:
		svc.Type, svc.Alias, svc.Endpoints = catalog.ClusterIP, "", nil
	case len(names) > 0:
		svc.Type, svc.Alias, svc.Endpoints = catalog.ExternalName, names[0], nil
	case svc.Type == catalog.ClusterIP:
		svc.Ports = nil // those of the virtual address
	}
	return svc, names
}

// fillFronts makes all fronts what the snapshot says.
func (v *view) fillFronts() {
	if v.conf.external == nil {
		return
	}
	v.fronts = pmap.New[catalog.Key, *entry]()
	v.outside = places{}
	for k := range v.snap.Keys() {
		v.putFront(k, v.snap.Lookup(k), v)
	}
}

// putFront makes k in external zones what svc says; before is the view that
// says what it was.
func (v *view) putFront(k catalog.Key, svc *catalog.Service, before *view) {
	var e *entry
	var was *content
	if old, known := v.fronts.Get(k); known {
		v.byName.retire(old)
		e, was = old.next(), before.read(old)
	} else {
		e = &entry{key: &k, outer: true}
	}
	is := v.conf.outside(svc)
	if is != nil {
		v.fronts = v.fronts.Set(k, e)
	} else {
		v.fronts = v.fronts.Delete(k)
	}
	v.outside.move(e.key, was.outerAddrs(), is.outerAddrs())
}

// outerAddrs returns the addresses that lead back to x from outside of the
// cluster, sorted, each once.
func (x *content) outerAddrs() []netip.Addr {
	if x == nil {
		return nil
	}
	return x.svc.Addrs
}

// at returns the service that q is about; nil if it does not exist there.
func (v *view) at(q *query) *entry {
	from := v.entries
	if v.conf.zones[q.zone].external {
		from = v.fronts
	}
	e, _ := from.Get(q.key)
	return e
}

// serverAddrs returns the addresses at which this server is reached from
// outside of the cluster: those that its services have there, or its own where
// it is behind none.
func (v *view) serverAddrs() []netip.Addr {
	var all []netip.Addr
	behind := false
	for _, local := range v.conf.locals {
		for _, k := range v.places.keysAt(local) {
			if e, _ := v.entries.Get(*k); e == nil || !v.contentOf(e).hasEndpoint(local) {
				continue
			}
			behind = true
			if e, _ := v.fronts.Get(*k); e != nil {
				x := v.contentOf(e)
				all = append(all, addrsOf(x.svc, x.ready, anyPort)...)
			}
		}
	}
	if !behind {
		return v.conf.locals
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}
