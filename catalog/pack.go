package catalog

import (
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math"
	"net/netip"
	"slices"
)

// Packer writes what a catalog holds in a compact form, piece by piece, and
// keeps little in memory. Words that come again, such as zones and nodes, are
// written once. An Unpacker reads the pieces in the order in which they were
// written; the form has no version, so whoever stores it gives it one.
//
// Methods do nothing after an error, which Flush returns.
type Packer struct {
	w     io.Writer // nil: buf is the result
	buf   []byte
	words dictionary
	err   error
}

const (
	flushAt  = 32 << 10
	maxWords = 1 << 16       // words that are remembered
	maxText  = math.MaxInt32 // bytes of one text

	newWord    = 0 // and it is remembered
	otherWord  = 1 // it is not
	firstKnown = 2
)

// NewPacker returns a Packer that writes to w.
func NewPacker(w io.Writer) *Packer {
	return &Packer{w: w}
}

// Flush writes what is left. It is called after the last piece.
func (p *Packer) Flush() error {
	if p.err == nil && len(p.buf) > 0 {
		if _, err := p.w.Write(p.buf); err != nil {
			p.err = fmt.Errorf("pack: %w", err)
		}
	}
	p.buf = p.buf[:0]
	return p.err
}

// Number writes n.
func (p *Packer) Number(n uint64) { p.buf = binary.AppendUvarint(p.buf, n) }

// Text writes s.
func (p *Packer) Text(s string) {
	p.Number(uint64(len(s)))
	p.buf = append(p.buf, s...)
	if len(p.buf) >= flushAt && p.w != nil {
		_ = p.Flush() // which keeps the error
	}
}

// Word writes s, which may come again.
func (p *Packer) Word(s string) {
	at, known := p.words.find(s)
	switch {
	case known:
		p.Number(firstKnown + uint64(at))
	case p.words.len < maxWords:
		p.words.add(s)
		p.Number(newWord)
		p.Text(s)
	default:
		p.Number(otherWord)
		p.Text(s)
	}
}

// dictionary numbers words in the order in which they come. The zero value is
// empty. One service has few words, for which a map would cost more than all
// the rest of packing it.
type dictionary struct {
	len  int
	few  [16]string
	many map[string]int // all, once they are more
}

func (d *dictionary) find(s string) (at int, known bool) {
	if d.many != nil {
		at, known = d.many[s]
		return at, known
	}
	at = slices.Index(d.few[:d.len], s)
	return at, at >= 0
}

func (d *dictionary) add(s string) {
	switch {
	case d.many != nil:
		d.many[s] = d.len
	case d.len < len(d.few):
		d.few[d.len] = s
	default:
		d.many = make(map[string]int, 4*d.len)
		for i, word := range d.few {
			d.many[word] = i
		}
		d.many[s] = d.len
	}
	d.len++
}

// Service writes s without its origin and its version, which mean nothing
// later.
func (p *Packer) Service(s *Service) {
	p.Word(s.Namespace)
	p.Text(s.Name)
	p.mark(s.Mark)
	p.Number(uint64(s.Type))
	p.addrs(s.Addrs)
	p.Number(uint64(len(s.External)))
	for _, h := range s.External {
		p.host(h)
	}
	p.Text(s.Alias)
	p.ports(s.Ports)
	p.endpoints(s.Endpoints)
	p.meta(s.Meta)
	p.Number(uint64(max(s.TTL, 0)))
}

// Pod writes x.
func (p *Packer) Pod(x *Pod) {
	p.Word(x.Namespace)
	p.Text(x.Name)
	p.addrs(x.Addrs)
	p.Number(flags(x.Host))
	p.Word(x.Node)
	p.meta(x.Meta)
}

// Node writes n.
func (p *Packer) Node(n *Node) {
	p.Text(n.Name)
	p.host(n.Host)
	p.meta(n.Meta)
}

