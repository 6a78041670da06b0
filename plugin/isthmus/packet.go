package isthmus

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"
)

// packet is a reply as it goes over the wire. It is used for one reply after
// another.
type packet struct {
	buf     []byte
	room    int      // how long buf may become, less the OPT record
	counts  [3]int   // of records in answer, authority and additional section
	cut     bool     // a record found no room
	targets []uint16 // where the target of each SRV record stands, by its place in the answer
	rest    string   // of the last target, less its first label
	restAt  [2]int   // where that stands

	state request.Request // what is answered
	msg   dns.Msg         // what CoreDNS adds to a reply, in extra
	extra [1]dns.RR
}

const (
	headerLen  = 12
	optLen     = 11
	pointer    = 0xc000 // of a compressed name; the rest is its place
	maxPointer = 1<<14 - 1
)

// The bits of a header besides opcode and rcode.
const (
	bitQR = 1 << 15
	bitAA = 1 << 10
	bitTC = 1 << 9
	bitRD = 1 << 8
	bitCD = 1 << 4
)

// pack makes the reply to p.state's question, whose name is lower in lower case.
// It holds what dns.Msg.Truncate would leave of it. It returns false if it
// cannot tell what that is.
func (p *packet) pack(lower string, a *answer, soa dns.RR) bool {
	r := p.state.Req
	opt, ok := p.opt()
	if !ok || !p.begin(r.Question[0], max(p.state.Size(), dns.MinMsgSize)) {
		return false
	}
	if opt != nil {
		p.room -= optLen
	}
	switch {
	case !p.answer(a, lower, int(r.Id)):
		return false
	case a.denies() && !p.deny(r.Question[0].Name, soa):
		return false
	case !p.glue(a):
		return false
	}
	if opt != nil {
		p.buf = append(p.buf, 0)
		p.uint16s(dns.TypeOPT, opt.Hdr.Class, uint16(opt.Hdr.Ttl>>16)&0xff, uint16(opt.Hdr.Ttl), 0)
		p.counts[2]++
	}
	p.header(r, a.rcode)
	return true
}

// denies reports whether the answer needs the SOA record.
func (a *answer) denies() bool {
	return a.rcode == dns.RcodeNameError || len(a.answer) == 0 && a.rcode != dns.RcodeServerFailure
}

// opt returns the OPT record that CoreDNS adds to the reply, or nil. It is false
// if that has options.
func (p *packet) opt() (*dns.OPT, bool) {
	p.msg.Extra = p.extra[:0]
	if !p.state.SizeAndDo(&p.msg) {
		return nil, true
	}
	opt, ok := p.msg.Extra[0].(*dns.OPT)
	return opt, ok && len(opt.Option) == 0
}

// begin makes room for the header and asks the question.
func (p *packet) begin(q dns.Question, size int) bool {
	p.buf = append(p.buf[:0], make([]byte, headerLen)...)
	p.room, p.counts, p.cut, p.rest = size, [3]int{}, false, ""
	ok := p.name(q.Name)
	p.uint16s(q.Qtype, q.Qclass)
	return ok
}

// answer adds the answer section: records of the name that was asked for.
func (p *packet) answer(a *answer, lower string, id int) bool {
	if start := len(p.buf); a.packed != nil {
		p.buf = append(p.buf, a.packed[:]...)
		p.keep(start, 0)
		return true
	}
	n, at := len(a.answer), a.first(id)
	p.targets = slices.Grow(p.targets[:0], n)[:n]
	for range n {
		rr, start := a.answer[at], len(p.buf)
		if rr.Header().Name != lower || !p.record(headerLen, rr) {
			return false
		}
		if srv, is := rr.(*dns.SRV); is {
			p.targets[at] = uint16(min(len(p.buf)-len(srv.Target)-1, maxPointer+1))
		}
		if !p.keep(start, 0) {
			return rr.Header().Rrtype != dns.TypePTR // whose targets would be shorter
		}
		if at++; at == n {
			at = 0
		}
	}
	return true
}

// deny adds the SOA record of the zone that asked is in.
func (p *packet) deny(asked string, soa dns.RR) bool {
	z, start := soa.Header().Name, len(p.buf)
	return z != "." && len(z) <= len(asked) && p.record(headerLen+len(asked)-len(z), soa) && p.keep(start, 1)
}

