package catalog

import (
	"math"
	"net/netip"
	"time"
)

// Outline makes of into the service that Lookup returns for k, less what few ask
// for who look at all services: ports, marks, hosts outside, metadata and versions,
// and the endpoints' IDs, ports, tags and metadata. It reports whether there is a
// service.
//
// The lists of into are used again, so that one service after the other takes no
// memory: what is needed of one is taken before the next.
func (s *Snapshot) Outline(k Key, into *Service) bool {
	*into = Service{Key: k, Addrs: into.Addrs[:0], Endpoints: into.Endpoints[:0]}
	all, _ := s.keys.Get(k)
	switch {
	case len(all) != 1 || all[0].packed == "":
		return into.outlineOf(s.Lookup(k))
	case !s.mayAnswer(k, all[0]):
		return false
	}
	h := all[0]
	into.Origin = h.origin
	u := Unpacker{rest: string(h.packed)}
	u.outline(into)
	into.Endpoints = h.folded.lean(into.Endpoints, anyAddr)
	return true
}

func anyAddr(netip.Addr) bool { return true }

// outlineOf adds what an outline has of from, which may be nil and is not kept.
func (s *Service) outlineOf(from *Service) bool {
	if from == nil {
		return false
	}
	s.Origin, s.Type, s.Alias, s.TTL = from.Origin, from.Type, from.Alias, from.TTL
	s.Addrs = append(s.Addrs, from.Addrs...)
	for _, e := range from.Endpoints {
		e.ID, e.Ports, e.Tags, e.Meta = "", nil, nil, nil
		s.Endpoints = append(s.Endpoints, e)
	}
	return true
}

// outline reads a service, and passes by what an outline has not.
func (u *Unpacker) outline(s *Service) {
	u.Word()
	u.Text()
	u.marked()
	s.Type = u.serviceType()
	u.list(func() { s.Addrs = append(s.Addrs, u.addr()) })
	u.list(func() { u.host() })
	s.Alias = u.Text()
	u.passPorts()
	s.Endpoints = u.lean(s.Endpoints, anyAddr)
	u.passWords(2) // metadata
	s.TTL = time.Duration(u.small(math.MaxInt64))
}
