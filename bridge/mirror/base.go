package mirror

import (
	"slices"

	"github.com/isthmus-dns/isthmus/catalog"
)

// maxSteps is of how many keys a plan is made by way of the one before. More are
// not worth it.
const maxSteps = 1024

// base is a plan by which the next one is made at the cost of what changed since:
// most changes are of what services say, and of 10,000 others nothing needs to be
// asked again. Whatever might concern more than the services that changed is left
// to a plan from the start, which is the only one that deletes, takes names, or
// gives them up. It belongs to one goroutine.
type base struct {
	s     *catalog.Snapshot
	from  source
	to    catalog.Identity
	w     *Wanted // kept as it would be by now
	p     *Plan
	memo  *memo
	alone bool // no other rule could want the same names

	taken map[catalog.Key]bool // the names that p says somebody else has
}

// newBase returns nil if p is no plan to go on from: something is held back or
// goes, or depends on more than the services themselves. m is the memo that w was
// made by.
func newBase(s *catalog.Snapshot, from source, w *Wanted, p *Plan, m *memo, others []Other) *base {
	switch {
	case p.Blocked != "", len(p.Deletes)+len(p.Held) > 0, blind(s, w.Rule, others) != "":
		return nil
	case w.lacks, w.unread, len(w.joins.asked) > 0:
		return nil
	}
	b := &base{
		s: s, from: from, to: s.State(w.Rule.To).Identity, w: w, p: p, memo: m, alone: len(others) == 0,
		taken: map[catalog.Key]bool{},
	}
	for _, f := range p.Taken {
		b.taken[f.Target] = true
	}
	return b
}

// renewed are the mirrors that changed sources want now, the sources that they
// are made of, and those that they are no longer made of.
type renewed struct {
	want      map[catalog.Key]catalog.Entry
	now, past []catalog.Entry
}

// step returns what Diff would, or nil where only that can tell. Then b is as it
// was, and may be asked again of what comes after s.
func (b *base) step(s *catalog.Snapshot, from source, others []Other, mirrors Mirrors) *Plan {
	if b == nil || from != b.from || s.State(b.w.Rule.To).Identity != b.to ||
		blocked(s, b.w.Rule, others) != "" || blind(s, b.w.Rule, others) != "" {
		return nil
	}
	keys := s.Since(b.s)
	if len(keys) > maxSteps {
		return nil
	}
	n := renewed{want: map[catalog.Key]catalog.Entry{}}
	p := b.follow(s, keys, b.memo.more(mirrors), &n)
	if p == nil {
		b.memo.forget(n.now)
		return nil
	}
	b.advance(s, p, n)
	return p
}

// follow makes the plan of a step.
func (b *base) follow(s *catalog.Snapshot, keys []catalog.Key, mirrors entries, n *renewed) *Plan {
	for _, k := range keys {
		for _, owner := range append([]string{""}, b.w.Rule.Bridges...) {
			ref := catalog.Ref{Key: k, Owner: owner}
			if !b.again(b.s.Entry(b.w.Rule.From, ref), s.Entry(b.w.Rule.From, ref), mirrors, n) {
				return nil
			}
		}
	}
	return b.plan(s, keys, n.want)
}

// advance makes b the base of what comes after s.
func (b *base) advance(s *catalog.Snapshot, p *Plan, n renewed) {
	b.s, b.p = s, p
	for k, m := range n.want {
		b.w.Services[k] = m
	}
	b.memo.forget(n.past)
}

