package differential

import (
	"fmt"
	"net"
	"time"

	"github.com/miekg/dns"
)

// patience is how long a reply may take.
const patience = 5 * time.Second

// mode is how a question travels.
type mode struct {
	network string // udp or tcp
	edns    uint16 // size that is offered; 0: no EDNS
	do      bool
}

func modes() []mode {
	return []mode{
		{"udp", 0, false}, {"udp", 512, false}, {"udp", 1232, false}, {"udp", 1232, true}, {"udp", 4096, false},
		{"tcp", 0, false}, {"tcp", 1232, true},
	}
}

func (m mode) String() string {
	if m.edns == 0 {
		return m.network
	}
	return fmt.Sprintf("%s with EDNS %d do %v", m.network, m.edns, m.do)
}

// limit is how long a reply over UDP may be.
func (m mode) limit() int { return max(int(m.edns), dns.MinMsgSize) }

// question is what both sides are asked.
type question struct {
	shape  string
	v      *variant
	name   string // as it is spelled
	typ    uint16
	mode   mode
	rd, cd bool
}

func (q question) String() string {
	return fmt.Sprintf("%s %s over %s, rd %v, cd %v, of variant %s (shape %s)", q.name, dns.Type(q.typ), q.mode, q.rd, q.cd, q.v.name, q.shape)
}

func (q question) message() *dns.Msg {
	m := new(dns.Msg)
	m.Id = dns.Id()
	m.RecursionDesired, m.CheckingDisabled = q.rd, q.cd
	m.Question = []dns.Question{{Name: q.name, Qtype: q.typ, Qclass: dns.ClassINET}}
	if q.mode.edns != 0 {
		m.SetEdns0(q.mode.edns, q.mode.do)
	}
	return m
}

// reply is what came back, and how long it was on the wire.
type reply struct {
	*dns.Msg
	size int
}

// asker asks one server, one question at a time.
type asker struct {
	addr  string
	conns map[string]*dns.Conn
	wire  []byte // what came last
}

func newAsker(addr string) *asker {
	return &asker{addr: addr, conns: map[string]*dns.Conn{}, wire: make([]byte, dns.MaxMsgSize)}
}

func (a *asker) close() {
	for network := range a.conns {
		a.drop(network)
	}
}

func (a *asker) drop(network string) {
	if c := a.conns[network]; c != nil {
		c.Close()
		delete(a.conns, network)
	}
}

// ask returns the reply. A connection that the server had closed meanwhile is
// opened once more.
func (a *asker) ask(q question) (reply, error) {
	_, reused := a.conns[q.mode.network]
	r, err := a.try(q)
	if err != nil && reused && q.mode.network == "tcp" {
		r, err = a.try(q)
	}
	return r, err
}

func (a *asker) try(q question) (reply, error) {
	conn := a.conns[q.mode.network]
	if conn == nil {
		c, err := net.DialTimeout(q.mode.network, a.addr, patience)
		if err != nil {
			return reply{}, err
		}
		conn = &dns.Conn{Conn: c}
		a.conns[q.mode.network] = conn
	}
	r, err := a.exchange(conn, q.message())
	if err != nil {
		a.drop(q.mode.network)
		return reply{}, err
	}
	return r, nil
}

func (a *asker) exchange(conn *dns.Conn, m *dns.Msg) (reply, error) {
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return reply{}, err
	}
	if err := conn.WriteMsg(m); err != nil {
		return reply{}, err
	}
	for {
		n, err := conn.Read(a.wire)
		if err != nil {
			return reply{}, err
		}
		got := new(dns.Msg)
		if err := got.Unpack(a.wire[:n]); err != nil {
			return reply{}, fmt.Errorf("unpack %d bytes: %w", n, err)
		}
		if got.Id != m.Id {
			continue // of a question that was given up
		}
		return reply{got, n}, check(m, got)
	}
}

// check holds what every reply owes to its question.
func check(m, got *dns.Msg) error {
	switch {
	case !got.Response || got.Opcode != m.Opcode:
		return fmt.Errorf("no reply to the question: %v", got.MsgHdr)
	case len(got.Question) != 1 || got.Question[0] != m.Question[0]:
		return fmt.Errorf("reply to another question: %v", got.Question)
	case got.Rcode == dns.RcodeServerFailure:
		return fmt.Errorf("SERVFAIL")
	}
	return nil
}

// fits holds that a reply over UDP is as long as it may be, and is cut short
// only where the whole of it, as TCP brings it, is longer.
func (q question) fits(got reply, whole *dns.Msg) error {
	switch limit := q.mode.limit(); {
	case got.size > limit:
		return fmt.Errorf("%d bytes, at most %d", got.size, limit)
	case whole == nil || !got.Truncated:
		return nil
	default:
		all := whole.Copy()
		all.Compress = true
		if n := all.Len(); n <= limit {
			return fmt.Errorf("truncated, though the whole has %d bytes and may have %d", n, limit)
		}
	}
	part, all := reduce(got.Msg, true), reduce(whole, true)
	for _, s := range [][2][]string{{part.answer, all.answer}, {part.ns, all.ns}, {part.extra, all.extra}} {
		if m := missing(s[0], s[1]); len(m) > 0 {
			return fmt.Errorf("truncated to what the whole has not: %q", m)
		}
	}
	return nil
}
