package mirror

import (
	"maps"
	"slices"

	"github.com/isthmus-dns/isthmus/catalog"
)

// maxSteps is of how many keys a plan is made by way of the one before. More are
// not worth it.
const maxSteps = 256

// base is a plan that was made from the start, by which the next ones are made
// at the cost of what changed since: most changes are of what services say, and
// of 10,000 others nothing needs to be asked again. Whatever might concern more
// than the services that changed is left to a plan from the start, which is the
// only one that deletes, takes names, or gives them up. It is immutable.
type base struct {
	s    *catalog.Snapshot
	from source
	to   catalog.Identity
	w    *Wanted
	p    *Plan

	taken map[catalog.Key]bool // the names that p says somebody else has
}

// newBase returns nil if p is no plan to go on from: something is held back or
// goes, or depends on more than the services themselves.
func newBase(s *catalog.Snapshot, from source, w *Wanted, p *Plan, others []Other) *base {
	switch {
	case p.Blocked != "", len(p.Deletes)+len(p.Held) > 0, blind(s, w.Rule, others) != "":
		return nil
	case w.lacks, w.unread, len(w.joins.asked) > 0:
		return nil
	}
	b := &base{s: s, from: from, to: s.State(w.Rule.To).Identity, w: w, p: p, taken: map[catalog.Key]bool{}}
	for _, f := range p.Taken {
		b.taken[f.Target] = true
	}
	return b
}

// step returns what Diff would, or nil where only that can tell. mirrors returns
// for the same original what the base was made of.
func (b *base) step(s *catalog.Snapshot, from source, others []Other, mirrors Mirrors) *Plan {
	if b == nil || from != b.from || s.State(b.w.Rule.To).Identity != b.to ||
		blocked(s, b.w.Rule, others) != "" || blind(s, b.w.Rule, others) != "" {
		return nil
	}
	keys := s.Since(b.s)
	if len(keys) > maxSteps {
		return nil
	}
	want := map[catalog.Key]*catalog.Service{}
	for _, k := range keys {
		for _, owner := range append([]string{""}, b.w.Rule.Bridges...) {
			ref := catalog.Ref{Key: k, Owner: owner}
			if !b.again(b.s.Get(b.w.Rule.From, ref), s.Get(b.w.Rule.From, ref), mirrors, want) {
				return nil
			}
		}
	}
	return b.plan(s, keys, want)
}

// again adds the mirrors of an original that is not what it was; false if they
// are not the same mirrors, saying something else.
func (b *base) again(was, is *catalog.Service, mirrors Mirrors, want map[catalog.Key]*catalog.Service) bool {
	r := b.w.Rule
	old, now := was != nil && r.copies(was, b.to), is != nil && r.copies(is, b.to)
	switch {
	case old != now:
		return false
	case !old || was == is:
		return true
	case keyOf(was) != keyOf(is) || r.of(was) != r.of(is):
		return false
	case !r.selects(keyOf(is)):
		return true
	}
	before, errBefore := mirrors(was)
	after, err := mirrors(is)
	if len(before) != len(after) || text(errBefore) != text(err) || err != nil && len(after) == 0 {
		return false
	}
	for i, m := range after {
		if !b.replaces(before[i], m) {
			return false
		}
		want[m.Key] = m
	}
	return true
}

// replaces reports whether m is wanted where was is, and is a mirror of the same.
func (b *base) replaces(was, m *catalog.Service) bool {
	return b.w.Services[was.Key] == was && m.Key == was.Key && *m.Mark == *was.Mark && b.w.originalOf(m) == b.w.originalOf(was)
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return oneLine(err)
}

// plan looks at the target's names that may not be as they are wanted.
func (b *base) plan(s *catalog.Snapshot, keys []catalog.Key, want map[catalog.Key]*catalog.Service) *Plan {
	names := map[catalog.Key]bool{}
	for _, k := range keys {
		names[k] = true
	}
	for k := range want {
		names[k] = true
	}
	for _, c := range b.p.Puts {
		names[c.Want.Key] = true
	}
	p := *b.p
	p.Same, p.Puts = b.p.Same+len(b.p.Puts), nil
	for k := range maps.Keys(names) {
		m := want[k]
		if m == nil {
			m = b.w.Services[k]
		}
		c, ok := b.look(s, k, m)
		if !ok {
			return nil
		}
		if c != nil {
			p.Puts = append(p.Puts, *c)
		}
	}
	p.Same -= len(p.Puts)
	slices.SortFunc(p.Puts, Change.compare)
	return &p
}

// look returns what is to be written under one name, if anything; false if that
// is more than to bring a mirror up to date.
func (b *base) look(s *catalog.Snapshot, k catalog.Key, want *catalog.Service) (*Change, bool) {
	r, there := b.w.Rule, spot{}
	for _, svc := range s.Under(r.To, k) {
		there.add(r, svc)
	}
	m := there.ours
	switch {
	case b.taken[k]:
		return nil, false
	case want == nil:
		asks := there.stranger != nil && there.stranger.Meta[noteJoin] != ""
		return nil, !asks && !b.w.ours(m)
	case there.stranger != nil, !b.w.ours(m), whole(m) != whole(want):
		return nil, false
	case r.Inward && !s.HoldsNamespace(r.To, k.Namespace):
		return nil, false
	case want.Same(m):
		return nil, true
	}
	c := &Change{Want: want, Found: m, Why: differs(m, want)}
	return c, c.loss() == Loss{}
}
