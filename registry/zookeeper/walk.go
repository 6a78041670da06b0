package zookeeper

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/go-zookeeper/zk"
	"golang.org/x/sync/errgroup"

	"github.com/isthmus-dns/isthmus/catalog"
)

const (
	maxAsked = 64 // questions that are not answered yet

	settle     = 3 * time.Millisecond   // between two reports, and for all of a mirror to be read
	longSettle = 500 * time.Millisecond // at most, where more is told all the time

	// lull is how long a service without instances is kept. A client of Curator's that has
	// reconnected registers again, for which it removes its instance and makes it anew.
	lull = 500 * time.Millisecond

	manyChildren = 1000                  // from which on lists of them are spaced
	childTime    = 10 * time.Microsecond // between two such lists, for each child
)

// question is what is asked of one node: what it holds, or what is below it.
type question struct {
	path string
	list bool
}

// asking is how far a question is.
type asking struct {
	asked bool // else it waits
	again bool // something changed since it was asked
	first bool // it is part of reading everything
}

// walk keeps a table equal to what a server holds: it reads everything, and again
// what a watch tells. For each node there is one question of a kind at a time.
type walk struct {
	session *session
	table   *table
	feed    *catalog.Feed

	answers  chan answer     // has room for all that are asked
	suspects chan []question // what a comparison found to differ
	reported atomic.Bool     // everything was read

	open    map[question]asking
	waiting queue
	asked   int
	first   int                    // open questions that are part of reading everything
	busy    map[string]int         // open questions by the service that they are about
	spaced  map[question]time.Time // not to be asked again before
	later   []question             // those of spaced that are open
	due     time.Time              // when to report; zero: nothing is to be
	rested  time.Time              // when to report at the earliest
	read    time.Time              // when everything had been read; zero: not yet
}

// answer is what became of a question.
type answer struct {
	question
	node  reading
	names []string
	stat  *zk.Stat
	err   error
}

func newWalk(s *session, t *table, feed *catalog.Feed) *walk {
	return &walk{
		session: s, table: t, feed: feed,
		answers: make(chan answer, maxAsked), suspects: make(chan []question),
		open: map[question]asking{}, busy: map[string]int{}, spaced: map[question]time.Time{},
	}
}

// alive tells the feed that the server is there, once everything was read.
func (w *walk) alive() {
	if w.reported.Load() {
		w.feed.Connected(nil)
	}
}

// run walks until ctx ends or the session is lost.
func (w *walk) run(ctx context.Context) error {
	for _, root := range w.table.layout.roots() {
		w.add(question{root, true}, true)
	}
	asking, ctx := errgroup.WithContext(ctx)
	asking.Go(func() error { return w.loop(ctx, asking) })
	return asking.Wait()
}

func (w *walk) loop(ctx context.Context, asking *errgroup.Group) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		now := time.Now()
		w.heard(w.session.told()) // before what was answered after it is reported
		w.wait(now)
		for w.asked < maxAsked && !w.waiting.empty() {
			q := w.next()
			asking.Go(func() error { w.answers <- w.ask(ctx, q); return nil })
		}
		timer.Reset(w.report(now))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.session.over.Done():
			return context.Cause(w.session.over)
		case <-timer.C:
		case <-w.session.wake:
		case all := <-w.suspects:
			for _, q := range all {
				w.add(q, false)
			}
		case a := <-w.answers:
			if err := w.take(a); err != nil {
				return err
			}
		}
	}
}

// add has a question asked, once more if it is being asked already.
func (w *walk) add(q question, first bool) {
	st, known := w.open[q]
	if first && !st.first {
		st.first = true
		w.first++
	}
	st.again = st.again || st.asked && !first
	w.open[q] = st
	if known {
		return
	}
	about := w.table.layout.about(q)
	w.busy[about]++
	if w.spaced[q].After(time.Now()) {
		w.later = append(w.later, q)
		return
	}
	w.waiting.push(about, q)
}

// next takes the question whose turn it is.
func (w *walk) next() question {
	q := w.waiting.pop()
	st := w.open[q]
	st.asked = true
	w.open[q] = st
	w.asked++
	return q
}

// done closes a question that was answered, or has it asked once more.
func (w *walk) done(q question) {
	st := w.open[q]
	delete(w.open, q)
	w.asked--
	if st.first {
		w.first--
	}
	about := w.table.layout.about(q)
	if w.busy[about]--; w.busy[about] == 0 {
		delete(w.busy, about)
	}
	if st.again {
		w.add(q, false)
	}
}

