package mirror

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

const (
	quiet     = 2 * time.Millisecond  // a burst of changes is over after this
	maxBurst  = 50 * time.Millisecond // nobody waits longer than this for a burst to end
	maxWrites = 512                   // written between two looks at the catalog
	recheckIn = 30 * time.Second      // what a second read of the source may take
	starting  = "just started"        // why a rule is blocked before its first plan
)

// Recheck reads an origin once more, from the start, past the catalog, and
// returns what it holds. It ends with ctx.
type Recheck func(ctx context.Context, o catalog.Origin) (*catalog.Snapshot, error)

// Loop keeps one rule's target as the rule wants it. Make one with NewLoop.
type Loop struct {
	rule    *Rule
	others  []*Rule // the other rules to the same target
	catalog *catalog.Catalog
	target  *Target
	recheck Recheck // nil: a hold never ends by time
	log     *slog.Logger
	tell    Tell // nil: nobody is told

	status   atomic.Pointer[Status]
	last     atomic.Pointer[Plan]
	granted  atomic.Pointer[[]catalog.Ref] // what people let go, until Run takes it
	approved chan struct{}                 // something was granted

	names *Resolver // nil: the rule's mirrors may have names

	// The rest belongs to Run's goroutine.
	answers  *Answers // that the last plan was made with
	memos    map[*Rule]*memo
	base     *base     // nil: the next plan is made from the start
	heard    bool      // the source was connected since Run began
	unheard  bool      // that it was not is all that blocks the plan
	planned  time.Time // when the last round ended
	retries  retries
	reached  time.Time // since when the target was there, or not
	tidied   time.Time // when retries last were
	budget   spending
	since    time.Time // when something was to be written first
	claimDue time.Time // the claim failed: not again before
	claims   int       // how often in a row
	err      error     // why the claim failed
	said     sayings
	told     announced
	puts     int
	deletes  int
	lag      time.Duration
	failure  *Failure // the last write or claim that failed
}

// NewLoop returns the loop of a rule. others are the other rules whose mirrors
// go to the same target by the same owner. Nothing runs until Run.
func NewLoop(r *Rule, others []*Rule, c *catalog.Catalog, t *Target, again Recheck, log *slog.Logger) *Loop {
	l := &Loop{
		rule: r, others: others, catalog: c, target: t, recheck: again,
		log:      log.With("rule", r.String()),
		approved: make(chan struct{}, 1),
		retries:  retries{},
		said:     sayings{blocked: starting},
		memos:    map[*Rule]*memo{r: {}},
	}
	for _, other := range others {
		l.memos[other] = &memo{}
	}
	if r.Inward {
		l.names = NewResolver(SystemLookup, l.log)
	}
	l.last.Store(&Plan{Rule: r, Blocked: starting})
	l.status.Store(&Status{Rule: r.String(), From: r.From, To: r.To, Blocked: starting})
	return l
}

// Status returns what the loop last made of the catalog. It never blocks.
func (l *Loop) Status() *Status { return l.status.Load() }

// Plan returns the plan that the status is of. It never blocks; nobody changes
// what it returns.
func (l *Loop) Plan() *Plan { return l.last.Load() }

// Approve lets go the deletions that the budget holds by the last plan, and no
// others: what it holds later waits again. It returns how many there are. It may
// be called from any goroutine, and does not wait for the deletions.
func (l *Loop) Approve() int {
	refs := l.Plan().overBudget()
	if len(refs) == 0 {
		return 0
	}
	l.granted.Store(&refs)
	select {
	case l.approved <- struct{}{}:
	default: // Run was told already
	}
	return len(refs)
}

// Run works until ctx ends. It writes nothing after that, and returns once no
// write is under way. It may be called again then, and begins anew but for what it
// remembers of the deletion budget.
func (l *Loop) Run(ctx context.Context) {
	l.begin()
	defer l.rest()
	var names sync.WaitGroup
	defer names.Wait()
	if l.names != nil {
		names.Go(func() { l.names.Run(ctx) })
	}
	for changed := false; ctx.Err() == nil; {
		s, p := l.next(ctx, changed)
		if ctx.Err() != nil {
			return
		}
		again, due := l.round(ctx, s, p)
		l.planned = time.Now()
		changed = !again && l.wait(ctx, s, due)
	}
}

