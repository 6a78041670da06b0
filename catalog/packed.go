package catalog

import (
	"math"
	"net/netip"
	"time"
)

// Packed is a service in one immutable piece of memory without pointers: a
// fraction of a Service's own, and nothing for the garbage collector to follow.
// All of the service is in it but its Origin. It is for memory only: another
// version of this program may pack in another way.
type Packed string

// Pack packs s, which it does not keep. Services that say the same in the same
// version, and came about at the same time, are packed the same.
func Pack(s *Service) Packed {
	p, _ := pack(s)
	return p
}

// pack is Pack; what comes first in it is what s says: two services of which that
// is equal are Same.
func pack(s *Service) (all Packed, says int32) {
	p := inMemory(roomFor(s.Endpoints) + len(s.Version) + 128)
	p.Service(s)
	says = int32(len(p.buf))
	p.remains(s)
	return Packed(p.buf), says
}

// Service unpacks p into a new Service, whose texts are parts of p.
func (p Packed) Service() *Service {
	u := from(string(p))
	s := u.Service()
	u.remains(s)
	return s
}

// head is Service without its endpoints.
func (p Packed) head() *Service {
	u := from(string(p))
	u.head = true
	s := u.Service()
	u.remains(s)
	return s
}

// PackedEndpoints are the endpoints of a service as Packed has them. The zero
// value is none.
type PackedEndpoints string

// PackEndpoints packs all, which it does not keep.
func PackEndpoints(all []Endpoint) PackedEndpoints {
	if len(all) == 0 {
		return ""
	}
	p := inMemory(roomFor(all))
	p.endpoints(all)
	return PackedEndpoints(p.buf)
}

// All unpacks p into new Endpoints, whose texts are parts of p.
func (p PackedEndpoints) All() []Endpoint {
	if p == "" {
		return nil
	}
	return from(string(p)).endpoints()
}

// Len is how many there are. It does not unpack them.
func (p PackedEndpoints) Len() int {
	if p == "" {
		return 0
	}
	return from(string(p)).small(math.MaxInt32)
}

// lean is Unpacker.lean.
func (p PackedEndpoints) lean(found []Endpoint, wanted func(netip.Addr) bool) []Endpoint {
	if p == "" {
		return found
	}
	u := Unpacker{rest: string(p)}
	return u.lean(found, wanted)
}

// inMemory returns a Packer whose buffer is the result, with room for so much.
func inMemory(room int) *Packer { return &Packer{buf: make([]byte, 0, room)} }

// roomFor is how much endpoints commonly take, at most: a start packs very many,
// and what is in the way is garbage at once.
func roomFor(all []Endpoint) int {
	n := 32
	var node string
	for i := range all {
		e := &all[i]
		n += 12 + len(e.Hostname) + len(e.Pod)
		if e.Node != node {
			node = e.Node
			n += len(node)
		}
	}
	return n
}

func from(s string) *Unpacker { return &Unpacker{rest: s} }

// remains writes what of a service means nothing to another process.
func (p *Packer) remains(s *Service) {
	p.Text(s.Version)
	at := uint64(0)
	if !s.Triggered.IsZero() {
		at = uint64(s.Triggered.UnixNano())
	}
	p.Number(at)
	p.Number(flags(s.Bare))
}

func (u *Unpacker) remains(s *Service) {
	s.Version = u.Text()
	if at := u.Number(); at != 0 {
		s.Triggered = time.Unix(0, int64(at))
	}
	s.Bare = u.small(math.MaxUint8) != 0
}