// glue adds the addresses of the targets of SRV records, which stand in the
// order of these.
func (p *packet) glue(a *answer) bool {
	at := 0
	for _, rr := range a.extra {
		for !p.cut && at < len(a.answer) && !pointsTo(a.answer[at], rr.Header().Name) {
			at++
		}
		start := len(p.buf)
		switch {
		case p.cut:
			return true
		case at == len(a.answer) || p.targets[at] > maxPointer:
			return false
		case !p.record(int(p.targets[at]), rr):
			return false
		}
		p.keep(start, 2)
	}
	return true
}

func pointsTo(rr dns.RR, name string) bool {
	srv, is := rr.(*dns.SRV)
	return is && srv.Target == name
}

// keep counts the record from start on in a section, or takes it back if there
// is no room for it.
func (p *packet) keep(start, section int) bool {
	if len(p.buf) > p.room {
		p.buf, p.cut = p.buf[:start], true
		return false
	}
	p.counts[section]++
	return true
}

// record adds a record whose owner stands at a place before. It is false if
// that cannot be done here.
func (p *packet) record(owner int, rr dns.RR) bool {
	h := rr.Header()
	p.uint16s(pointer|uint16(owner), h.Rrtype, h.Class, uint16(h.Ttl>>16), uint16(h.Ttl), 0)
	start, ok := len(p.buf), false
	switch rr := rr.(type) {
	case *dns.A:
		p.buf, ok = append(p.buf, rr.A...), len(rr.A) == 4
	case *dns.AAAA:
		p.buf, ok = append(p.buf, rr.AAAA...), len(rr.AAAA) == 16
	case *dns.SRV:
		p.uint16s(rr.Priority, rr.Weight, rr.Port)
		ok = p.target(rr.Target)
	case *dns.PTR:
		ok = p.target(rr.Ptr)
	case *dns.SOA:
		ok = p.name(rr.Ns) && p.name(rr.Mbox)
		for _, n := range [...]uint32{rr.Serial, rr.Refresh, rr.Retry, rr.Expire, rr.Minttl} {
			p.uint16s(uint16(n>>16), uint16(n))
		}
	}
	binary.BigEndian.PutUint16(p.buf[start-2:], uint16(len(p.buf)-start))
	return ok
}

// target adds the name of an SRV record's target: uncompressed (RFC 2782), as is
// that of a PTR record, for which there is room mostly. Most differ from the one
// before in their first label only.
func (p *packet) target(name string) bool {
	n, start := strings.IndexByte(name, '.'), len(p.buf)
	if n < 0 {
		return false
	}
	if n == 0 || n > 63 || name[n+1:] != p.rest || strings.IndexByte(name[:n], '\\') >= 0 {
		ok := p.name(name)
		p.rest, p.restAt = name[n+1:], [2]int{start + n + 1, len(p.buf)}
		return ok
	}
	p.buf = append(append(p.buf, byte(n)), name[:n]...)
	p.buf = append(p.buf, p.buf[p.restAt[0]:p.restAt[1]]...)
	return true
}

// name adds a fully qualified name, uncompressed. It is false for one with
// escapes, and for what is none.
func (p *packet) name(name string) bool {
	if name == "." {
		p.buf = append(p.buf, 0)
		return true
	}
	if strings.IndexByte(name, '\\') >= 0 || !strings.HasSuffix(name, ".") {
		return false
	}
	for name != "" {
		n := strings.IndexByte(name, '.')
		if n == 0 || n > 63 {
			return false
		}
		p.buf = append(append(p.buf, byte(n)), name[:n]...)
		name = name[n+1:]
	}
	p.buf = append(p.buf, 0)
	return true
}

func (p *packet) uint16s(all ...uint16) {
	for _, n := range all {
		p.buf = binary.BigEndian.AppendUint16(p.buf, n)
	}
}

func (p *packet) header(r *dns.Msg, rcode int) {
	bits := bitQR | bitAA | uint16(r.Opcode&0xf)<<11 | uint16(rcode)
	for _, b := range [...]struct {
		on  bool
		bit uint16
	}{{p.cut, bitTC}, {r.RecursionDesired, bitRD}, {r.CheckingDisabled, bitCD}} {
		if b.on {
			bits |= b.bit
		}
	}
	for i, n := range [...]uint16{r.Id, bits, 1, uint16(p.counts[0]), uint16(p.counts[1]), uint16(p.counts[2])} {
		binary.BigEndian.PutUint16(p.buf[2*i:], n)
	}
}
