package catalog

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"time"
)

// Unpacker reads what a Packer wrote. Methods return zero values after an
// error, which Err returns; what they return then is not to be used. Damaged
// input costs memory in proportion to its length.
type Unpacker struct {
	r     *bufio.Reader
	words []string
	err   error
}

var errDamaged = errors.New("damaged")

// NewUnpacker returns an Unpacker that reads from r.
func NewUnpacker(r io.Reader) *Unpacker { return &Unpacker{r: bufio.NewReaderSize(r, flushAt)} }

// Err returns why reading ended early, or nil.
func (u *Unpacker) Err() error { return u.err }

func (u *Unpacker) fail(err error) {
	if u.err == nil {
		u.err = fmt.Errorf("unpack: %w", err)
	}
}

// Number reads a number.
func (u *Unpacker) Number() uint64 {
	if u.err != nil {
		return 0
	}
	n, err := binary.ReadUvarint(u.r)
	if err != nil {
		u.fail(err)
		return 0
	}
	return n
}

// small reads a number of at most max.
func (u *Unpacker) small(max uint64) int {
	n := u.Number()
	if n > max {
		u.fail(errDamaged)
		return 0
	}
	return int(n)
}

// Text reads a text.
func (u *Unpacker) Text() string {
	left := u.small(maxText)
	var b []byte
	for left > 0 && u.err == nil {
		n := min(left, flushAt)
		at := len(b)
		b = append(b, make([]byte, n)...)
		if _, err := io.ReadFull(u.r, b[at:]); err != nil {
			u.fail(err)
			return ""
		}
		left -= n
	}
	return string(b)
}

// Word reads a word. Words that come again are one piece of memory.
func (u *Unpacker) Word() string {
	switch n := u.Number(); {
	case u.err != nil:
		return ""
	case n == newWord:
		s := u.Text()
		if len(u.words) >= maxWords {
			u.fail(errDamaged)
			return ""
		}
		u.words = append(u.words, s)
		return s
	case n == otherWord:
		return u.Text()
	case n-firstKnown < uint64(len(u.words)):
		return u.words[n-firstKnown]
	}
	u.fail(errDamaged)
	return ""
}

// list calls one for each of the items that follow, until an error.
func (u *Unpacker) list(one func()) {
	for n := u.small(math.MaxInt32); n > 0 && u.err == nil; n-- {
		one()
	}
}

// Service reads a service.
func (u *Unpacker) Service() *Service {
	s := &Service{Key: Key{u.Word(), u.Text()}}
	s.Mark = u.mark()
	s.Type = ServiceType(u.small(uint64(len(typeNames)) - 1))
	s.Addrs = u.addrs()
	u.list(func() { s.External = append(s.External, u.host()) })
	s.Alias = u.Text()
	s.Ports = u.ports()
	u.list(func() { s.Endpoints = append(s.Endpoints, u.endpoint()) })
	s.Meta = u.meta()
	s.TTL = time.Duration(u.small(math.MaxInt64))
	return s
}

// Pod reads a pod.
func (u *Unpacker) Pod() *Pod {
	x := &Pod{Key: Key{u.Word(), u.Text()}}
	x.Addrs = u.addrs()
	x.Host = u.small(1) == 1
	x.Node = u.Word()
	x.Meta = u.meta()
	return x
}

func (u *Unpacker) mark() *Mark {
	if u.small(1) == 0 {
		return nil
	}
	return &Mark{
		Owner:  u.Word(),
		Of:     Identity(u.Word()),
		Key:    Key{u.Word(), u.Text()},
		Format: u.small(math.MaxInt32),
	}
}

func (u *Unpacker) endpoint() Endpoint {
	e := Endpoint{ID: u.Text(), Host: u.host(), Hostname: u.Text(), Pod: u.Text(), Ports: u.ports()}
	bits := u.small(1<<3 - 1)
	e.Ready, e.Serving, e.Terminating = bits&1 != 0, bits&2 != 0, bits&4 != 0
	e.Zone, e.Node, e.Cluster = u.Word(), u.Word(), u.Word()
	e.Priority = uint16(u.small(math.MaxUint16))
	e.Weight = u.small(math.MaxInt32)
	u.list(func() { e.Tags = append(e.Tags, u.Word()) })
	e.Meta = u.meta()
	return e
}

func (u *Unpacker) host() Host {
	a := u.addr()
	if a.IsValid() {
		return Host{Addr: a}
	}
	return Host{Name: u.Text()}
}

func (u *Unpacker) addrs() []netip.Addr {
	var all []netip.Addr
	u.list(func() { all = append(all, u.addr()) })
	return all
}

func (u *Unpacker) addr() netip.Addr {
	var a netip.Addr
	if err := a.UnmarshalBinary([]byte(u.Text())); err != nil {
		u.fail(err)
	}
	return a
}

func (u *Unpacker) ports() []Port {
	var all []Port
	u.list(func() {
		all = append(all, Port{Name: u.Word(), Proto: Protocol(u.Word()), Number: uint16(u.small(math.MaxUint16)), App: u.Word()})
	})
	return all
}

func (u *Unpacker) meta() map[string]string {
	var m map[string]string
	u.list(func() {
		if m == nil {
			m = map[string]string{}
		}
		k := u.Word()
		m[k] = u.Word()
	})
	return m
}
