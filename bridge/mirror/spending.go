package mirror

import (
	"context"
	"slices"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
)

// spending is a loop's memory of deletions: what was spent of the budget lately,
// what was let go, and since when the budget holds.
type spending struct {
	spent    []entry
	released map[catalog.Ref]bool
	held     []catalog.Ref // what the budget holds by the last plan
	since    time.Time     // when the hold began, or its source was connected again
}

type entry struct {
	at   time.Time
	loss Loss
}

// now returns the budget at a moment. What was spent counts for as long as a
// hold lasts, so that many small losses are one big one.
func (l *spending) now(r *Rule, now time.Time) Budget {
	window := r.Hold
	if window == 0 {
		window = DefaultHold
	}
	l.spent = slices.DeleteFunc(l.spent, func(e entry) bool { return now.Sub(e.at) > window })
	b := Budget{Released: l.released}
	for _, e := range l.spent {
		b.Spent = b.Spent.plus(e.loss)
	}
	return b
}

// spend notes a loss that was written.
func (l *spending) spend(c Change, now time.Time) {
	ref := c.Ref()
	if l.released[ref] {
		delete(l.released, ref)
		return
	}
	if loss := c.loss(); loss != (Loss{}) {
		l.spent = append(l.spent, entry{now, loss})
	}
}

// observe takes what a plan holds for the budget. A hold ages only while its
// source is connected.
func (l *spending) observe(p *Plan, source catalog.State, now time.Time) {
	l.held = p.overBudget()
	switch {
	case len(l.held) == 0:
		l.since = time.Time{}
	case l.since.IsZero():
		l.since = now
	case l.since.Before(source.Since):
		l.since = source.Since
	}
	l.prune(p)
}

// prune forgets what was let go and is no longer to be done.
func (l *spending) prune(p *Plan) {
	if len(l.released) == 0 {
		return
	}
	still := map[catalog.Ref]bool{}
	for _, c := range slices.Concat(p.Puts, p.Deletes, p.Held) {
		if l.released[c.Ref()] {
			still[c.Ref()] = true
		}
	}
	l.released = still
}

// release lets refs go.
func (l *spending) release(refs []catalog.Ref) {
	if l.released == nil {
		l.released = map[catalog.Ref]bool{}
	}
	for _, ref := range refs {
		l.released[ref] = true
	}
	l.since = time.Time{}
}

// approve lets go what people were shown and is still held.
func (l *Loop) approve() {
	granted := l.granted.Swap(nil)
	if granted == nil {
		return
	}
	shown := make(map[catalog.Ref]bool, len(*granted))
	for _, ref := range *granted {
		shown[ref] = true
	}
	still := slices.DeleteFunc(slices.Clone(l.budget.held), func(ref catalog.Ref) bool { return !shown[ref] })
	if len(still) == 0 {
		return
	}
	l.log.Warn("held deletions approved", "services", len(still))
	l.budget.release(still)
}

// watchHold keeps the age of a hold and ends it by a second look at the source
// when its time has come. It returns when to look again.
func (l *Loop) watchHold(ctx context.Context, s *catalog.Snapshot, p *Plan, now time.Time) time.Time {
	l.budget.observe(p, s.State(l.rule.From), now)
	if len(l.budget.held) == 0 || p.Fell || l.rule.Hold == 0 || l.recheck == nil || p.Blocked != "" {
		return time.Time{}
	}
	if due := l.budget.since.Add(l.rule.Hold); now.Before(due) {
		return due
	}
	if gone := l.secondLook(ctx, s); len(gone) > 0 {
		l.log.Warn("a second read agrees: held deletions go", "services", len(gone))
		l.budget.release(gone)
		return now
	}
	l.budget.since = time.Now()
	return l.budget.since.Add(l.rule.Hold)
}

// secondLook reads the source once more and returns those of the held refs that
// it does not want either.
func (l *Loop) secondLook(ctx context.Context, s *catalog.Snapshot) []catalog.Ref {
	ctx, cancel := context.WithTimeout(ctx, recheckIn)
	defer cancel()
	again, err := l.recheck(ctx, l.rule.From)
	if err != nil {
		l.log.Warn("held deletions stay: the second read failed", "error", err)
		return nil
	}
	of := s.State(l.rule.From).Identity
	from := sourceOf(again, l.rule)
	from.names = l.answers
	w := Desired(again, l.rule, from.mirrors(l.rule, l.target.Canon))
	if w.Of != of || w.Natives == 0 {
		l.log.Warn("held deletions stay: the second read found another registry, or nothing")
		return nil
	}
	wanted := make(map[catalog.Key]bool, len(w.Names))
	for _, name := range w.Names {
		wanted[name] = true
	}
	var gone []catalog.Ref
	for _, ref := range l.budget.held {
		if m := s.Entry(l.rule.To, ref); !m.IsZero() && m.Mark().Joins && !again.Entry(l.rule.From, catalog.Ref{Key: m.Mark().Key}).IsZero() {
			continue
		}
		if m := w.Services[ref.Key]; !m.IsZero() && instances(m) == 0 || !wanted[ref.Key] {
			gone = append(gone, ref)
		}
	}
	return gone
}
