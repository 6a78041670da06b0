package catalog

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Unpacker reads what a Packer wrote. Methods return zero values after an
// error, which Err returns; what they return then is not to be used. Damaged
// input costs memory in proportion to its length.
type Unpacker struct {
	from  source
	words []string
	only  netip.Addr // of endpoints, those at this address; none: all
	err   error
}

// source is where an Unpacker reads.
type source interface {
	io.ByteReader
	// text returns the next n bytes.
	text(n int) (string, error)
}

// stream is a source outside of memory.
type stream struct{ *bufio.Reader }

// text takes as much memory as there is to read, whatever n says.
func (s stream) text(n int) (string, error) {
	var b []byte
	for len(b) < n {
		at := len(b)
		b = append(b, make([]byte, min(n-at, flushAt))...)
		if _, err := io.ReadFull(s, b[at:]); err != nil {
			return "", err
		}
	}
	return string(b), nil
}

var errDamaged = errors.New("damaged")

// NewUnpacker returns an Unpacker that reads from r.
func NewUnpacker(r io.Reader) *Unpacker {
	return &Unpacker{from: stream{bufio.NewReaderSize(r, flushAt)}}
}

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
	n, err := binary.ReadUvarint(u.from)
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
	n := u.small(maxText)
	if n == 0 || u.err != nil {
		return ""
	}
	s, err := u.from.text(n)
	if err != nil {
		u.fail(err)
		return ""
	}
	return s
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
	s.Endpoints = u.endpoints()
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
	is := u.small(3)
	if is == 0 {
		return nil
	}
	return &Mark{
		Joins:  is&2 != 0,
		Owner:  u.Word(),
		Of:     Identity(u.Word()),
		Key:    Key{u.Word(), u.Text()},
		Via:    Identity(u.Word()),
		Format: u.small(math.MaxInt32),
	}
}

// room is how much of a list is made room for before it is read, which may be
// damaged.
const room = 1 << 10

func (u *Unpacker) endpoints() []Endpoint {
	n := u.small(math.MaxInt32)
	if n == 0 {
		return nil
	}
	kept := min(n, room)
	if u.only.IsValid() {
		kept = 1
	}
	all := make([]Endpoint, 0, kept)
	var ids strings.Builder // of many endpoints in one piece of memory
	ids.Grow(kept * len("255.255.255.255"))
	var before []Port
	for ; n > 0 && u.err == nil; n-- {
		all = append(all, Endpoint{})
		e := &all[len(all)-1]
		u.endpoint(e, before, &ids)
		if before = e.Ports; !u.wants(e.Host) {
			all = all[:len(all)-1]
		}
	}
	return slices.Clip(all)
}

// wants reports whether endpoints at h are not left out.
func (u *Unpacker) wants(h Host) bool { return !u.only.IsValid() || h.Addr == u.only }

// endpoint reads one that comes after another with the ports of before. A
// name made of an address is put into ids.
func (u *Unpacker) endpoint(e *Endpoint, before []Port, ids *strings.Builder) {
	is, err := u.from.ReadByte()
	if err != nil {
		u.fail(err)
		return
	}
	e.Ready, e.Serving, e.Terminating = is&isReady != 0, is&isServing != 0, is&isTerminating != 0
	e.Host, e.Zone, e.Node, e.Ports = u.host(), u.Word(), u.Word(), before
	if is&hasID != 0 {
		e.ID = u.Text()
	} else if u.wants(e.Host) {
		e.ID = e.Host.textIn(ids)
	}
	if is&hasPorts != 0 {
		e.Ports = u.ports()
	}
	if is&hasLabel != 0 {
		e.Hostname = u.Text()
	}
	if is&hasPod != 0 {
		e.Pod = u.Text()
	}
	if is&hasMore != 0 {
		u.more(e)
	}
}

// textIn is String, and makes what it has to make at the end of b.
func (h Host) textIn(b *strings.Builder) string {
	if !h.Addr.IsValid() {
		return h.Name
	}
	at := b.Len()
	var room [64]byte
	b.Write(h.Addr.AppendTo(room[:0]))
	return b.String()[at:]
}

func (u *Unpacker) more(e *Endpoint) {
	e.Cluster = u.Word()
	e.Priority = uint16(u.small(math.MaxUint16))
	e.Weight = u.small(math.MaxInt32)
	e.Warning = u.small(1) == 1
	u.list(func() { e.Tags = append(e.Tags, u.Word()) })
	e.Meta = u.meta()
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
