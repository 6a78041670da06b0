package mirror

import (
	"context"
	"slices"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
)

// spending is a loop's memory of deletions: what was spent of the budget lately,
// what was let go, and since when the budget holds what.
type spending struct {
	spent    []entry
	released map[catalog.Ref]bool
	denied   map[catalog.Ref]bool      // of those held, what a second look did not agree to
	held     []catalog.Ref             // what the budget holds by the last plan
	since    map[catalog.Ref]time.Time // when the hold of each began, or its source was connected again, or it was looked at
	looked   time.Time                 // when the source was last read for them
}

// looks is how many second reads a hold may take, where it begins for one service
// after the other.
const looks = 10

type entry struct {
	at     time.Time
	loss   Loss
	try    Try
	unsure bool // whether it was done nobody knows
}

// now returns the budget at a moment. What was spent counts for as long as a
// hold lasts, so that many small losses are one big one.
func (l *spending) now(r *Rule, now time.Time) Budget {
	window := r.Hold
	if window == 0 {
		window = DefaultHold
	}
	l.spent = slices.DeleteFunc(l.spent, func(e entry) bool { return now.Sub(e.at) > window })
	b := Budget{Released: l.released, Denied: l.denied, Unsure: map[Try]bool{}}
	for _, e := range l.spent {
		b.Spent = b.Spent.plus(e.loss)
		if e.unsure {
			b.Unsure[e.try] = true
		}
	}
	return b
}

// spend notes a loss that was written, or that may have been: then it counts once,
// however often it is tried over what stood there.
func (l *spending) spend(c Change, unsure bool, now time.Time) {
	ref, loss := c.Ref(), c.loss()
	was := slices.IndexFunc(l.spent, func(e entry) bool { return e.unsure && e.try == c.try() })
	switch {
	case l.released[ref]:
		if !unsure {
			delete(l.released, ref)
		}
	case was >= 0:
		l.spent[was].unsure = unsure
		if loss != (Loss{}) {
			l.spent[was].at = now
		}
	case loss != Loss{}:
		l.spent = append(l.spent, entry{now, loss, c.try(), unsure})
	}
}

// observe takes what a plan holds for the budget. A hold ages only while its
// source is connected, and each service's by itself: what goes while others are
// held waits as long as they did.
func (l *spending) observe(p *Plan, source catalog.State, now time.Time) {
	l.held = p.overBudget()
	since := make(map[catalog.Ref]time.Time, len(l.held))
	for _, ref := range l.held {
		switch at, known := l.since[ref]; {
		case !known:
			since[ref] = now
		case at.Before(source.Since):
			since[ref] = source.Since
		default:
			since[ref] = at
		}
	}
	l.since = since
	l.deny(nil)
	l.prune(p)
}

// due returns what has been held for as long as a hold lasts, and when to look
// again if that is nothing.
func (l *spending) due(hold time.Duration, now time.Time) (refs []catalog.Ref, at time.Time) {
	for _, ref := range l.held {
		end := l.since[ref].Add(hold)
		if !now.Before(end) {
			refs = append(refs, ref)
		}
		at = earliest(at, end)
	}
	if next := l.looked.Add(hold / looks); !l.looked.IsZero() && now.Before(next) {
		return nil, latest(at, next)
	}
	return refs, at
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
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

// deny notes what a second look did not agree to, for as long as it is held.
func (l *spending) deny(refs []catalog.Ref) {
	if len(l.denied)+len(refs) == 0 {
		return
	}
	denied := map[catalog.Ref]bool{}
	for _, ref := range l.held {
		if l.denied[ref] || slices.Contains(refs, ref) {
			denied[ref] = true
		}
	}
	l.denied = denied
}

// release lets refs go.
func (l *spending) release(refs []catalog.Ref) {
	if l.released == nil {
		l.released = map[catalog.Ref]bool{}
	}
	for _, ref := range refs {
		l.released[ref] = true
	}
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
	refs, due := l.budget.due(l.rule.Hold, now)
	if len(refs) == 0 {
		return due
	}
	gone, there := l.secondLook(ctx, s, refs)
	l.budget.looked = time.Now()
	for _, ref := range refs {
		l.budget.since[ref] = l.budget.looked
	}
	l.budget.deny(there)
	if len(gone) > 0 {
		l.log.Warn("a second read agrees: held deletions go", "services", len(gone))
		l.budget.release(gone)
		return now
	}
	_, due = l.budget.due(l.rule.Hold, l.budget.looked)
	return due
}

// secondLook reads the source once more and returns those of the held refs that
// it does not want either, and those that it does.
func (l *Loop) secondLook(ctx context.Context, s *catalog.Snapshot, held []catalog.Ref) (gone, there []catalog.Ref) {
	ctx, cancel := context.WithTimeout(ctx, recheckIn)
	defer cancel()
	again, err := l.recheck(ctx, l.rule.From)
	if err != nil {
		l.log.Warn("held deletions stay: the second read failed", "error", err)
		return nil, nil
	}
	of := s.State(l.rule.From).Identity
	from := sourceOf(again, l.rule)
	from.names, from.ranges = l.answers, s.Ranges(l.rule.To)
	w := Desired(again, l.rule, from.mirrors(l.rule, l.target.Canon))
	if w.Of != of || w.Natives == 0 {
		l.log.Warn("held deletions stay: the second read found another registry, or nothing")
		return nil, nil
	}
	wanted := make(map[catalog.Key]bool, len(w.Names))
	for _, name := range w.Names {
		wanted[name] = true
	}
	for _, ref := range held {
		m := s.Entry(l.rule.To, ref)
		joins := !m.IsZero() && m.Mark().Joins && !again.Entry(l.rule.From, catalog.Ref{Key: m.Mark().Key}).IsZero()
		if !joins && w.agrees(m, ref.Key, wanted) {
			gone = append(gone, ref)
		} else {
			there = append(there, ref)
		}
	}
	return gone, there
}

// agrees reports whether what stands at the target as m, under a key, is to go or to
// have no instance by w as well.
func (w *Wanted) agrees(m catalog.Entry, key catalog.Key, wanted map[catalog.Key]bool) bool {
	is := w.Services[key]
	switch {
	case is.IsZero():
		return !wanted[key]
	case m.IsZero(), whole(m.Mark()) == whole(is.Mark()):
		return instances(is) == 0
	}
	_, there := w.Names[w.originalOf(m)]
	return !there
}
