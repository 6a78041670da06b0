package catalog

import (
	"cmp"
	"iter"
	"slices"
)

// putAll is put of each of these, in their order. Where o holds nothing yet, maps
// are made at once: a start costs no copies of nodes that nobody saw.
func (s *Snapshot) putAll(o *origin, all iter.Seq[*Service]) {
	if o.services.Len() > 0 {
		for svc := range all {
			s.put(o, svc)
		}
		return
	}
	o.services = o.services.SetAll(func(yield func(Ref, *held) bool) {
		for svc := range all {
			if h := s.hold(s.taken(o, svc)); !yield(h.Ref, h) {
				return
			}
		}
	})
	o.state.Services = o.services.Len()
	for _, h := range o.services.All() {
		o.state.Endpoints += int(h.endpoints)
	}
	s.listAll(o)
}

// replace makes all what o holds. What is there in the same version, and says the
// same, stays as it is.
func (s *Snapshot) replace(o *origin, all iter.Seq[*Service]) {
	gone := make(map[Ref]bool, o.services.Len())
	for ref := range o.services.All() {
		gone[ref] = true
	}
	for svc := range all {
		delete(gone, svc.Ref())
		if old, known := o.services.Get(svc.Ref()); !known || !old.is(svc) {
			s.put(o, svc)
		}
	}
	for ref := range gone {
		s.drop(o, ref)
	}
}

// listAll is list of all that o holds, none of which is listed.
func (s *Snapshot) listAll(o *origin) {
	under := make(map[Key][]*held, o.services.Len())
	for _, h := range o.services.All() {
		for _, k := range s.answersTo(h) {
			under[k] = append(under[k], h)
		}
	}
	before, fresh := s.keys, map[string]int{}
	s.keys = before.SetAll(func(yield func(Key, []*held) bool) {
		for k, mine := range under {
			old, known := before.Get(k)
			if !known {
				fresh[k.Namespace]++
			}
			if !yield(k, s.ranked(old, mine...)) {
				return
			}
		}
	})
	for ns, keys := range fresh {
		s.count(ns, 0, keys)
	}
}

// ranked returns what stands under a key, old, and more, in the order of those
// that answer first. The slice is new.
func (s *Snapshot) ranked(old []*held, more ...*held) []*held {
	next := slices.Concat(old, more)
	slices.SortFunc(next, func(a, b *held) int {
		return cmp.Or(cmp.Compare(s.policy.rank(a.origin), s.policy.rank(b.origin)),
			cmp.Compare(a.origin, b.origin), cmp.Compare(a.Owner, b.Owner), a.Key.Compare(b.Key))
	})
	return next
}
