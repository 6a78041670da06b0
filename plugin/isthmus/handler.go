package isthmus

import (
	"context"
	"strings"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"
)

// name is the directive, and what logs and metrics call the plugin.
const name = "isthmus"

// Isthmus answers from the newest view; no question waits for a lock or for a
// registry.
type Isthmus struct {
	Next plugin.Handler

	conf    *config
	views   *views
	imports *views // of multicluster zones; nil if there are none
	up      lookuper

	sender sender
}

// view is the newest one that zone z is answered from.
func (p *Isthmus) view(z int) *view {
	if p.conf.zones[z].multicluster {
		return p.imports.newest.Load()
	}
	return p.views.newest.Load()
}

// lookuper asks the whole server, for names that are not ours.
type lookuper interface {
	Lookup(ctx context.Context, state request.Request, name string, typ uint16) (*dns.Msg, error)
}

// Name implements plugin.Handler.
func (p *Isthmus) Name() string { return name }

// ServeDNS implements plugin.Handler.
func (p *Isthmus) ServeDNS(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	if len(r.Question) != 1 {
		return plugin.NextOrFailure(name, p.Next, ctx, w, r)
	}
	asked := r.Question[0]
	lower := strings.ToLower(asked.Name)
	var q query
	v := p.views.newest.Load()
	a, found := v.byName.find(lower, asked.Qtype)
	switch {
	case found:
	case !p.conf.zones.read(lower, &q):
		return plugin.NextOrFailure(name, p.Next, ctx, w, r)
	case asked.Qtype == dns.TypeAXFR || asked.Qtype == dns.TypeIXFR:
		return dns.RcodeRefused, nil
	default:
		v = p.view(q.zone)
		if p.conf.preferZone {
			q.near = p.near(w, r)
		}
		a = v.answer(&q, lower, asked.Qtype)
	}
	switch {
	case a.rcode == dns.RcodeNameError && !a.chased && p.conf.passesOn(&p.conf.zones[q.zone], lower):
		return plugin.NextOrFailure(name, p.Next, ctx, w, r)
	case !p.sender.send(w, r, lower, &a, v):
		p.write(ctx, w, r, lower, &a, v)
	}
	return dns.RcodeSuccess, nil
}

// near returns the zone of the cluster that the client stands in.
func (p *Isthmus) near(w dns.ResponseWriter, r *dns.Msg) string {
	return p.views.newest.Load().zoneOfClient(request.Request{W: w, Req: r})
}

// write answers r by a message that other plugins may see.
func (p *Isthmus) write(ctx context.Context, w dns.ResponseWriter, r *dns.Msg, lower string, a *answer, v *view) {
	m, typ := newReply(r, a, lower), r.Question[0].Qtype
	if len(a.answer) == 0 || a.rcode == dns.RcodeNameError || a.nodata(typ) {
		m.deny(a, v)
	}
	if a.outside != "" && (typ == dns.TypeA || typ == dns.TypeAAAA) {
		p.ask(ctx, request.Request{W: w, Req: r}, a.outside, &m.msg)
	}
	// An error here is the network's or the client's; CoreDNS counts it.
	_ = w.WriteMsg(&m.msg)
}

// ask completes an answer whose alias points outside of our zones. What cannot
// be resolved is left to the client, who has the alias.
func (p *Isthmus) ask(ctx context.Context, state request.Request, target string, m *dns.Msg) {
	got, err := p.up.Lookup(ctx, state, target, state.QType())
	if err != nil || got == nil {
		return
	}
	m.Answer = append(m.Answer, got.Answer...)
	m.Truncated = got.Truncated
}

// nodata reports whether the answer is a chain of aliases of ours that ends in
// a name without the type asked for.
func (a *answer) nodata(typ uint16) bool {
	return a.chased && a.outside == "" && typ != dns.TypeCNAME && a.answer[len(a.answer)-1].Header().Rrtype == dns.TypeCNAME
}

// reply is a message with room for its usual parts, so that it is one piece of
// memory. Its slices are its own: whoever handles it further may change them,
// but not the records in them.
type reply struct {
	msg      dns.Msg
	question [1]dns.Question
	answer   [4]dns.RR
	ns       [1]dns.RR
	extra    [3]dns.RR
}

// newReply makes the reply to r. Names that answer the question are spelled as
// in the question; lower is its name in lower case.
func newReply(r *dns.Msg, a *answer, lower string) *reply {
	m := new(reply)
	m.msg.Id, m.msg.Opcode = r.Id, r.Opcode
	m.msg.Response, m.msg.Authoritative = true, true
	m.msg.RecursionDesired, m.msg.CheckingDisabled = r.RecursionDesired, r.CheckingDisabled
	m.msg.Rcode = a.rcode
	m.question[0] = r.Question[0]
	m.msg.Question = m.question[:]
	m.msg.Answer = a.appendTo(m.answer[:0], int(r.Id))
	m.msg.Extra = append(m.extra[:0], a.extra...)
	if asked := r.Question[0].Name; asked != lower {
		spell(m.msg.Answer, lower, asked)
	}
	return m
}

// manyRecords is how many records an answer may have and be sure to fit.
const manyRecords = 16

// appendTo appends the answer section to rrs. One of many records may be cut
// off for UDP: it starts at another record for each id, so that the clients
// that make do with less do not all get the same ones.
func (a *answer) appendTo(rrs []dns.RR, id int) []dns.RR {
	first := a.first(id)
	if first == 0 {
		return append(rrs, a.answer...)
	}
	return append(append(make([]dns.RR, 0, len(a.answer)), a.answer[first:]...), a.answer[:first]...)
}

// first is the place of the record that the answer begins with.
func (a *answer) first(id int) int {
	if len(a.answer) <= manyRecords || a.chased || a.ordered {
		return 0
	}
	return id % len(a.answer)
}

// deny puts the SOA record of the zone that the name is absent from, spelled as
// in the question.
func (m *reply) deny(a *answer, v *view) {
	if a.rcode == dns.RcodeServerFailure {
		return
	}
	soa, asked := v.soa[a.zone][0], m.question[0].Name
	m.msg.Ns = append(m.ns[:0], soa)
	z := soa.Header().Name
	if !a.chased && z != "." && !strings.HasSuffix(asked, z) {
		spell(m.msg.Ns, z, asked[len(asked)-len(z):])
	}
}

// spell replaces the records that lower owns by copies that asked owns.
func spell(rrs []dns.RR, lower, asked string) {
	for i, rr := range rrs {
		if rr.Header().Name == lower {
			rrs[i] = dns.Copy(rr)
			rrs[i].Header().Name = asked
		}
	}
}
