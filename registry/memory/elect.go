package memory

import (
	"context"
	"fmt"
	"time"

	"github.com/isthmus-dns/isthmus/registry"
)

// lease is who leads, and until when without a renewal.
type lease struct {
	holder string
	end    time.Time
}

// election is one place where a leader is elected.
type election struct {
	*client
	place string
	times registry.LeaseTimes
}

// Election returns an election at a place of the server; all of one place elect
// the same leader.
func (s *Server) Election(place string, times registry.LeaseTimes) registry.Election {
	return &election{&client{server: s}, place, times}
}

// Election is the server's, over the wire.
func (l Line) Election(place string, times registry.LeaseTimes) registry.Election {
	return &election{&client{server: l.server, wire: l.wire}, place, times}
}

// RemoveLeases has somebody remove who leads, at every place.
func (s *Server) RemoveLeases() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.leases)
	s.wakeLocked()
}

// String names the place.
func (e *election) String() string { return fmt.Sprintf("memory %q", e.place) }

// Close does nothing.
func (e *election) Close() error { return nil }

// Elect takes part until ctx ends or the server cannot be reached.
func (e *election) Elect(ctx context.Context, c registry.Candidate) error {
	for seen := ""; ; {
		leader, moved, err := e.hold(ctx, c.Name)
		if err != nil {
			return fmt.Errorf("elect at %s: %w", e, err)
		}
		if leader != seen {
			c.Seen(leader)
			seen = leader
		}
		if leader == c.Name {
			defer e.release(c.Name)
			return c.Serve(ctx, e.times, func(ctx context.Context) error { return e.renew(ctx, c.Name) })
		}
		e.pause(ctx, moved)
	}
}

// pause waits until it is worth another try.
func (e *election) pause(ctx context.Context, moved <-chan struct{}) {
	timer := time.NewTimer(e.times.Retry)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-moved:
	}
}

// hold takes a lease that nobody holds, or renews its own. It returns who holds it
// then, and what is closed when something changes.
func (e *election) hold(ctx context.Context, name string) (leader string, moved <-chan struct{}, err error) {
	fate, err := e.reach(ctx, Request{Verb: Lease})
	if err != nil {
		return "", nil, err
	}
	defer e.server.mu.Unlock()
	is := e.server.leases[e.place]
	now := time.Now()
	if is.holder == "" || is.holder == name || !now.Before(is.end) {
		is = lease{name, now.Add(e.times.Lease)}
		e.server.leases[e.place] = is
	}
	if fate == Unanswered || e.server.link == deaf {
		return "", nil, registry.ErrUnknownOutcome
	}
	return is.holder, e.server.moved, nil
}

func (e *election) renew(ctx context.Context, name string) error {
	leader, _, err := e.hold(ctx, name)
	if err == nil && leader != name {
		err = fmt.Errorf("%q leads: %w", leader, registry.ErrNotLeading)
	}
	return err
}

// release lets another lead at once, if the server can be reached.
func (e *election) release(name string) {
	ctx, cancel := context.WithTimeout(context.Background(), e.times.Retry)
	defer cancel()
	if _, err := e.reach(ctx, Request{Verb: Lease}); err != nil {
		return
	}
	defer e.server.mu.Unlock()
	if e.server.leases[e.place].holder != name {
		return
	}
	delete(e.server.leases, e.place)
	e.server.wakeLocked()
}
