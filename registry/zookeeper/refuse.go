package zookeeper

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
)

// refuseLocked reports which records of a group are refused now.
func (t *table) refuseLocked(g *group, refused map[string]error) {
	for path := range g.refused {
		if refused[path] == nil {
			delete(g.refused, path)
			t.acceptLocked(path)
		}
	}
	if g.refused == nil && len(refused) > 0 {
		g.refused = map[string]bool{}
	}
	for path, err := range refused {
		g.refused[path] = true
		t.rejectLocked(path, err)
	}
}

// deny takes note that a node cannot be read. What was known of it stands, and what
// is below: that it may not be read any more does not mean that it is gone. Nothing
// watches that meanwhile, so once it may be listed again all of it is read.
func (t *table) deny(path string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := t.nodes[path]; n != nil {
		t.denied[path], t.untold[path] = err, true
		delete(t.shown, path)
		n.confirmed, n.listed = t.round, false
		t.confirmLocked(n)
	}
}

// allowLocked takes note that a node can be read, or is gone. What it holds may be
// refused for another reason.
func (t *table) allowLocked(path string) {
	if t.denied[path] != nil {
		delete(t.denied, path)
		t.untold[path], t.shown[path], t.calm = true, true, time.Time{}
		if n := t.nodes[path]; n != nil {
			t.touchNodeLocked(n)
		}
	}
}

// confirmLocked has all below a node stand that was not found in this Watch yet.
func (t *table) confirmLocked(n *node) {
	for _, child := range n.below {
		if child.confirmed < t.round {
			child.confirmed, child.expired = t.round, true
		}
		t.confirmLocked(child)
	}
}

// deniedLocked reports which nodes may not be read. What else there is may be of use,
// but nobody knows what they hold. That all may be read again whole reports, later.
func (t *table) deniedLocked() {
	for path := range t.untold {
		if t.denied[path] == nil {
			t.acceptLocked(path)
		} else {
			t.rejectLocked(path, t.denied[path])
		}
	}
	clear(t.untold)
	if len(t.denied) == 0 {
		return
	}
	t.partial = true
	first := slices.Min(slices.Collect(maps.Keys(t.denied)))
	t.feed.Partial(fmt.Errorf("nodes cannot be read, %d of them, such as %q: %w", len(t.denied), first, t.denied[first]))
}

// whole reports, once all may be read again, that the feed was told of all: after what
// could not be read was, and was told. Else a bridge would take that to be gone. It
// returns whether that is still to come.
func (t *table) whole(now time.Time) (left bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.partial || len(t.denied) > 0 {
		return false
	}
	maps.DeleteFunc(t.shown, func(path string, _ bool) bool { return t.nodes[path] == nil || t.nodes[path].read() })
	switch {
	case len(t.shown) > 0:
		return true
	case t.calm.IsZero():
		t.calm = now
	}
	if now.Sub(t.calm) < longSettle { // within which all is told
		return true
	}
	t.wholeLocked()
	return false
}

// read reports whether a node was, and all that is known to be below it.
func (n *node) read() bool {
	switch {
	case n.err == errLong:
		return true
	case n.expired, n.pzxid == 0 && n.czxid == 0, !n.listed && !n.leaf():
		return false
	}
	for _, child := range n.below {
		if !child.read() {
			return false
		}
	}
	return true
}

func (t *table) wholeLocked() {
	t.partial = false
	clear(t.shown)
	t.feed.Partial(nil)
}

func (t *table) rejectLocked(path string, err error) {
	t.refused[path] = true
	if t.feed.Refuse(path, err) {
		t.log.Warn("record left out", "record", catalog.Brief(path), "error", catalog.Brief(err.Error()))
	}
}

func (t *table) acceptLocked(path string) {
	delete(t.refused, path)
	t.feed.Refuse(path, nil)
}

// sweepLocked takes back refusals of records that are gone or well.
func (t *table) sweepLocked() {
	held := map[string]bool{}
	for _, g := range t.groups {
		for path := range g.refused {
			held[path] = true
		}
	}
	for path := range t.refused {
		if !held[path] && t.denied[path] == nil {
			t.acceptLocked(path)
		}
	}
}
