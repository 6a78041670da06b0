package catalog

import (
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Catalog keeps the newest snapshot and makes the next one out of what feeds
// report. Make one with New.
type Catalog struct {
	newest atomic.Pointer[Snapshot]
	mu     sync.Mutex // serialises writers: from reading newest to storing it
}

// New returns an empty catalog that unifies by p. Every origin in p counts as
// configured, hence as not synced, from the start.
func New(p Policy) *Catalog {
	c := new(Catalog)
	c.newest.Store(newSnapshot(p))
	return c
}

// Snapshot returns the newest snapshot. It never blocks.
func (c *Catalog) Snapshot() *Snapshot { return c.newest.Load() }

// Feed returns the way to report what o holds. All feeds of one origin write
// to the same place; an origin has one reporter at a time.
func (c *Catalog) Feed(o Origin) *Feed {
	c.change(func(s *Snapshot) bool {
		_, known := s.origins[o]
		if !known {
			s.putOrigin(newOrigin(o))
		}
		return !known
	})
	return &Feed{origin: o, to: []*Catalog{c}}
}

// change publishes a copy of the newest snapshot after edit worked on it,
// unless edit says that nothing changed.
func (c *Catalog) change(edit func(*Snapshot) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.newest.Load()
	next := old.clone()
	if !edit(next) {
		return
	}
	c.newest.Store(next)
	close(old.changed)
}

// Feed is how a watcher reports to the catalog what one origin holds.
//
// Replace reports the whole truth, Update what changed since; both say that
// the origin can be read now. Only Replace marks the origin synced. Services
// handed over belong to the catalog from then on; their Origin is set by the
// feed, so they must not be shared with another feed. A feed may report to
// several catalogs: see Join.
type Feed struct {
	origin Origin
	mu     sync.Mutex // guards to, and keeps the catalogs at the same report
	to     []*Catalog // at least one
}

// Origin returns the origin that the feed reports for.
func (f *Feed) Origin() Origin { return f.origin }

// State returns what the catalog knows of the origin now.
func (f *Feed) State() State { return f.first().Snapshot().State(f.origin) }

// Get returns what the catalog holds of one service of the origin, or nil. Of a
// mirror that may be less than was reported; see OriginPolicy.Bare.
func (f *Feed) Get(ref Ref) *Service { return f.first().Snapshot().Get(f.origin, ref) }

// Kept returns what all catalogs of the feed would hold of svc now: svc itself,
// or less; see OriginPolicy.Bare. Who reports many services holds less meanwhile
// by reporting that instead: if it is not enough any more by then, the origin is
// hollow. Svc's Origin is set.
func (f *Feed) Kept(svc *Service) *Service {
	f.mu.Lock()
	defer f.mu.Unlock()
	svc.Origin = f.origin
	kept := svc
	for _, c := range f.to {
		if kept = c.Snapshot().bared(svc); kept == svc {
			break
		}
	}
	return kept
}

// Hollow reports whether a catalog needs to be told everything anew; see State.
func (f *Feed) Hollow() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.to, func(c *Catalog) bool { return c.Snapshot().State(f.origin).Hollow })
}

// Changed returns a channel that is closed once anything in the catalog is
// newer than now.
func (f *Feed) Changed() <-chan struct{} { return f.first().Snapshot().Changed() }

// Replace reports everything that the origin holds now: whatever is not in all
// is gone. Of several services with one Ref the last counts. What was there
// before, in the same version and saying the same, stays as it was and is no
// change: a list that is read again costs its readers what differs.
func (f *Feed) Replace(all []*Service) { f.ReplaceEach(slices.Values(all)) }

// ReplaceEach is Replace of services that are made one at a time, so that all of
// them are never in memory at once where the catalog packs them. It walks all
// once for each catalog that it reports to; meanwhile no other method of the
// feed may be called, which would wait for this one.
func (f *Feed) ReplaceEach(all iter.Seq[*Service]) {
	f.edit(func(s *Snapshot, o *origin) bool {
		o.state.Hollow, o.state.Another = false, false
		if o.services.Len() == 0 {
			s.putAll(o, all)
		} else {
			s.replace(o, all)
		}
		if !o.state.Synced {
			o.state.Synced, o.state.Stale = true, time.Time{}
			s.newRegime(o)
		}
		o.heard()
		return true
	})
}

