package registry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Elector is a Config whose registry can elect one of several processes as the
// leader that writes for an owner.
type Elector interface {
	Config
	// Election opens the election for owner at place, which is written as the
	// registry writes it; "" is where the registry would have it in the
	// surroundings of this process, or an error. It does not connect.
	Election(owner, place string, times LeaseTimes, log *slog.Logger) (Election, error)
}

// Election is one place in a registry where processes elect a leader. It is no
// fence: a leader that was paused does not know that it no longer leads.
type Election interface {
	// Elect takes part until ctx ends, and returns why it no longer does: with
	// ctx, or since the registry could not be asked or the lease was lost. It may
	// be called again then. When it returns, Lead has returned, no goroutine is
	// left, and a lease that was still held is released, so that another process
	// leads without waiting for its end. Only one Elect may run at a time.
	Elect(ctx context.Context, c Candidate) error
	// String names the place.
	String() string
	// Close gives up connections. It is called once, after the last Elect.
	Close() error
}

// Candidate is a process that takes part in an election.
type Candidate struct {
	Name string // of no other candidate; it is shown to people
	// Lead is called when the candidate was elected. Its ctx ends when it no
	// longer is; it returns once nothing is being written any more, and the lease
	// is not released before. holds says whether the lease is young enough to
	// write by: it never waits, and may be called from any goroutine.
	Lead func(ctx context.Context, holds func() bool)
	// Seen is told who leads whenever that changes, "" for nobody. It does not block.
	Seen func(leader string)
}

// LeaseTimes are how long a lease lasts and how it is kept. All are measured on
// each process's own monotonic clock, so no two clocks need to agree.
type LeaseTimes struct {
	Lease    time.Duration // others take over once it was not renewed for so long
	Deadline time.Duration // the leader writes no more once it was not renewed for so long
	Retry    time.Duration // between two renewals, and two tries to lead
}

// DefaultLeaseTimes are those that Kubernetes' own components use.
func DefaultLeaseTimes() LeaseTimes {
	return LeaseTimes{Lease: 15 * time.Second, Deadline: 10 * time.Second, Retry: 2 * time.Second}
}

// Leased is a Writer whose registry does not compare the fence within each write,
// so that a leader's own clock has to tell it when to stop.
type Leased interface {
	Writer
	// Lease has check called before each request that changes something, as late
	// as can be. The request is not sent if check returns an error, which is what
	// the write returns then. It is called before anything is written.
	Lease(check func() error)
}

// ErrNotLeading: this process does not lead, or cannot be sure that it still does.
// Nothing was written.
var ErrNotLeading = errors.New("not leading")

// Tenure is how long ago a lease was renewed for sure: since that renewal began,
// since when it ended is not known of one whose answer came late. Its methods may
// be called from any goroutine.
type Tenure struct {
	deadline time.Duration
	renewed  atomic.Pointer[time.Time] // nil: not, or no longer
}

// NewTenure returns one that was never renewed.
func NewTenure(t LeaseTimes) *Tenure { return &Tenure{deadline: t.Deadline} }

// Renewed takes note of a renewal that began then and was answered.
func (t *Tenure) Renewed(began time.Time) { t.renewed.Store(&began) }

// End is for good.
func (t *Tenure) End() { t.renewed.Store(nil) }

// Holds reports whether the lease is young enough to write by.
func (t *Tenure) Holds() bool {
	began := t.renewed.Load()
	return began != nil && time.Since(*began) < t.deadline
}

// Serve has an elected candidate lead, and calls renew again and again beside it,
// until ctx ends, renew returns an error that wraps ErrNotLeading, or the last
// renewal is too old. It returns why, once Lead has returned. The first renewal
// comes before Lead: a candidate may have slept since it was elected.
func (c Candidate) Serve(ctx context.Context, t LeaseTimes, renew func(context.Context) error) error {
	tenure := NewTenure(t)
	if err := tenure.renew(ctx, renew); err != nil {
		return err
	}
	leading, end := context.WithCancel(ctx)
	defer end()
	keeping, enough := context.WithCancel(context.WithoutCancel(ctx)) // also while Lead ends
	defer enough()
	var lost error
	var wg sync.WaitGroup
	wg.Go(func() {
		defer end()
		lost = tenure.keep(keeping, t, renew)
	})
	c.Lead(leading, tenure.Holds)
	enough()
	wg.Wait()
	if lost != nil {
		return lost
	}
	return fmt.Errorf("lead: %w", context.Cause(ctx))
}

// keep renews until ctx ends, and returns nil then, or why the lease is lost.
func (t *Tenure) keep(ctx context.Context, times LeaseTimes, renew func(context.Context) error) error {
	defer t.End()
	tick := time.NewTicker(times.Retry)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := t.renew(ctx, renew)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && (errors.Is(err, ErrNotLeading) || !t.Holds()):
			return fmt.Errorf("the lease is lost: %w", err)
		}
	}
}

// renew tries once, for no longer than the lease can be held without.
func (t *Tenure) renew(ctx context.Context, renew func(context.Context) error) error {
	began, left := time.Now(), t.deadline
	if last := t.renewed.Load(); last != nil {
		left -= began.Sub(*last)
	}
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	if err := renew(ctx); err != nil {
		return err
	}
	t.Renewed(began)
	return nil
}
