package bridge

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/isthmus-dns/isthmus/bridge/mirror"
	"github.com/isthmus-dns/isthmus/registry"
)

// leadership is what this process knows of who leads.
type leadership struct {
	name  string // of this process, as a candidate
	holds atomic.Pointer[func() bool]

	mu     sync.Mutex // guards what follows
	leads  bool
	leader string    // as last seen; "" for nobody
	since  time.Time // since when this process leads, or does not
	err    error     // why it takes no part, for now
}

// LeadStatus is who leads.
type LeadStatus struct {
	Election string    `json:"election"`         // as the file has it; none
	Name     string    `json:"name,omitempty"`   // of this process in the election
	Leads    bool      `json:"leads"`            // this process writes
	Leader   string    `json:"leader,omitempty"` // who does, as far as it knows
	Since    time.Time `json:"since,omitzero"`   // since when it leads, or waits
	Error    string    `json:"error,omitempty"`  // why it can take no part in the election
}

// openElection opens what the file says of it. What compares no fence in the
// registry asks the lease then.
func (b *Bridge) openElection() error {
	lead := b.config.Lead
	if lead.Elector == nil {
		return nil
	}
	name, err := candidateName()
	if err != nil {
		return err
	}
	b.leader.name = name
	b.election, err = lead.Elector.Election(b.config.Owner, lead.Place, registry.DefaultLeaseTimes(), b.log)
	if err != nil && len(b.config.lead.Words) > 0 {
		return b.config.lead.Errorf("%w", err)
	}
	if err != nil {
		return fmt.Errorf("open the election: %w", err)
	}
	for _, r := range b.registries {
		if w, ok := r.(registry.Leased); ok {
			w.Lease(b.mayWrite)
		}
	}
	return nil
}

// candidateName is of no other process: that of a pod, or of a host, and then
// something.
func candidateName() (string, error) {
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("find a name for the election: %w", err)
	}
	return host + "_" + rand.Text()[:8], nil
}

// mayWrite returns an error unless the lease is young enough to write by.
func (b *Bridge) mayWrite() error {
	if holds := b.leader.holds.Load(); holds == nil || !(*holds)() {
		return fmt.Errorf("owner %q: %w", b.config.Owner, registry.ErrNotLeading)
	}
	return nil
}

// lead runs the rules until ctx ends: always, or whenever this process is elected.
func (b *Bridge) lead(ctx context.Context) {
	if b.election == nil {
		b.runLoops(ctx)
		return
	}
	b.log.Info("standing by until elected", "election", b.election.String(), "name", b.leader.name)
	times := registry.DefaultLeaseTimes()
	again := times.Retry
	for ctx.Err() == nil {
		began := time.Now()
		switch shutOut := b.stand(ctx); {
		case shutOut && time.Since(began) < time.Minute:
			again = min(2*again, 2*times.Lease) // whoever else moves the fence does so again
		default:
			again = times.Retry
		}
		pause := time.NewTimer(again)
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
		pause.Stop()
	}
}

// stand takes part in the election once. It returns whether it gave up since another
// writer moved the fence: the lease is released then, and whoever may hold it takes
// the fence again. That a claim which a former leader had under way comes late is one
// cause, and that somebody removed the lease another.
func (b *Bridge) stand(ctx context.Context) (shutOut bool) {
	standing, giveUp := context.WithCancel(ctx)
	defer giveUp()
	err := b.election.Elect(standing, registry.Candidate{Name: b.leader.name, Seen: b.seen, Lead: func(ctx context.Context, holds func() bool) {
		b.term(ctx, mirror.Term{Holds: holds, ShutOut: giveUp})
	}})
	if ctx.Err() == nil && standing.Err() != nil {
		b.log.Warn("another writer took over, standing for election anew")
		return true
	}
	b.sayElection(ctx, err)
	return false
}

// runLoops returns once ctx ended and no write is under way.
func (b *Bridge) runLoops(ctx context.Context) {
	var wg sync.WaitGroup
	for _, l := range b.loops {
		wg.Go(func() { l.Run(ctx) })
	}
	wg.Wait()
}

// term is one time of leading. Its first act at each target is to move the fence,
// so that what a former leader still has under way is refused there.
func (b *Bridge) term(ctx context.Context, by mirror.Term) {
	for _, t := range b.targets {
		t.TakeOver(by)
	}
	b.leader.holds.Store(&by.Holds)
	b.leader.turn(true)
	b.log.Info("leading", "election", b.election.String())
	b.runLoops(ctx)
	b.leader.holds.Store(nil)
	b.leader.turn(false)
	b.log.Info("no longer leading, standing by", "election", b.election.String())
}

func (l *leadership) turn(leads bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leads, l.since, l.err = leads, time.Now(), nil
}

// seen takes note of who leads.
func (b *Bridge) seen(leader string) {
	l := &b.leader
	l.mu.Lock()
	l.leader, l.err = leader, nil
	l.mu.Unlock()
	if leader != "" && leader != l.name {
		b.log.Info("another process leads", "leader", leader)
	}
}

// sayElection logs that this process takes no part in the election, and why; once
// for each reason.
func (b *Bridge) sayElection(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	l := &b.leader
	l.mu.Lock()
	was := l.err
	l.leader, l.err = "", err
	l.mu.Unlock()
	switch {
	case errors.Is(err, registry.ErrNotLeading):
		b.log.Warn("not elected any more", "error", err)
	case was == nil || was.Error() != err.Error():
		b.log.Error("no part in the election, will retry", "error", err)
	}
}

// leads reports whether this process writes.
func (b *Bridge) leads() bool {
	if b.election == nil {
		return true
	}
	b.leader.mu.Lock()
	defer b.leader.mu.Unlock()
	return b.leader.leads
}

func (b *Bridge) leadStatus() LeadStatus {
	l := &b.leader
	l.mu.Lock()
	defer l.mu.Unlock()
	st := LeadStatus{Election: b.config.Lead.String(), Name: l.name, Leads: l.leads, Leader: l.leader, Since: l.since, Error: text(l.err)}
	if b.election == nil {
		st.Leads = true
	}
	return st
}

// rule is the status of a rule by which nobody works unless this process leads.
func (st LeadStatus) rule(is *mirror.Status) *mirror.Status {
	if st.Leads {
		return is
	}
	idle := *is
	idle.Blocked = st.standby()
	return &idle
}

// standby says why this process writes nothing.
func (st LeadStatus) standby() string {
	switch {
	case st.Error != "":
		return "standing by: " + st.Error
	case st.Leader == "" || st.Leader == st.Name:
		return "standing by"
	}
	return fmt.Sprintf("standing by: %q leads", st.Leader)
}
