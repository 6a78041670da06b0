package zookeeper

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// group is all of one service key: what stands at one name, or at several that read
// as the same, as "a/b" and "a-b" do.
type group struct {
	key     catalog.Key
	names   []string // those at which anything stands, in order
	told    registry.Told
	lapsed  time.Time // since when a service that was told has no instance, and nothing changed; zero: not so
	refused map[string]bool
}

// keyOf is the key of the group of a name. One that is no key's has a group, too,
// in no namespace, for what is refused of it.
func (t *table) keyOf(name string) catalog.Key {
	k, err := t.layout.key(name)
	if err != nil {
		return catalog.Key{Name: name}
	}
	return k
}

// touchNodeLocked has what a node is part of looked at.
func (t *table) touchNodeLocked(n *node) {
	switch {
	case n.side != nil:
		t.touchLocked(n.of)
	case n.record != nil, n.err != nil && n.up.up != nil:
		t.touchLocked(t.layout.name(n.up.path))
	}
}

func (t *table) touchLocked(name string) {
	k := t.keyOf(name)
	g := t.groups[k]
	if g == nil {
		g = &group{key: k}
		t.groups[k] = g
	}
	if i, there := slices.BinarySearch(g.names, name); !there {
		g.names = slices.Insert(g.names, i, name)
	}
	g.lapsed = time.Time{}
	if _, is := t.dirty[k]; !is {
		t.dirty[k] = time.Now()
	}
}

// stale reports whether there is something to tell.
func (t *table) stale() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.dirty)+len(t.untold) > 0 || t.partial && len(t.denied) == 0
}

// replace reports everything, once all of it was read. What no list showed is gone.
func (t *table) replace(feed *catalog.Feed) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range t.nodes {
		if n.up != nil && n.confirmed < t.round {
			t.dropLocked(n)
		}
	}
	t.feed, t.told = feed, true
	for path := range t.denied {
		t.untold[path] = true
	}
	t.deniedLocked()
	clear(t.dirty)
	var all []*catalog.Service
	for k, g := range t.groups {
		g.told = nil
		set, _ := t.decodeLocked(k, false)
		all = append(all, set...)
	}
	t.sweepLocked()
	feed.Replace(all)
	if t.partial && len(t.denied)+len(t.shown) == 0 {
		t.wholeLocked()
	}
}

// flush reports what changed of services of which nothing is asked any more, and of
// those that changed long ago. It returns whether any is left.
func (t *table) flush(now time.Time, busy func(name string) bool) (left bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.untold) > 0 {
		t.deniedLocked()
	}
	var set []*catalog.Service
	var gone []catalog.Ref
	for k, since := range t.dirty {
		if !t.dueLocked(t.groups[k], now, since, busy) {
			continue
		}
		delete(t.dirty, k)
		s, g := t.decodeLocked(k, false)
		set, gone = append(set, s...), append(gone, g...)
	}
	if len(set)+len(gone) > 0 {
		t.feed.Update(set, gone)
	}
	return len(t.dirty) > 0
}

// dueLocked reports whether what changed of a group since then is to be told.
func (t *table) dueLocked(g *group, now, since time.Time, busy func(name string) bool) bool {
	age := now.Sub(since)
	switch {
	case g == nil:
		return true
	case age < settle && t.mirroredLocked(g):
		return false
	case age < longSettle && slices.ContainsFunc(g.names, busy):
		return false
	case !t.lapsedLocked(g):
		return true
	case g.lapsed.IsZero():
		g.lapsed = now
	}
	return now.Sub(g.lapsed) >= t.lull
}

// mirroredLocked reports whether any mirror is part of a group, or was when the feed was
// told. What is written of one at once stands below several nodes, whose lists are asked
// one by one; of a native no list is open but its own.
func (t *table) mirroredLocked(g *group) bool {
	if g.told.Any(func(owner string) bool { return owner != "" }) {
		return true
	}
	return slices.ContainsFunc(g.names, func(name string) bool {
		if len(t.sides[name]) > 0 {
			return true
		}
		n := t.nodes[t.layout.folder(name)]
		if n == nil {
			return false
		}
		for _, child := range n.below {
			if child.record != nil && child.record.owner != "" {
				return true
			}
		}
		return false
	})
}