// next makes the next plan. After a while in which nothing changed, services
// that stay and say something else are written at once. Other changes may be of a
// burst, of which a part says nothing: a source that is lost, or a Service without
// its EndpointSlice.
func (l *Loop) next(ctx context.Context, changed bool) (*catalog.Snapshot, *Plan) {
	s := l.catalog.Snapshot()
	if !changed || time.Since(l.planned) > quiet {
		if p := l.step(s); p != nil {
			return s, p
		}
	}
	if !changed {
		return s, l.whole(s)
	}
	l.settle(ctx)
	return l.next(ctx, false)
}

// begin forgets what was so before the last Run ended: others may have written
// since then, and what people let go was by a plan that is old.
func (l *Loop) begin() {
	l.granted.Store(nil)
	l.base, l.heard, l.retries, l.since = nil, false, retries{}, time.Time{}
	l.claimDue, l.claims, l.err = time.Time{}, 0, nil
	l.budget = spending{spent: l.budget.spent}
	l.said.blocked = starting
}

// rest shows no plan while nobody works by it.
func (l *Loop) rest() {
	st := *l.Status()
	l.last.Store(&Plan{Rule: l.rule, Blocked: starting})
	l.status.Store(&Status{Rule: st.Rule, From: st.From, To: st.To, Blocked: starting, Puts: st.Puts, Deletes: st.Deletes, Lag: st.Lag, Failure: st.Failure})
}

// wait blocks until something is to be looked at; true if the catalog changed.
func (l *Loop) wait(ctx context.Context, s *catalog.Snapshot, due time.Time) bool {
	var alarm <-chan time.Time
	if !due.IsZero() {
		timer := time.NewTimer(time.Until(due))
		defer timer.Stop()
		alarm = timer.C
	}
	select {
	case <-ctx.Done():
	case <-alarm:
	case <-l.approved:
		l.approve()
	case <-l.answers.newer():
	case <-s.Changed():
		return true
	}
	return false
}

// settle waits until a burst of changes is over.
func (l *Loop) settle(ctx context.Context) {
	end := time.NewTimer(maxBurst)
	defer end.Stop()
	pause := time.NewTimer(quiet)
	defer pause.Stop()
	for {
		s := l.catalog.Snapshot()
		select {
		case <-ctx.Done():
			return
		case <-end.C:
			return
		case <-pause.C:
			return
		case <-s.Changed():
			pause.Reset(quiet)
		}
	}
}

// round writes what may be written of p. It returns whether to go on at once, since something was written, and else when to look again at the
// latest (zero: when something changes).
func (l *Loop) round(ctx context.Context, s *catalog.Snapshot, p *Plan) (again bool, due time.Time) {
	now := time.Now()
	due = l.watchHold(ctx, s, p, now)
	l.met(s.State(l.rule.To))
	puts, duePuts := l.retries.ready(p.Puts, now)
	deletes, dueDeletes := l.retries.ready(p.Deletes, now)
	due = earliest(due, earliest(duePuts, dueDeletes))
	l.age(p, now)
	l.publish(p)
	if l.idles(p, len(puts)+len(deletes)) {
		return false, due
	}
	if at := l.claim(ctx, s, now); !at.IsZero() || l.err != nil {
		l.publish(p)
		return false, earliest(due, at)
	}
	if l.unheard {
		return false, due
	}
	for _, o := range l.target.apply(ctx, puts, deletes, maxWrites) {
		l.done(ctx, o)
	}
	return len(puts)+len(deletes) > 0, due
}

// idles reports whether neither anything of p is to be written nor the fence to be
// moved, which does not wait until the source is heard.
func (l *Loop) idles(p *Plan, ready int) bool {
	if p.Blocked != "" && !l.unheard {
		return true
	}
	return !l.target.taking() && (ready == 0 || l.unheard)
}

// step says what is to be written by s, by way of the last plan; nil if that
// cannot tell.
func (l *Loop) step(s *catalog.Snapshot) *Plan {
	if l.names != nil {
		l.answers = l.names.Answers()
	}
	from := l.source(s, l.rule)
	return l.base.step(s, from, l.rivals(s), from.mirrors(l.rule, l.target.Canon))
}