// ask asks, and sets the watch that tells when the answer is no longer right.
func (w *walk) ask(ctx context.Context, q question) (a answer) {
	a.question = q
	if !q.list {
		var data []byte
		if data, a.stat, a.err = w.session.get(ctx, q.path, true); a.err == nil {
			a.node = w.table.read(q.path, data, a.stat)
		}
		return a
	}
	for {
		a.names, a.stat, a.err = w.session.children(ctx, q.path)
		if !errors.Is(a.err, zk.ErrNoNode) || !w.table.layout.isRoot(q.path) {
			return a
		}
		if stat, err := w.session.exists(ctx, q.path, true); err != nil || stat == nil {
			a.err = cmp.Or(err, a.err)
			return a
		}
	}
}

// take takes over an answer, and asks what follows from it. What was told before the
// server answered counts before it: that a node is gone of which the answer lists
// another is told by nothing after it. An error is one that leaves nothing to read.
func (w *walk) take(a answer) error {
	w.heard(w.session.told())
	first := w.open[a.question].first
	switch {
	case errors.Is(a.err, zk.ErrNoNode):
		if first && a.path == w.table.layout.path {
			w.table.log.Info("the path is not there yet", "path", a.path)
		}
		if up := w.table.drop(a.path); up != "" {
			w.add(question{up, true}, false) // it may be back, and was listed before this was heard
		}
	case refusing(a.err) && a.path == w.table.layout.path:
		return fmt.Errorf("list %q: %w", a.path, a.err)
	case refusing(a.err):
		w.table.deny(a.path, a.err)
		if errors.Is(a.err, errCrowd) {
			w.space(a.question, maxChildren)
		}
	case a.err != nil:
		return a.err
	case a.list:
		for _, q := range w.table.setList(a.path, a.names, a.stat) {
			w.add(q, first)
		}
		w.session.taken(a.names)
		if n := len(a.names); n >= manyChildren {
			w.space(a.question, n)
		}
	case w.table.set(a.node):
		w.add(question{a.path, true}, first)
	}
	w.done(a.question)
	return w.table.full()
}

// space has a node with so many children not be listed again for a while.
func (w *walk) space(q question, children int) {
	w.spaced[q] = time.Now().Add(time.Duration(children) * childTime)
}

// refusing reports whether a server does not tell of one node what it does of others.
func refusing(err error) bool {
	return errors.Is(err, zk.ErrNoAuth) || errors.Is(err, zk.ErrInvalidPath) || errors.Is(err, errCrowd)
}

// heard asks anew what watches told to have changed. Of what is gone those above are
// told, too.
func (w *walk) heard(all []change) {
	for _, c := range all {
		root := w.table.layout.isRoot(c.path)
		switch {
		case c.kind == zk.EventNodeDeleted && !root:
			w.table.expire(c.path)
		case !w.table.knows(c.path):
		case c.kind != zk.EventNodeDataChanged:
			w.add(question{c.path, true}, false)
		case w.table.layout.role(c.path) != folder:
			w.add(question{c.path, false}, false)
		}
	}
}

// report tells the feed what is due, and returns how long nothing will be.
func (w *walk) report(now time.Time) time.Duration {
	switch {
	case !w.reported.Load() && w.first == 0 && w.holds(now):
		w.due = now.Add(lull / 20)
	case !w.reported.Load() && w.first == 0:
		w.table.replace(w.feed)
		w.reported.Store(true)
		w.rested = now
	case w.reported.Load():
		w.flush(now)
	}
	next := w.due
	for _, q := range w.later {
		if at := w.spaced[q]; next.IsZero() || at.Before(next) {
			next = at
		}
	}
	if next.IsZero() {
		return time.Hour
	}
	return max(0, next.Sub(now))
}

// flush reports what changed: at once, unless it did so just before.
func (w *walk) flush(now time.Time) {
	if w.due.IsZero() && w.table.stale() {
		w.due = w.rested
	}
	if w.due.IsZero() || now.Before(w.due) {
		return
	}
	left := w.table.flush(now, func(name string) bool { return w.busy[name] > 0 })
	left = w.table.whole(now) || left
	w.due, w.rested = time.Time{}, time.Now().Add(max(settle, 2*time.Since(now)))
	if left {
		w.due = w.rested
	}
}

// holds reports whether the first report is to wait: for what changed while everything
// was read, and for instances that may come back.
func (w *walk) holds(now time.Time) bool {
	if w.read.IsZero() {
		w.read = now
	}
	waited := now.Sub(w.read)
	return waited < longSettle && len(w.open) > 0 || waited < w.table.lull && w.table.lapsed()
}

// wait has those questions wait whose time has come.
func (w *walk) wait(now time.Time) {
	w.later = slices.DeleteFunc(w.later, func(q question) bool {
		come := !w.spaced[q].After(now)
		if come {
			w.waiting.push(w.table.layout.about(q), q)
		}
		return come
	})
}