func (p *Packer) mark(m *Mark) {
	p.Number(flags(m != nil, m != nil && m.Joins))
	if m != nil {
		p.Word(m.Owner)
		p.Word(string(m.Of))
		p.Word(m.Key.Namespace)
		p.Text(m.Key.Name)
		p.Word(string(m.Via))
		p.Number(inRange(m.Format))
	}
}

func (p *Packer) endpoints(all []Endpoint) {
	p.Number(uint64(len(all)))
	var before []Port
	for i := range all {
		p.endpoint(&all[i], before)
		before = all[i].Ports
	}
}

// What follows of an endpoint; the rest is as a zero endpoint has it, but for
// what another flag says.
const (
	isReady = 1 << iota
	isServing
	isTerminating
	hasID    // else it is its host
	hasPorts // else they are those of the endpoint before
	hasLabel // hostname
	hasPod
	hasMore // all that few endpoints have
)

// endpoint writes e, which comes after one with the ports of before.
func (p *Packer) endpoint(e *Endpoint, before []Port) {
	more := e.Cluster != "" || e.Priority != 0 || e.Weight > 0 || e.Warning || len(e.Tags)+len(e.Meta) > 0
	is := flags(e.Ready, e.Serving, e.Terminating, !namedByHost(e), !slices.Equal(e.Ports, before),
		e.Hostname != "", e.Pod != "", more)
	p.buf = append(p.buf, byte(is))
	p.host(e.Host)
	p.Word(e.Zone)
	p.Word(e.Node)
	if is&hasID != 0 {
		p.Text(e.ID)
	}
	if is&hasPorts != 0 {
		p.ports(e.Ports)
	}
	if is&hasLabel != 0 {
		p.Text(e.Hostname)
	}
	if is&hasPod != 0 {
		p.Text(e.Pod)
	}
	if is&hasMore != 0 {
		p.more(e)
	}
}

// namedByHost reports whether the ID is the host's text. It costs no
// allocation.
func namedByHost(e *Endpoint) bool {
	if !e.Host.Addr.IsValid() {
		return e.ID == e.Host.Name
	}
	var room [64]byte
	return string(e.Host.Addr.AppendTo(room[:0])) == e.ID
}

func (p *Packer) more(e *Endpoint) {
	p.Word(e.Cluster)
	p.Number(uint64(e.Priority))
	p.Number(inRange(e.Weight))
	p.Number(flags(e.Warning))
	p.Number(uint64(len(e.Tags)))
	for _, t := range e.Tags {
		p.Word(t)
	}
	p.meta(e.Meta)
}

func (p *Packer) host(h Host) {
	p.addr(h.Addr)
	if !h.Addr.IsValid() {
		p.Text(h.Name)
	}
}

func (p *Packer) addrs(all []netip.Addr) {
	p.Number(uint64(len(all)))
	for _, a := range all {
		p.addr(a)
	}
}

func (p *Packer) addr(a netip.Addr) {
	p.Number(uint64(a.BitLen()/8 + len(a.Zone())))
	p.buf, _ = a.AppendBinary(p.buf) // there is no error
}

func (p *Packer) ports(all []Port) {
	p.Number(uint64(len(all)))
	for _, x := range all {
		p.Word(x.Name)
		p.Word(string(x.Proto))
		p.Number(uint64(x.Number))
		p.Word(x.App)
	}
}

func (p *Packer) meta(m map[string]string) {
	p.Number(uint64(len(m)))
	if len(m) == 0 {
		return
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		p.Word(k)
		p.Word(m[k])
	}
}

// inRange is n where it is one that is read back, or the nearest.
func inRange(n int) uint64 { return uint64(min(max(n, 0), math.MaxInt32)) }

// flags are up to eight bits, the first one the lowest.
func flags(all ...bool) uint64 {
	var n uint64
	for i, on := range all {
		if on {
			n |= 1 << i
		}
	}
	return n
}
