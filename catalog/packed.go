package catalog

import (
	"io"
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
	p := inMemory()
	p.Service(s)
	says = int32(len(p.buf))
	p.rest(s)
	return Packed(p.buf), says
}

// Service unpacks p into a new Service, whose texts are parts of p.
func (p Packed) Service() *Service {
	u := from(string(p))
	s := u.Service()
	u.rest(s)
	return s
}

// serviceAt is Service, but for endpoints with another address than a.
func (p Packed) serviceAt(a netip.Addr) *Service {
	u := from(string(p))
	u.only = a
	s := u.Service()
	u.rest(s)
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
	p := inMemory()
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

// at is All, but for endpoints with another address than a.
func (p PackedEndpoints) at(a netip.Addr) []Endpoint {
	if p == "" {
		return nil
	}
	u := from(string(p))
	u.only = a
	return u.endpoints()
}

// inMemory returns a Packer whose buffer is the result.
func inMemory() *Packer { return &Packer{buf: make([]byte, 0, 1<<10)} }

func from(s string) *Unpacker { return &Unpacker{from: &piece{s}} }

// piece is a source in memory. What it gives are parts of it.
type piece struct{ rest string }

// ReadByte implements io.ByteReader.
func (p *piece) ReadByte() (byte, error) {
	if p.rest == "" {
		return 0, io.ErrUnexpectedEOF
	}
	b := p.rest[0]
	p.rest = p.rest[1:]
	return b, nil
}

func (p *piece) text(n int) (string, error) {
	if n > len(p.rest) {
		return "", io.ErrUnexpectedEOF
	}
	s := p.rest[:n]
	p.rest = p.rest[n:]
	return s, nil
}

// rest writes what of a service means nothing to another process.
func (p *Packer) rest(s *Service) {
	p.Text(s.Version)
	at := uint64(0)
	if !s.Triggered.IsZero() {
		at = uint64(s.Triggered.UnixNano())
	}
	p.Number(at)
	p.Number(flags(s.Bare))
}

func (u *Unpacker) rest(s *Service) {
	s.Version = u.Text()
	if at := u.Number(); at != 0 {
		s.Triggered = time.Unix(0, int64(at))
	}
	s.Bare = u.small(math.MaxUint8) != 0
}
