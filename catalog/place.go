package catalog

import (
	"math"
	"net/netip"
	"slices"
	"time"
)

// Place is a service as it stands at one address: what its names there are made
// of.
type Place struct {
	Origin    Origin
	Type      ServiceType
	Own       bool // the address is one of the service's Addrs
	TTL       time.Duration
	Endpoints []Endpoint // those at the address, without IDs, ports, tags and metadata
}

// LookupAt tells what stands at an address of the service that Lookup returns for
// k. It reports whether there is a service. The endpoints stand in room, as far
// as that has any; where one packed service answers, nothing else is allocated,
// and nothing of its other endpoints is kept.
func (s *Snapshot) LookupAt(k Key, a netip.Addr, room []Endpoint) (Place, bool) {
	all, _ := s.keys.Get(k)
	switch {
	case len(all) != 1 || all[0].packed == "":
		return placeOf(s.Lookup(k), a, room)
	case !s.mayAnswer(k, all[0]):
		return Place{}, false
	}
	return all[0].at(a, room), true
}

// placeOf picks of svc, which may be nil, what stands at a.
func placeOf(svc *Service, a netip.Addr, room []Endpoint) (Place, bool) {
	if svc == nil {
		return Place{}, false
	}
	p := Place{Origin: svc.Origin, Type: svc.Type, Own: slices.Contains(svc.Addrs, a), TTL: svc.TTL, Endpoints: room[:0]}
	for _, e := range svc.Endpoints {
		if e.Host.Addr == a {
			e.ID, e.Ports, e.Tags, e.Meta = "", nil, nil, nil
			p.Endpoints = append(p.Endpoints, e)
		}
	}
	return p, true
}

// at reads of what is packed what stands at a.
func (h *held) at(a netip.Addr, room []Endpoint) Place {
	u := Unpacker{rest: string(h.packed)}
	p := u.place(a, room[:0])
	p.Origin = h.origin
	p.Endpoints = h.folded.lean(p.Endpoints, func(x netip.Addr) bool { return x == a })
	return p
}

// place reads a service, and passes by what a Place has not.
func (u *Unpacker) place(a netip.Addr, found []Endpoint) (p Place) {
	u.Word()
	u.Text()
	u.marked()
	p.Type = u.serviceType()
	u.list(func() { p.Own = u.addr() == a || p.Own })
	u.list(func() { u.host() })
	u.Text() // alias
	u.passPorts()
	p.Endpoints = u.lean(found, func(x netip.Addr) bool { return x == a })
	u.passWords(2) // metadata
	p.TTL = time.Duration(u.small(math.MaxInt64))
	return p
}

// lean appends to found the endpoints at addresses that are wanted, without IDs,
// ports, tags and metadata. It takes no memory for the others.
func (u *Unpacker) lean(found []Endpoint, wanted func(netip.Addr) bool) []Endpoint {
	u.list(func() {
		var e Endpoint
		is := u.standing(&e)
		if is&hasPorts != 0 {
			u.passPorts()
		}
		u.naming(&e, is)
		if is&hasMore != 0 {
			u.passWords(1) // tags
			u.passWords(2) // metadata
		}
		if wanted(e.Host.Addr) {
			e.ID = ""
			found = append(found, e)
		}
	})
	return found
}

// passPorts reads ports that nobody asked for.
func (u *Unpacker) passPorts() {
	u.list(func() {
		u.Word()
		u.Word()
		u.Number()
		u.Word()
	})
}

// passWords reads a list of so many words each.
func (u *Unpacker) passWords(each int) {
	u.list(func() {
		for range each {
			u.Word()
		}
	})
}