// again adds the mirrors of an original that is not what it was; false if they
// are not the same mirrors, saying something else.
func (b *base) again(was, is catalog.Entry, mirrors entries, n *renewed) bool {
	if was == is {
		return true
	}
	r := b.w.Rule
	old, now := !was.IsZero() && r.copies(was.Mark(), b.to), !is.IsZero() && r.copies(is.Mark(), b.to)
	switch {
	case old != now:
		return false
	case !old:
		return true
	case keyOf(was.Ref().Key, was.Mark()) != keyOf(is.Ref().Key, is.Mark()), !r.alike(was, is):
		return false
	case !r.selects(keyOf(is.Ref().Key, is.Mark())):
		return true
	}
	before, errBefore := mirrors(was)
	n.now = append(n.now, is)
	after, err := mirrors(is)
	if len(before) != len(after) || text(errBefore) != text(err) || err != nil && len(after) == 0 {
		return false
	}
	for i, m := range after {
		if !b.replaces(before[i], m) {
			return false
		}
		n.want[m.Ref().Key] = m
	}
	n.past = append(n.past, was)
	return true
}

// alike reports whether what the rule says of one is what it says of the other,
// and neither has instances whose names are to be looked up.
func (r *Rule) alike(was, is catalog.Entry) bool {
	if len(r.Blocks) > 0 && r.of(was.Head()) != r.of(is.Head()) {
		return false
	}
	named := func(e catalog.Entry) bool { return slices.ContainsFunc(e.Service().Endpoints, isNamed) }
	return !r.Inward || !named(was) && !named(is)
}

// replaces reports whether m is wanted where was is, and is a mirror of the same.
func (b *base) replaces(was, m catalog.Entry) bool {
	key := m.Ref().Key
	return was.Ref().Key == key && b.w.Services[key] == was && *m.Mark() == *was.Mark() && b.w.originalOf(m) == b.w.originalOf(was)
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return oneLine(err)
}

// plan looks at the target's names that may not be as they are wanted: what was to
// be put before still is where nothing changed.
func (b *base) plan(s *catalog.Snapshot, keys []catalog.Key, want map[catalog.Key]catalog.Entry) *Plan {
	names := map[catalog.Key]*Change{}
	for _, k := range keys {
		names[k] = nil
	}
	for k := range want {
		names[k] = nil
	}
	p := *b.p
	p.Puts = make([]Change, 0, len(b.p.Puts)+len(want))
	for _, c := range b.p.Puts {
		_, changed := names[c.Want.Key]
		switch {
		case changed:
			names[c.Want.Key] = &c
		case b.w.Rule.Inward && !s.HoldsNamespace(b.w.Rule.To, c.Want.Namespace):
			return nil
		default:
			p.Puts = append(p.Puts, c)
		}
	}
	for k, before := range names {
		m := want[k]
		if m.IsZero() {
			m = b.w.Services[k]
		}
		c, ok := b.look(s, k, m, before)
		if !ok {
			return nil
		}
		if c != nil {
			p.Puts = append(p.Puts, *c)
		}
	}
	p.Same = b.p.Same + len(b.p.Puts) - len(p.Puts)
	slices.SortFunc(p.Puts, Change.compare)
	return &p
}

// look returns what is to be written under one name, if anything; false if that
// is more than to bring a mirror up to date, or to go on making one that was to be
// made before.
func (b *base) look(s *catalog.Snapshot, k catalog.Key, want catalog.Entry, before *Change) (*Change, bool) {
	r, there := b.w.Rule, spot{}
	for _, e := range s.Under(r.To, k) {
		there.add(r, e)
	}
	m := there.ours
	switch {
	case b.taken[k]:
		return nil, false
	case want.IsZero():
		asks := !there.stranger.IsZero() && there.stranger.Head().Meta[noteJoin] != ""
		return nil, !asks && !b.w.ours(m)
	case !there.stranger.IsZero(), r.Inward && !s.HoldsNamespace(r.To, k.Namespace):
		return nil, false
	case m.IsZero():
		c := creation(want)
		return &c, b.alone && before != nil && before.Found == nil
	case !b.w.ours(m), whole(m.Mark()) != whole(want.Mark()):
		return nil, false
	case want.Same(m):
		return nil, true
	}
	c := update(m, want)
	return &c, c.loss() == Loss{}
}
