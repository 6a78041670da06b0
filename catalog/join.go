package catalog

import "slices"

// Join makes the feed report to c, too. C at once holds of the origin what the
// feed's catalogs hold, and its state; whatever it held before is gone. All
// further reports go to each of them, so that one watch is enough for several
// readers with policies of their own.
func (f *Feed) Join(c *Catalog) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if slices.Contains(f.to, c) {
		return
	}
	held := f.to[0].Snapshot().origins[f.origin]
	c.change(func(s *Snapshot) bool {
		s.adopt(held)
		return true
	})
	f.to = append(slices.Clip(f.to), c)
}

// Leave ends what Join began: what c holds of the origin stands, and is told
// nothing more. The last catalog of a feed cannot leave it.
func (f *Feed) Leave(c *Catalog) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.Index(f.to, c)
	if i < 0 || len(f.to) == 1 {
		return
	}
	f.to = slices.Delete(slices.Clone(f.to), i, i+1)
	// Whoever waits for news of the feed may wait for c's.
	c.change(func(*Snapshot) bool { return true })
}

func (f *Feed) first() *Catalog {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.to[0]
}

// adopt takes over what another catalog holds of an origin.
func (s *Snapshot) adopt(from *origin) {
	o := newOrigin(from.state.Origin)
	if old := s.origins[from.state.Origin]; old != nil {
		o = old.clone()
	}
	s.putOrigin(o)
	s.forget(o)
	o.state, o.refused, o.directory, o.ranges = from.state, from.refused, from.directory, from.ranges
	o.greatest, o.beyond = "", from.beyond.clone()
	o.state.Services, o.state.Endpoints = 0, 0 // they are counted as they are put
	for ns := range from.namespaces.All() {
		s.putNamespace(o, ns)
	}
	for _, p := range from.pods.All() {
		s.putPod(o, p)
	}
	for _, h := range from.services.All() {
		if h.mark == nil && (h.packed != "") == s.policy.Packed {
			s.keep(o, h) // one piece of memory for both
		} else {
			s.put(o, h.service())
		}
	}
	s.newRegime(o)
}

// forget drops all that o holds.
func (s *Snapshot) forget(o *origin) {
	o.directory = nil
	for ref := range o.services.All() {
		s.drop(o, ref)
	}
	for ns := range o.namespaces.All() {
		s.dropNamespace(o, ns)
	}
	for k := range o.pods.All() {
		s.dropPod(o, k)
	}
}