// Update reports the services that are new or changed and those that are gone.
// It panics before the first Replace: what changed means nothing without it.
func (f *Feed) Update(set []*Service, gone []Ref) {
	f.edit(func(s *Snapshot, o *origin) bool {
		if !o.state.Synced {
			panic("catalog: Update of " + string(f.origin) + " before its first Replace")
		}
		for _, ref := range gone {
			s.drop(o, ref)
		}
		for _, svc := range set {
			s.put(o, svc)
		}
		o.heard()
		return true
	})
}

// ReplaceNamespaces reports all namespaces that the origin holds. An origin
// that has namespaces reports them before its first Replace.
func (f *Feed) ReplaceNamespaces(all []string) {
	f.edit(func(s *Snapshot, o *origin) bool {
		held := make(map[string]bool, len(all))
		for _, ns := range all {
			held[ns] = true
			s.putNamespace(o, ns)
		}
		for ns := range o.namespaces.All() {
			if !held[ns] {
				s.dropNamespace(o, ns)
			}
		}
		return true
	})
}

// UpdateNamespaces reports namespaces that are new and that are gone.
func (f *Feed) UpdateNamespaces(set, gone []string) {
	f.edit(func(s *Snapshot, o *origin) bool {
		for _, ns := range gone {
			s.dropNamespace(o, ns)
		}
		for _, ns := range set {
			s.putNamespace(o, ns)
		}
		o.heard()
		return true
	})
}

// Identify reports what the registry says it is. It comes before the first
// Replace; a change of identity is a different registry under the same name, of
// which nothing is known until the next Replace; see State.Another.
func (f *Feed) Identify(id Identity) {
	f.edit(func(s *Snapshot, o *origin) bool {
		if o.state.Identity == id {
			return false
		}
		if !o.state.Stale.IsZero() {
			s.forget(o) // it is another's past
			o.state.Stale = time.Time{}
		}
		o.state.Identity, o.state.Another = id, o.state.Synced
		s.newRegime(o)
		return true
	})
}

// Connected reports whether the origin can be read now: nil, or why not. What
// was last reported stands either way.
func (f *Feed) Connected(err error) {
	err = briefly(err)
	f.edit(func(s *Snapshot, o *origin) bool {
		if err == nil {
			news := o.state.Err != nil || !o.state.Connected
			o.heard()
			return news
		}
		news := o.state.Err == nil || o.state.Err.Error() != err.Error()
		if o.state.Connected || o.state.Since.IsZero() {
			o.state.Since = time.Now()
		}
		o.state.Connected, o.state.Err = false, err
		return news
	})
}

// Partial reports that what the feed tells is right but may not be all, and
// why; nil: it is all. While that is so the absence of a service means nothing
// to a bridge. It comes before the Replace or Update that it is about.
func (f *Feed) Partial(err error) {
	err = briefly(err)
	f.edit(func(_ *Snapshot, o *origin) bool {
		was := o.state.Partial
		o.state.Partial = err
		return (was == nil) != (err == nil) || err != nil && was.Error() != err.Error()
	})
}

// Missed reports that a comparison found n changes that the registry had not
// told of by itself. They are reported besides.
func (f *Feed) Missed(n int) {
	f.edit(func(_ *Snapshot, o *origin) bool {
		o.state.Missed += n
		return n != 0
	})
}

// Refuse reports that a record of the origin is left out and why, or with a
// nil error that it is well again or gone. It reports whether that is news, so
// that the caller logs once a change and not once a try. At most MaxRefused
// records are kept, the first by name; more are counted and no news until others are
// well. Of a name
// or a reason that is too long for people it keeps what Brief does.
func (f *Feed) Refuse(record string, err error) (news bool) {
	record, err = Brief(record), briefly(err)
	f.edit(func(_ *Snapshot, o *origin) bool {
		var changed bool
		changed, news = o.refuse(record, err)
		return changed
	})
	return news
}

func (f *Feed) edit(do func(*Snapshot, *origin) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.to {
		c.change(func(s *Snapshot) bool {
			o := s.origins[f.origin].clone()
			s.putOrigin(o)
			return do(s, o)
		})
	}
}

// heard notes that the origin answered just now.
func (o *origin) heard() {
	now := time.Now()
	if !o.state.Connected {
		o.state.Since = now
	}
	o.state.Connected, o.state.Err, o.state.News = true, nil, now
}
