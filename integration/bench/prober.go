package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// prober asks one server the same question until the answer is as wanted.
type prober struct {
	wire wire
}

// newProber connects to a server. The caller closes the wire.
func newProber(ctx context.Context, addr string) (*prober, error) {
	w, err := dialWire(ctx, udp, addr)
	if err != nil {
		return nil, err
	}
	return &prober{wire: w}, nil
}

// sight is what a prober waits for: an address that an answer has, or has not.
type sight struct {
	name, address string
	there         bool
}

// sighting is when it came.
type sighting struct {
	at  time.Time
	err error
}

// until asks until what is wanted is seen, or ctx ends.
func (p *prober) until(ctx context.Context, want sight) sighting {
	q, err := newQuery(want.name, dns.TypeA, ednsSize, dns.RcodeSuccess, 0)
	if err != nil {
		return sighting{err: err}
	}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		answer, err := p.ask(q)
		at := time.Now()
		if err != nil {
			return sighting{err: err}
		}
		if want.holds(answer) {
			return sighting{at: at}
		}
		select {
		case <-ctx.Done():
			return sighting{err: context.Cause(ctx)}
		case <-tick.C:
		}
	}
}

func (p *prober) ask(q query) (*dns.Msg, error) {
	if err := p.wire.setDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	if err := p.wire.send(q.wire); err != nil {
		return nil, err
	}
	b, err := p.wire.receive()
	if err != nil {
		return nil, err
	}
	m := new(dns.Msg)
	if err := m.Unpack(b); err != nil {
		return nil, fmt.Errorf("read the answer to %v: %w", q, err)
	}
	return m, nil
}

// holds reports whether an answer is as wanted: one without any address shows
// that a server lost the service, and never that the address is gone.
func (s sight) holds(m *dns.Msg) bool {
	if m.Rcode != dns.RcodeSuccess || len(m.Answer) == 0 {
		return false
	}
	return s.there == slices.ContainsFunc(m.Answer, func(r dns.RR) bool {
		a, ok := r.(*dns.A)
		return ok && a.A.String() == s.address
	})
}
