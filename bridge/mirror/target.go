package mirror

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// Target is one registry that rules write to for one owner. All its rules
// share it, from any goroutine, and with it the claim on the owner's fence. The
// claim is made before the first write and not sooner, so that a bridge which
// has nothing to write leaves no trace. A fence that is gone is claimed anew; one
// that a newer writer moved ends all writing, until this process is elected again.
type Target struct {
	writer registry.Writer
	owner  string

	claims chan struct{} // holds one while a claim is under way, for which nobody waits longer than ctx

	mu      sync.Mutex       // guards following
	is      catalog.Identity // where claimed counts
	claimed []catalog.Identity
	bump    bool // with the next claim a former leader is shut out
	term    Term
	gone    bool  // the fence: claim it anew before the next write
	lost    error // why nothing more may be written, until a new Target
}

// NewTarget returns a Target that writes by w. It starts nothing and does not
// close w.
func NewTarget(owner string, w registry.Writer) *Target {
	return &Target{owner: owner, writer: w, claims: make(chan struct{}, 1)}
}

// Canon is the writer's, with an error beside the service where the registry's
// limits take something of it away.
func (t *Target) Canon(s *catalog.Service) (*catalog.Service, error) {
	c, err := t.writer.Canon(s)
	if r, ok := t.writer.(registry.Reducer); ok && c != nil && err == nil {
		err = r.Reduced(s)
	}
	return c, err
}

// Beside says why ours cannot stand beside what another has under its name there;
// nil if it can.
func (t *Target) Beside(ours, theirs *catalog.Service) error {
	if s, ok := t.writer.(registry.Sharer); ok {
		return s.Beside(ours, theirs)
	}
	return errors.New("a name has one owner there")
}

// Term is a time of leading, of a process that was elected. Its functions are called
// from any goroutine and do not block; the zero Term is of one that nobody elects.
type Term struct {
	Holds   func() bool // the lease is young enough to write by: no claim is made else
	ShutOut func()      // a newer writer moved the fence: nothing more is written in this Term
}

// TakeOver begins a time of leading: the fence is claimed before anything is
// written, and moved, so that what a former leader has under way is refused. No
// loop of the target runs meanwhile.
func (t *Target) TakeOver(by Term) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.claimed, t.bump, t.gone, t.lost = nil, true, false, nil
	t.term = by
}

// at tells which registry it is that is written to. What was claimed of another one
// counts for nothing there, and is claimed anew.
func (t *Target) at(id catalog.Identity) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if id != t.is {
		t.is, t.gone = id, t.gone || len(t.claimed) > 0
	}
}

// taking reports whether the fence is still to be moved.
func (t *Target) taking() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.bump && t.lost == nil
}

// Lost returns why this process may not write there any more; nil if it may.
func (t *Target) Lost() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lost
}

// claim makes sure that the owner's fence names all the sources.
func (t *Target) claim(ctx context.Context, sources []catalog.Identity) error {
	select {
	case t.claims <- struct{}{}:
		defer func() { <-t.claims }()
	case <-ctx.Done():
		return fmt.Errorf("claim the fence of owner %q: %w", t.owner, ctx.Err())
	}
	all, bump, err := t.toClaim(sources)
	if all == nil || err != nil {
		return err
	}
	err = t.writer.Claim(ctx, registry.Fence{Owner: t.owner, Sources: all}, bump)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.fencedLocked(err)
		return fmt.Errorf("claim the fence of owner %q: %w", t.owner, err)
	}
	t.claimed, t.gone, t.bump = all, false, false
	return nil
}

// toClaim returns what the fence is to name, nil if it does, and whether it is to be
// moved.
func (t *Target) toClaim(sources []catalog.Identity) (all []catalog.Identity, bump bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.lost != nil:
		return nil, false, t.lost
	case t.term.Holds != nil && !t.term.Holds():
		return nil, false, fmt.Errorf("claim the fence of owner %q: %w", t.owner, registry.ErrNotLeading)
	}
	all = slices.Concat(t.claimed, sources)
	slices.Sort(all)
	all = slices.Compact(all)
	if len(all) == len(t.claimed) && !t.gone && !t.bump {
		return nil, false, nil
	}
	return all, t.bump, nil
}

// fencedLocked notes what err says of the fence.
func (t *Target) fencedLocked(err error) {
	switch {
	case errors.Is(err, registry.ErrNoFence):
		t.gone = true
	case errors.Is(err, registry.ErrFenced) && t.lost == nil:
		t.lost = fmt.Errorf("another writer of owner %q took over, nothing more is written until %s: %w", t.owner, t.term.until(), err)
		if t.term.ShutOut != nil {
			t.term.ShutOut()
		}
	}
}

// until is when one that was shut out may write again.
func (t Term) until() string {
	if t.ShutOut != nil {
		return "it is elected again"
	}
	return "a restart"
}

// may reports whether to go on writing without a new claim.
func (t *Target) may() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lost == nil && !t.gone
}

// outcome is what became of one change.
type outcome struct {
	Change
	Err error
}

// apply writes at most max of the changes, puts before deletes: deletes only
// once no put is left over. It returns what became of those that it tried. A
// deletion's own records are compared by their version, a put's by that of what
// it replaces.
func (t *Target) apply(ctx context.Context, puts, deletes []Change, max int) []outcome {
	if len(puts) > max {
		puts, deletes = puts[:max], nil
	}
	deletes = deletes[:min(len(deletes), max-len(puts))]
	puts, done := t.makeNamespaces(ctx, puts)
	done = append(done, t.write(ctx, t.writer.Put, puts)...)
	if !t.may() {
		return done
	}
	return append(done, t.write(ctx, t.writer.Delete, deletes)...)
}

// makeNamespaces makes the namespaces that puts want first, and returns the puts
// that may be written, and what became of those whose namespace could not be made.
func (t *Target) makeNamespaces(ctx context.Context, puts []Change) (may []Change, failed []outcome) {
	made := map[string]error{}
	for _, c := range puts {
		ns := c.Ref().Namespace
		if _, tried := made[ns]; c.make && !tried {
			made[ns] = t.makeNamespace(ctx, ns)
		}
		if err := made[ns]; err != nil {
			failed = append(failed, outcome{c, err})
			continue
		}
		may = append(may, c)
	}
	return may, failed
}

func (t *Target) makeNamespace(ctx context.Context, ns string) error {
	creator, ok := t.writer.(registry.NamespaceCreator)
	if !ok {
		return fmt.Errorf("create namespace %q: %w", ns, errors.ErrUnsupported)
	}
	err := creator.CreateNamespace(ctx, ns)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fencedLocked(err)
	return err
}

func (t *Target) write(ctx context.Context, do func(context.Context, []*catalog.Service) []registry.Result, changes []Change) []outcome {
	if len(changes) == 0 {
		return nil
	}
	all := make([]*catalog.Service, len(changes))
	for i, c := range changes {
		all[i] = c.record()
	}
	done := make([]outcome, len(changes))
	for i, r := range do(ctx, all) {
		done[i] = outcome{changes[i], r.Err}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, o := range done {
		t.fencedLocked(o.Err)
	}
	return done
}

// record is the service to hand to the writer, at the version that was found.
func (c Change) record() *catalog.Service {
	if c.Want == nil {
		return c.Found
	}
	s := *c.Want
	s.Version = ""
	if c.Found != nil {
		s.Version = c.Found.Version
	}
	return &s
}