// whole says what is to be written by s, from the start.
func (l *Loop) whole(s *catalog.Snapshot) *Plan {
	if l.names != nil {
		l.names.Keep(Names(s, slices.Collect(maps.Keys(l.memos))))
		l.answers = l.names.Answers()
	}
	from, others := l.source(s, l.rule), l.rivals(s)
	w := l.desired(s, l.rule)
	p := Diff(s, w, others, l.budget.now(l.rule, time.Now()))
	l.blockUnheard(s, p)
	l.base = newBase(s, from, w, p, l.memos[l.rule], others)
	return p
}

// blockUnheard has nothing written by what was last heard of the source before Run
// began: another leader may have copied what came after it.
func (l *Loop) blockUnheard(s *catalog.Snapshot, p *Plan) {
	l.heard = l.heard || s.State(l.rule.From).Connected
	if l.unheard = !l.heard && p.Blocked == ""; l.unheard {
		p.Blocked = fmt.Sprintf("%s was not heard since this process leads", l.rule.From)
	}
}

// rivals are the other rules, which may want the same names.
func (l *Loop) rivals(s *catalog.Snapshot) []Other {
	others := make([]Other, len(l.others))
	for i, r := range l.others {
		others[i] = Other{r, func() *Wanted { return l.desired(s, r) }}
	}
	return others
}

func (l *Loop) source(s *catalog.Snapshot, r *Rule) source {
	from := sourceOf(s, r)
	from.names = l.answers
	return from
}

func (l *Loop) desired(s *catalog.Snapshot, r *Rule) *Wanted {
	from := l.source(s, r)
	w := desired(s, r, l.memos[r].round(from, from.mirrors(r, l.target.Canon)))
	w.join(s, l.memos[r].joined(from.joins(r, l.target.Canon)))
	w.beside = l.target.Beside
	return w
}

// met tries again at once what failed, a claim too, when the target was lost or is
// back: people wait for that, and not for what went wrong before.
func (l *Loop) met(st catalog.State) {
	if !st.Since.Equal(l.reached) {
		l.reached = st.Since
		l.retries.afresh()
		l.claims, l.claimDue = 0, time.Time{}
	}
}

// age keeps since when something is to be written, and how long it took.
func (l *Loop) age(p *Plan, now time.Time) {
	pending := len(p.Puts)+len(p.Deletes) > 0
	switch {
	case pending && l.since.IsZero():
		l.since = now
	case !pending && !l.since.IsZero():
		l.lag = now.Sub(l.since)
		l.since = time.Time{}
	}
	if !pending && !l.target.taking() { // then a claim that failed is in nobody's way
		l.err, l.claims, l.claimDue = nil, 0, time.Time{}
	}
	if now.Sub(l.tidied) > forget/4 { // each walks over all that was written lately
		l.tidied = now
		l.retries.tidy(p.pending(), now)
	}
}

// claim makes sure of the fence; it returns when to try again if it cannot.
func (l *Loop) claim(ctx context.Context, s *catalog.Snapshot, now time.Time) time.Time {
	if now.Before(l.claimDue) {
		return l.claimDue
	}
	var sources []catalog.Identity
	for r := range l.memos {
		if id := s.State(r.From).Identity; id != "" {
			sources = append(sources, id)
		}
	}
	l.target.at(s.State(l.rule.To).Identity)
	if l.err = l.target.claim(ctx, sources); l.err == nil {
		l.claims, l.claimDue = 0, time.Time{}
		return time.Time{}
	}
	l.failure = &Failure{At: now, Why: l.err.Error()}
	l.claims++
	l.claimDue = now.Add(pause(l.claims, l.err))
	if l.target.Lost() != nil {
		return time.Time{}
	}
	return l.claimDue
}

// done takes note of one outcome.
func (l *Loop) done(ctx context.Context, o outcome) {
	if ctx.Err() != nil && o.Err != nil && !errors.Is(o.Err, registry.ErrFenced) {
		return // why the term ends is told
	}
	l.retries.note(o, time.Now())
	unsure := errors.Is(o.Err, registry.ErrUnknownOutcome)
	if o.Err == nil || unsure {
		l.budget.spend(o.Change, unsure, time.Now())
	}
	if o.Err != nil {
		l.failed(o)
		return
	}
	verb := "put"
	if o.Want == nil {
		verb = "delete"
		l.deletes++
	} else {
		l.puts++
	}
	l.log.Info(verb, "target", o.Ref().Key.String(), "original", o.Original().String(), "why", o.Why)
}