// lapsed reports whether any service that was told has no instance any more. Where
// nothing was told yet, it reports whether there is a node that had something below it.
func (t *table) lapsed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.told {
		return t.emptiedLocked()
	}
	for _, g := range t.groups {
		if t.lapsedLocked(g) {
			return true
		}
	}
	return false
}

// emptiedLocked reports whether there is a node above instances from which the last was
// taken away.
func (t *table) emptiedLocked() bool {
	for _, n := range t.nodes {
		if n.czxid != 0 && n.listed && len(n.below) == 0 && n.pzxid > n.czxid {
			return true
		}
	}
	return false
}

// lapsedLocked reports that of a group: the feed has a native service, and here is none.
func (t *table) lapsedLocked(g *group) bool {
	if !g.told.Any(func(owner string) bool { return owner == "" }) {
		return false
	}
	return !slices.ContainsFunc(g.names, func(name string) bool {
		n := t.nodes[t.layout.folder(name)]
		if n == nil {
			return false
		}
		for _, child := range n.below {
			if r := child.record; r != nil && r.owner == "" && child.confirmed >= t.round {
				return true
			}
		}
		return false
	})
}

// decodeLocked returns what changed of one group since the feed was told. A native
// service that is gone stands if it is kept.
func (t *table) decodeLocked(k catalog.Key, keep bool) (set []*catalog.Service, gone []catalog.Ref) {
	g := t.groups[k]
	if g == nil {
		return nil, nil
	}
	services, refused := t.servicesLocked(g)
	for _, s := range services {
		s.Key = g.key
	}
	set, gone = g.told.Tell(g.key, services, func(owner string) bool { return keep && owner == "" })
	t.refuseLocked(g, refused)
	if len(g.names) == 0 && len(g.told) == 0 {
		delete(t.groups, k)
	}
	return set, gone
}

// servicesLocked decodes all names of a group. Of several with natives the one whose
// node is the oldest has the key, so that nobody takes it by a name that reads as the
// same; the others are refused.
func (t *table) servicesLocked(g *group) (all []*catalog.Service, refused map[string]error) {
	refused = map[string]error{}
	first, used := "", []string(nil)
	for _, name := range t.byAgeLocked(g.names) {
		services, errs := t.standsLocked(name)
		if len(services)+len(errs) > 0 {
			used = append(used, name)
		}
		maps.Copy(refused, errs)
		for _, s := range services {
			switch {
			case s.Mark == nil && first != "":
				refused[t.layout.folder(name)] = fmt.Errorf("service %q is what %q reads as, too", g.key, first)
				continue
			case s.Mark == nil:
				first = t.layout.folder(name)
			}
			all = append(all, s)
		}
	}
	slices.Sort(used)
	g.names = used
	return all, refused
}

// byAgeLocked sorts names by when their nodes were made, the path first of all.
func (t *table) byAgeLocked(names []string) []string {
	made := func(name string) int64 {
		if n := t.nodes[t.layout.folder(name)]; n != nil {
			return n.czxid
		}
		return 0
	}
	return slices.SortedStableFunc(slices.Values(names), func(a, b string) int { return cmp.Compare(made(a), made(b)) })
}

// standsLocked decodes what stands at a name.
func (t *table) standsLocked(name string) (all []*catalog.Service, refused map[string]error) {
	var records []*record
	foreign := map[string]error{}
	if n := t.nodes[t.layout.folder(name)]; n != nil {
		for _, child := range n.below {
			switch {
			case child.record != nil:
				records = append(records, child.record)
			case child.err != nil && child.lonely():
				foreign[child.path] = child.err
			}
		}
	}
	sides := slices.SortedFunc(maps.Values(t.sides[name]), func(a, b *side) int { return cmp.Compare(a.path, b.path) })
	for _, s := range sides {
		if s.owner == "" {
			foreign[s.path] = s.err
		}
	}
	if len(records)+len(sides) > 0 {
		slices.SortFunc(records, func(a, b *record) int { return cmp.Compare(a.path, b.path) })
		all, refused = t.layout.decode(name, records, sides)
		maps.Copy(foreign, refused)
	}
	return all, foreign
}

// lonely reports whether a node with foreign data stands where an instance should: at
// a service, and with nothing below.
func (n *node) lonely() bool {
	return n.up.up != nil && len(n.below) == 0 && (n.listed || n.session != 0)
}
