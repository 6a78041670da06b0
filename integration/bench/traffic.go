package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	sockets    = 8
	window     = 12              // queries that each socket has outstanding
	slotBits   = 4               // of an id, for the place in the window
	patience   = 4 * time.Second // also the most that a latency can hold, in 32 bits of nanoseconds
	headerSize = 12
)

// traffic is a closed loop: every socket has window queries outstanding and
// asks the next one when an answer comes. Each answer is checked; a wrong or
// a lost one ends the run with an error, for it says nothing of speed.
type traffic struct {
	network, addr string
	queries       []query
	constant      bool // the server gives one record to whatever is asked
}

// tally is what one run counted.
type tally struct {
	answers   int
	elapsed   time.Duration
	latencies []uint32 // nanoseconds, in no order
}

// run asks for d, then waits for what is outstanding. It owns its goroutines.
func (t traffic) run(ctx context.Context, d time.Duration) (tally, error) {
	all := make([]*socket, sockets)
	for i := range all {
		c, err := dialWire(ctx, t.network, t.addr)
		if err != nil {
			return tally{}, err
		}
		defer c.close()
		all[i] = &socket{wire: c, queries: t.queries, next: i * len(t.queries) / sockets, constant: t.constant}
	}
	start := time.Now()
	var running sync.WaitGroup
	errs := make([]error, sockets)
	for i, s := range all {
		running.Go(func() { errs[i] = s.run(start.Add(d)) })
	}
	running.Wait()
	sum := tally{elapsed: time.Since(start)}
	for i, s := range all {
		if errs[i] != nil {
			return tally{}, errs[i]
		}
		sum.answers += len(s.latencies)
		sum.latencies = append(sum.latencies, s.latencies...)
	}
	return sum, ctx.Err()
}

// socket is one connection with its outstanding queries.
type socket struct {
	wire      wire
	queries   []query
	next      int
	constant  bool
	slots     [window]slot
	open      int // slots whose answer is awaited
	round     uint16
	scratch   []byte
	latencies []uint32
}

// slot is one outstanding query.
type slot struct {
	id   uint16
	sent time.Time // zero: none
	query
}

func (s *socket) run(until time.Time) error {
	if err := s.wire.setDeadline(until.Add(patience)); err != nil {
		return err
	}
	now := time.Now()
	for i := range s.slots {
		if err := s.ask(i, now); err != nil {
			return err
		}
	}
	for s.open > 0 {
		answer, err := s.wire.receive()
		if err != nil {
			return fmt.Errorf("%d queries got no answer: %w", s.open, err)
		}
		now := time.Now()
		i, err := s.take(answer, now)
		if err != nil {
			return err
		}
		if now.Before(until) {
			if err := s.ask(i, now); err != nil {
				return err
			}
		}
	}
	return nil
}

// ask sends the next query from slot i.
func (s *socket) ask(i int, now time.Time) error {
	q := s.queries[s.next]
	s.next = (s.next + 1) % len(s.queries)
	s.round++
	id := s.round<<slotBits | uint16(i)
	s.slots[i] = slot{id: id, sent: now, query: q}
	s.open++
	s.scratch = append(s.scratch[:0], q.wire...)
	s.scratch[2], s.scratch[3] = byte(id>>8), byte(id)
	return s.wire.send(s.scratch)
}

// take checks an answer and frees its slot, which it returns.
func (s *socket) take(answer []byte, now time.Time) (int, error) {
	if len(answer) < headerSize {
		return 0, fmt.Errorf("an answer of %d bytes", len(answer))
	}
	id := uint16(answer[0])<<8 | uint16(answer[1])
	i := int(id & (1<<slotBits - 1))
	if i >= window || s.slots[i].sent.IsZero() || s.slots[i].id != id {
		return 0, fmt.Errorf("an answer with the id %d, which nothing outstanding has", id)
	}
	if err := s.slots[i].check(answer, s.constant); err != nil {
		return 0, err
	}
	s.latencies = append(s.latencies, uint32(min(now.Sub(s.slots[i].sent), patience)))
	s.slots[i].sent = time.Time{}
	s.open--
	return i, nil
}

// check compares the header of an answer with what q expects.
func (q query) check(answer []byte, constant bool) error {
	rcode, answers, cut := q.rcode, q.answers, q.cut
	if constant {
		rcode, answers, cut = 0, 1, false
	}
	gotRcode, gotCut := int(answer[3]&0x0f), answer[2]&0x02 != 0
	got := int(answer[6])<<8 | int(answer[7])
	switch {
	case answer[2]&0x80 == 0:
		return fmt.Errorf("%v: what came is no answer", q)
	case gotRcode != rcode:
		return fmt.Errorf("%v: rcode %d, want %d", q, gotRcode, rcode)
	case gotCut != cut:
		return fmt.Errorf("%v: truncated %v, want %v", q, gotCut, cut)
	case cut && got == 0 || !cut && got != answers:
		return fmt.Errorf("%v: %d answers, want %d", q, got, answers)
	}
	return nil
}
