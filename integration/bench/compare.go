package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

// A truncated answer must hold at least this part of the records that the
// other server's has, so that nobody is quick by answering nothing.
const leastOfCut = 0.9

// comparison asks two servers every query of a row.
type comparison struct {
	network     string
	ours, stock string // addresses
	aged        bool   // a cache stands before the answers: lifetimes shrink
}

// all compares the answers to every query and returns the queries with what was
// learnt: whether their answers are cut. The error tells of the first few that
// differ, or that are alike but wrong.
func (c comparison) all(ctx context.Context, queries []query) ([]query, error) {
	ours, err := dialAsker(ctx, c.network, c.ours)
	if err != nil {
		return nil, err
	}
	defer ours.Close()
	stock, err := dialAsker(ctx, c.network, c.stock)
	if err != nil {
		return nil, err
	}
	defer stock.Close()
	var known []query
	var errs []error
	for _, q := range queries {
		if ctx.Err() != nil || len(errs) == 3 {
			break
		}
		cut, err := c.one(ctx, ours, stock, q)
		if err != nil {
			errs = append(errs, fmt.Errorf("%v: %w", q, err))
			continue
		}
		q.cut = cut
		known = append(known, q)
	}
	return known, errors.Join(append(errs, ctx.Err())...)
}

func (c comparison) one(ctx context.Context, ours, stock asker, q query) (cut bool, err error) {
	a, err := ours.ask(q)
	if err != nil {
		return false, fmt.Errorf("ask ours: %w", err)
	}
	b, err := stock.ask(q)
	if err != nil {
		return false, fmt.Errorf("ask stock: %w", err)
	}
	if a.Truncated && b.Truncated {
		return true, c.parts(ctx, a, b, q)
	}
	if b.Rcode != q.rcode || len(b.Answer) != q.answers {
		return false, fmt.Errorf("stock answers %s with %d records, want %s with %d",
			dns.RcodeToString[b.Rcode], len(b.Answer), dns.RcodeToString[q.rcode], q.answers)
	}
	if diff := cmp.Diff(canonical(b, c.aged), canonical(a, c.aged)); diff != "" {
		return false, fmt.Errorf("answers differ (-stock +ours):\n%s", diff)
	}
	return false, nil
}

// parts compares truncated answers: which records fit is each server's own
// choice, but they must be of the whole answer, and about as many.
func (c comparison) parts(ctx context.Context, ours, stock *dns.Msg, q query) error {
	one, err := dialAsker(ctx, tcp, c.stock)
	if err != nil {
		return err
	}
	defer one.Close()
	full, err := one.ask(q)
	if err != nil {
		return fmt.Errorf("ask stock for all: %w", err)
	}
	if len(full.Answer) != q.answers {
		return fmt.Errorf("stock answers with %d records over TCP, want %d", len(full.Answer), q.answers)
	}
	return samePart(canonical(full, c.aged), canonical(ours, c.aged), canonical(stock, c.aged))
}

func samePart(full, ours, stock answer) error {
	if ours.Flags != stock.Flags {
		return fmt.Errorf("truncated answers differ: flags %q, stock %q", ours.Flags, stock.Flags)
	}
	for _, records := range [][]string{ours.Answer, stock.Answer} {
		for _, r := range records {
			if !slices.Contains(full.Answer, r) {
				return fmt.Errorf("a truncated answer holds %q, the whole one does not", r)
			}
		}
	}
	if float64(len(ours.Answer)) < leastOfCut*float64(len(stock.Answer)) {
		return fmt.Errorf("our truncated answer has %d records, that of stock %d", len(ours.Answer), len(stock.Answer))
	}
	return nil
}

// answer is what two servers must agree on: everything but the order of
// records, the case of names, the serial of a SOA, which each server counts
// itself, and what is in an OPT.
type answer struct {
	Flags          string
	Answer, Ns, Ex []string
}

// canonical returns m without what may differ. aged leaves lifetimes out, too.
func canonical(m *dns.Msg, aged bool) answer {
	return answer{
		Flags: fmt.Sprintf("%s qr=%v aa=%v tc=%v ra=%v ad=%v edns=%v", dns.RcodeToString[m.Rcode],
			m.Response, m.Authoritative, m.Truncated, m.RecursionAvailable, m.AuthenticatedData, m.IsEdns0() != nil),
		Answer: recordTexts(m.Answer, aged), Ns: recordTexts(m.Ns, aged), Ex: recordTexts(m.Extra, aged),
	}
}

func recordTexts(records []dns.RR, aged bool) []string {
	var texts []string
	for _, r := range records {
		if r.Header().Rrtype == dns.TypeOPT {
			continue
		}
		r = dns.Copy(r)
		if aged {
			r.Header().Ttl = 0
		}
		if soa, ok := r.(*dns.SOA); ok {
			soa.Serial = 0
		}
		texts = append(texts, strings.ToLower(r.String()))
	}
	slices.Sort(texts)
	return texts
}

// asker asks a server one question after the other over one connection.
type asker struct {
	*dns.Conn
	client *dns.Client
}

// dialAsker connects to addr. The caller closes the asker.
func dialAsker(ctx context.Context, network, addr string) (asker, error) {
	client := &dns.Client{Net: network, Timeout: patience, UDPSize: ednsSize}
	c, err := client.DialContext(ctx, addr)
	if err != nil {
		return asker{}, fmt.Errorf("connect to %q over %s: %w", addr, network, err)
	}
	return asker{c, client}, nil
}

// ask returns the answer to q, cut or not.
func (a asker) ask(q query) (*dns.Msg, error) {
	m := q.message()
	m.Id = dns.Id()
	if err := a.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	answer, _, err := a.client.ExchangeWithConn(m, a.Conn)
	return answer, err
}
