package registrytest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/isthmus-dns/isthmus/registry"
)

// Electing is where candidates elect a leader.
type Electing struct {
	Open   func() registry.Election // one more, of the same place
	Link   Link                     // of all of them
	Remove func(t *testing.T)       // has somebody remove the lease
	Times  registry.LeaseTimes
}

// ElectionCase is one thing that every election does.
type ElectionCase struct {
	Name string
	Do   func(t *testing.T, e Electing)
}

// ElectionCases returns all of them.
func ElectionCases() []ElectionCase {
	return []ElectionCase{
		{"one leads, and all know who", func(t *testing.T, e Electing) {
			a := run(t, e, "a")
			first := <-a.led
			b := run(t, e, "b")
			b.waitSeen(t, "a")
			a.waitSeen(t, "a")
			b.isIdle(t)
			if !first.holds() || first.ctx.Err() != nil {
				t.Error("the leader's lease does not hold while another waits")
			}
		}},
		{"who stops is followed at once, and not before its last write", func(t *testing.T, e Electing) {
			a := run(t, e, "a")
			first := <-a.led
			b := run(t, e, "b")
			b.waitSeen(t, "a")
			a.stop()
			<-first.ctx.Done()
			b.isIdle(t)
			began := time.Now()
			a.finish(t)
			second := <-b.led
			if took := time.Since(began); took >= e.Times.Lease {
				t.Errorf("the next one led %v after the last one ended, as if that had died", took)
			}
			b.waitSeen(t, "b")
			if first.holds() || !second.holds() {
				t.Errorf("the lease holds for the last one: %v, for the next: %v", first.holds(), second.holds())
			}
		}},
		{"who cannot renew stops before another leads", func(t *testing.T, e Electing) {
			a := run(t, e, "a")
			first := <-a.led
			began := time.Now()
			e.Link.Cut()
			<-first.ctx.Done()
			if took := time.Since(began); took >= e.Times.Lease {
				t.Errorf("the leader was told after %v, when another may lead already", took)
			}
			if first.holds() {
				t.Error("the lease still holds")
			}
			e.Link.Heal()
			a.stop()
			a.finish(t)
			b := run(t, e, "b")
			second := <-b.led
			if first.holds() || !second.holds() {
				t.Errorf("the lease holds for the last one: %v, for the next: %v", first.holds(), second.holds())
			}
		}},
		{"who led does not lead on beside another once somebody removed the lease", func(t *testing.T, e Electing) {
			a := run(t, e, "a")
			first := <-a.led
			b := run(t, e, "b")
			b.waitSeen(t, "a")
			e.Remove(t)
			select {
			case second := <-b.led:
				wantEnd(t, first, e.Times)
				if first.holds() || !second.holds() {
					t.Errorf("the lease holds for the last one: %v, for the next: %v", first.holds(), second.holds())
				}
			case <-time.After(2 * e.Times.Lease): // the one who led was the first to take it again
				if first.ctx.Err() != nil || !first.holds() {
					t.Error("nobody leads")
				}
			}
		}},
		{"a registry that cannot be reached is said", func(t *testing.T, e Electing) {
			e.Link.Cut()
			election := e.Open()
			defer election.Close()
			err := election.Elect(t.Context(), registry.Candidate{Name: "a", Seen: func(string) {}, Lead: func(context.Context, func() bool) { t.Error("elected") }})
			if err == nil || errors.Is(err, context.Canceled) {
				t.Errorf("Elect = %v, want why the registry cannot be reached", err)
			}
		}},
		{"who led may lead again", func(t *testing.T, e Electing) {
			election := e.Open()
			defer election.Close()
			for range 2 {
				ctx, cancel := context.WithCancel(t.Context())
				led := 0
				err := election.Elect(ctx, registry.Candidate{Name: "a", Seen: func(string) {}, Lead: func(ctx context.Context, _ func() bool) {
					led++
					cancel()
					<-ctx.Done()
				}})
				if led != 1 || !errors.Is(err, context.Canceled) {
					t.Errorf("led %d times; Elect = %v, want once and %v", led, err, context.Canceled)
				}
			}
		}},
	}
}

// term is one time of leading.
type term struct {
	ctx   context.Context
	holds func() bool
}

// candidate takes part until it is stopped, whatever is in the way.
type candidate struct {
	led    chan term
	seen   chan string
	stop   context.CancelFunc
	last   chan struct{} // closed: a term may end
	ended  chan struct{}
	finish func(t *testing.T)
}

func run(t *testing.T, e Electing, name string) *candidate {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	c := &candidate{led: make(chan term, 100), seen: make(chan string, 100), stop: cancel, last: make(chan struct{}), ended: make(chan struct{})}
	election := e.Open()
	go func() {
		defer close(c.ended)
		for ctx.Err() == nil {
			err := election.Elect(ctx, registry.Candidate{Name: name, Seen: func(who string) { c.seen <- who }, Lead: c.lead})
			if err == nil {
				t.Error("Elect returned no reason")
			}
			select {
			case <-ctx.Done():
			case <-time.After(e.Times.Retry):
			}
		}
	}()
	finished := false
	c.finish = func(t *testing.T) {
		if finished {
			return
		}
		finished = true
		cancel()
		close(c.last)
		<-c.ended
		if err := election.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	t.Cleanup(func() { c.finish(t) })
	return c
}

func (c *candidate) lead(ctx context.Context, holds func() bool) {
	c.led <- term{ctx, holds}
	<-ctx.Done()
	<-c.last
}

// waitSeen waits until the candidate is told that who leads.
func (c *candidate) waitSeen(t *testing.T, who string) {
	t.Helper()
	late := time.After(time.Minute)
	for {
		select {
		case is := <-c.seen:
			if is == who {
				return
			}
		case <-late:
			t.Fatalf("not told that %q leads", who)
		}
	}
}

// wantEnd holds that a term ends by when its lease would.
func wantEnd(t *testing.T, is term, times registry.LeaseTimes) {
	t.Helper()
	select {
	case <-is.ctx.Done():
	case <-time.After(times.Lease):
		t.Error("two lead, for as long as a lease lasts")
	}
}

// isIdle holds that the candidate does not lead, for now.
func (c *candidate) isIdle(t *testing.T) {
	t.Helper()
	select {
	case <-c.led:
		t.Error("two lead")
	case <-time.After(time.Second):
	}
}
