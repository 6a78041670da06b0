package catalog

import (
	"bufio"
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
	rest   string        // what is left to read in memory; texts are parts of it
	stream *bufio.Reader // what is read from instead; nil: there is no more than rest
	words  wordList
	head   bool // endpoints are left out
	err    error
}

// wordList are words in the order in which they came. One service has few, which
// take no memory of their own.
type wordList struct {
	len  int
	few  [16]string
	more []string
}

func (l *wordList) add(s string) {
	if l.len < len(l.few) {
		l.few[l.len] = s
	} else {
		l.more = append(l.more, s)
	}
	l.len++
}

func (l *wordList) at(i int) string {
	if i < len(l.few) {
		return l.few[i]
	}
	return l.more[i-len(l.few)]
}

var errDamaged = errors.New("damaged")

// NewUnpacker returns an Unpacker that reads from r.
func NewUnpacker(r io.Reader) *Unpacker {
	return &Unpacker{stream: bufio.NewReaderSize(r, flushAt)}
}

// Err returns why reading ended early, or nil.
func (u *Unpacker) Err() error { return u.err }

// fail ends reading.
func (u *Unpacker) fail(err error) {
	if u.err == nil {
		u.err = fmt.Errorf("unpack: %w", err)
	}
	u.rest, u.stream = "", nil
}

// Number reads a number.
func (u *Unpacker) Number() uint64 {
	if u.rest != "" && u.rest[0] < 0x80 { // most are small
		n := u.rest[0]
		u.rest = u.rest[1:]
		return uint64(n)
	}
	return u.varint()
}

func (u *Unpacker) varint() (n uint64) {
	for shift := 0; shift < 64; shift += 7 {
		b := u.byte()
		if u.err != nil {
			return 0
		}
		if shift == 63 && b > 1 {
			break
		}
		n |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return n
		}
	}
	u.fail(errDamaged)
	return 0
}

// byte reads one; it is 0 after an error.
func (u *Unpacker) byte() byte {
	switch {
	case u.rest != "":
		b := u.rest[0]
		u.rest = u.rest[1:]
		return b
	case u.stream == nil:
		u.fail(io.ErrUnexpectedEOF)
		return 0
	}
	b, err := u.stream.ReadByte()
	if err != nil {
		u.fail(err)
		return 0
	}
	return b
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
	switch {
	case n == 0 || u.err != nil:
		return ""
	case u.stream != nil:
		return u.streamed(n)
	case n > len(u.rest):
		u.fail(io.ErrUnexpectedEOF)
		return ""
	}
	s := u.rest[:n]
	u.rest = u.rest[n:]
	return s
}

// streamed reads a text of n bytes. It takes as much memory as there is to read,
// whatever n says.
func (u *Unpacker) streamed(n int) string {
	var b []byte
	for len(b) < n {
		at := len(b)
		b = append(b, make([]byte, min(n-at, flushAt))...)
		if _, err := io.ReadFull(u.stream, b[at:]); err != nil {
			u.fail(err)
			return ""
		}
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
		if u.words.len >= maxWords {
			u.fail(errDamaged)
			return ""
		}
		u.words.add(s)
		return s
	case n == otherWord:
		return u.Text()
	case n-firstKnown < uint64(u.words.len):
		return u.words.at(int(n - firstKnown))
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
	s.Type = u.serviceType()
	s.Addrs = u.addrs()
	u.list(func() { s.External = append(s.External, u.host()) })
	s.Alias = u.Text()
	s.Ports = u.ports()
	s.Endpoints = u.endpoints()
	s.Meta = u.meta()
	s.TTL = time.Duration(u.small(math.MaxInt64))
	return s
}

func (u *Unpacker) serviceType() ServiceType {
	return ServiceType(u.small(uint64(len(typeNames)) - 1))
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

// Node reads a node.
func (u *Unpacker) Node() *Node {
	return &Node{Name: u.Text(), Host: u.host(), Meta: u.meta()}
}

func (u *Unpacker) mark() *Mark {
	m, is := u.marked()
	if !is {
		return nil
	}
	return &m
}

// marked reports whether there is a mark, and reads it.
func (u *Unpacker) marked() (Mark, bool) {
	is := u.small(3)
	if is == 0 {
		return Mark{}, false
	}
	return Mark{
		Joins:  is&2 != 0,
		Owner:  u.Word(),
		Of:     Identity(u.Word()),
		Key:    Key{u.Word(), u.Text()},
		Via:    Identity(u.Word()),
		Format: u.small(math.MaxInt32),
	}, true
}

// room is how much of a list is made room for before it is read, which may be
// damaged.
const room = 1 << 10

func (u *Unpacker) endpoints() []Endpoint {
	if u.head {
		return u.lean(nil, func(netip.Addr) bool { return false })
	}
	n := u.small(math.MaxInt32)
	if n == 0 {
		return nil
	}
	kept := min(n, room)
	all := make([]Endpoint, 0, kept)
	var ids strings.Builder // of many endpoints in one piece of memory
	ids.Grow(kept * len("255.255.255.255"))
	var before []Port
	for ; n > 0 && u.err == nil; n-- {
		all = append(all, Endpoint{})
		e := &all[len(all)-1]
		is := u.standing(e)
		if is&hasID == 0 {
			e.ID = e.Host.textIn(&ids)
		}
		if e.Ports = before; is&hasPorts != 0 {
			e.Ports = u.ports()
		}
		before = e.Ports
		u.naming(e, is)
		if is&hasMore != 0 {
			u.list(func() { e.Tags = append(e.Tags, u.Word()) })
			e.Meta = u.meta()
		}
	}
	return slices.Clip(all)
}

// standing reads what comes before an endpoint's ports, and what follows of it.
// The name of one that is named by its host is left out.
func (u *Unpacker) standing(e *Endpoint) (is byte) {
	is = u.byte()
	e.Ready, e.Serving, e.Terminating = is&isReady != 0, is&isServing != 0, is&isTerminating != 0
	e.Host, e.Zone, e.Node = u.host(), u.Word(), u.Word()
	if is&hasID != 0 {
		e.ID = u.Text()
	}
	return is
}

// naming reads what comes after the ports, but for tags and metadata.
func (u *Unpacker) naming(e *Endpoint, is byte) {
	if is&hasLabel != 0 {
		e.Hostname = u.Text()
	}
	if is&hasPod != 0 {
		e.Pod = u.Text()
	}
	if is&hasMore != 0 {
		e.Cluster = u.Word()
		e.Priority = uint16(u.small(math.MaxUint16))
		e.Weight = u.small(math.MaxInt32)
		e.Warning = u.small(1) == 1
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
	text := u.Text()
	if len(text) == 4 {
		return netip.AddrFrom4([4]byte([]byte(text)))
	}
	var a netip.Addr
	if err := a.UnmarshalBinary([]byte(text)); err != nil {
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
