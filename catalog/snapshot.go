package catalog

import (
	"cmp"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/isthmus-dns/isthmus/catalog/pmap"
)

// Snapshot is the catalog at one moment. It never changes; any number of
// goroutines may read it, as long as they like.
type Snapshot struct {
	policy     *Policy
	origins    map[Origin]*origin
	keys       pmap.Map[Key, []*held]    // every service, under each key it may answer to
	namespaces pmap.Map[string, nsCount] // what is known of each namespace
	podsAt     pmap.Map[netip.Addr, []*Pod]
	regime     int           // how often an identity changed or an origin synced first
	changed    chan struct{} // closed when a newer snapshot exists
}

// nsCount counts who holds a namespace and what stands in it. Keys counts the
// entries of Snapshot.keys.
type nsCount struct{ Holders, Keys int }

// origin is what a snapshot knows of one origin; immutable once published.
type origin struct {
	state      State
	services   pmap.Map[Ref, *held]
	namespaces pmap.Map[string, struct{}]
	pods       pmap.Map[Key, *Pod]
	directory  *directory // nil: it was not asked for
	ranges     Ranges
	refused    map[string]error
	greatest   string  // the last by name of those, where there is no room for more
	beyond     *beyond // the others
}

// State is what is known of one origin itself.
type State struct {
	Origin    Origin
	Identity  Identity
	Synced    bool      // it reported everything at least once
	Another   bool      // it is another registry than the one that what it holds was read from
	Stale     time.Time // it holds what was known of it then, and was never read since; zero: it does not
	Connected bool      // it could be read when last heard of
	Since     time.Time // since when it is connected, or not; zero: never tried
	Err       error     // why it is not connected; nil if it is or was never tried
	News      time.Time // when it was last heard of; for ages, never compared across hosts
	Partial   error     // why what was reported may not be all; nil if it is all
	Services  int
	Endpoints int // of all of them together, but for those that are kept bare
	Refused   int // records left out
	Missed    int // changes that only a comparison found, so far

	// Hollow: mirrors that were kept bare are needed whole by now. The origin
	// has to be read again, from the start; the next Replace ends it.
	Hollow bool
}

// whole reports whether everything that the origin holds is known.
func (s State) whole() bool { return s.Known() && !s.Hollow }

// MaxRefused is how many refused records an origin keeps with their reasons.
const MaxRefused = 1000

func newSnapshot(p Policy) *Snapshot {
	s := &Snapshot{
		policy:     &p,
		origins:    make(map[Origin]*origin, len(p.Origins)),
		keys:       pmap.New[Key, []*held](),
		namespaces: pmap.New[string, nsCount](),
		podsAt:     pmap.New[netip.Addr, []*Pod](),
		changed:    make(chan struct{}),
	}
	for _, op := range p.Origins {
		s.putOrigin(newOrigin(op.Origin))
	}
	return s
}

func newOrigin(o Origin) *origin {
	return &origin{
		state:      State{Origin: o},
		services:   pmap.New[Ref, *held](),
		namespaces: pmap.New[string, struct{}](),
		pods:       pmap.New[Key, *Pod](),
		beyond:     newBeyond(),
	}
}

// clone returns a copy to be edited; the map of origins is copied, the rest is
// persistent.
func (s *Snapshot) clone() *Snapshot {
	next := *s
	next.origins = maps.Clone(s.origins)
	next.changed = make(chan struct{})
	return &next
}

func (o *origin) clone() *origin {
	next := *o
	return &next
}

func (s *Snapshot) putOrigin(o *origin) { s.origins[o.state.Origin] = o }

// put adds or replaces a service of o.
func (s *Snapshot) put(o *origin, svc *Service) {
	svc = s.taken(o, svc)
	old, known := o.services.Get(svc.Ref())
	if known && svc.Bare && old.bare && sameMark(svc.Mark, old.mark) {
		return
	}
	s.keep(o, s.hold(svc))
}

// taken returns what is kept of a service that o reports. One that stands in
// another catalog is not written to.
func (s *Snapshot) taken(o *origin, svc *Service) *Service {
	if svc.Origin != o.state.Origin {
		svc.Origin = o.state.Origin
	}
	svc = s.bared(svc)
	if svc.Bare && !(s.policy.of(svc.Origin).Bare && s.hasOriginal(svc.Mark)) {
		o.state.Hollow = true
	}
	return svc
}

// keep makes h what o holds under its ref.
func (s *Snapshot) keep(o *origin, h *held) {
	if old, known := o.services.Get(h.Ref); known {
		s.unlist(old)
		o.state.Endpoints -= int(old.endpoints)
	}
	o.services = o.services.Set(h.Ref, h)
	o.state.Services = o.services.Len()
	o.state.Endpoints += int(h.endpoints)
	for _, k := range s.answersTo(h) {
		s.list(k, h)
	}
}

// drop removes a service of o; one that is not there is no error.
func (s *Snapshot) drop(o *origin, ref Ref) {
	old, ok := o.services.Get(ref)
	if !ok {
		return
	}
	o.services = o.services.Delete(ref)
	o.state.Services = o.services.Len()
	o.state.Endpoints -= int(old.endpoints)
	s.unlist(old)
}

// answersTo returns the keys that h stands under: its own and, for a mirror
// of a trusted owner, the original's. What is bare answers to none.
func (s *Snapshot) answersTo(h *held) []Key {
	m := h.mark
	if h.bare {
		return nil
	}
	if m == nil || m.Key == h.Key || !slices.Contains(s.policy.of(h.origin).Trust, m.Owner) {
		return []Key{h.Key}
	}
	return []Key{h.Key, m.Key}
}

func (s *Snapshot) list(k Key, h *held) {
	old, _ := s.keys.Get(k)
	if len(old) == 0 {
		s.count(k.Namespace, 0, 1)
	}
	s.keys = s.keys.Set(k, s.ranked(old, h))
}

func (s *Snapshot) unlist(h *held) {
	for _, k := range s.answersTo(h) {
		old, _ := s.keys.Get(k)
		next := slices.DeleteFunc(slices.Clone(old), func(x *held) bool { return x == h })
		if len(next) > 0 {
			s.keys = s.keys.Set(k, next)
			continue
		}
		s.keys = s.keys.Delete(k)
		s.count(k.Namespace, 0, -1)
	}
}

func (s *Snapshot) putNamespace(o *origin, ns string) {
	if _, ok := o.namespaces.Get(ns); !ok {
		o.namespaces = o.namespaces.Set(ns, struct{}{})
		s.count(ns, 1, 0)
	}
}

func (s *Snapshot) dropNamespace(o *origin, ns string) {
	if _, ok := o.namespaces.Get(ns); ok {
		o.namespaces = o.namespaces.Delete(ns)
		s.count(ns, -1, 0)
	}
}

func (s *Snapshot) count(ns string, holders, keys int) {
	n, _ := s.namespaces.Get(ns)
	n.Holders += holders
	n.Keys += keys
	if n == (nsCount{}) {
		s.namespaces = s.namespaces.Delete(ns)
		return
	}
	s.namespaces = s.namespaces.Set(ns, n)
}

// Changed returns a channel that is closed when a newer snapshot exists.
func (s *Snapshot) Changed() <-chan struct{} { return s.changed }

// State returns what is known of o; the zero State but for the name if o is
// not configured.
func (s *Snapshot) State(o Origin) State {
	if known := s.origins[o]; known != nil {
		return known.state
	}
	return State{Origin: o}
}

// Origins returns the state of every origin, in order of precedence.
func (s *Snapshot) Origins() []State {
	var all []State
	for _, o := range s.origins {
		all = append(all, o.state)
	}
	slices.SortFunc(all, func(a, b State) int {
		return cmp.Or(cmp.Compare(s.policy.rank(a.Origin), s.policy.rank(b.Origin)), cmp.Compare(a.Origin, b.Origin))
	})
	return all
}

// Refused visits the records of o that were left out, by name, and why.
func (s *Snapshot) Refused(o Origin) iter.Seq2[string, error] {
	if known := s.origins[o]; known != nil {
		return maps.All(known.refused)
	}
	return maps.All(map[string]error(nil))
}

// Synced reports whether all of these origins reported everything at least
// once; without arguments, all that are configured.
func (s *Snapshot) Synced(all ...Origin) bool {
	for _, o := range all {
		if !s.State(o).Synced {
			return false
		}
	}
	if len(all) > 0 {
		return true
	}
	for _, o := range s.origins {
		if !o.state.Synced {
			return false
		}
	}
	return true
}

// From visits the services of one origin, native ones and mirrors, in no order;
// see Policy.Packed.
func (s *Snapshot) From(o Origin) iter.Seq[*Service] {
	return func(yield func(*Service) bool) {
		for e := range s.Entries(o) {
			if !yield(e.Service()) {
				return
			}
		}
	}
}

// Get returns one service of one origin, or nil; see Policy.Packed.
func (s *Snapshot) Get(o Origin, ref Ref) *Service { return s.Entry(o, ref).Service() }

// Under returns what the origin holds under k, of all owners, in no order.
// Mirrors that are kept bare are not among it.
func (s *Snapshot) Under(o Origin, k Key) []Entry {
	all, _ := s.keys.Get(k)
	var found []Entry
	for _, h := range all {
		if h.origin == o && h.Key == k {
			found = append(found, Entry{h})
		}
	}
	return found
}

// HoldsNamespace reports whether o holds the namespace ns.
func (s *Snapshot) HoldsNamespace(o Origin, ns string) bool {
	if s.origins[o] == nil {
		return false
	}
	_, ok := s.origins[o].namespaces.Get(ns)
	return ok
}

// Keys visits every key under which some service stands, in no order. Lookup
// may still answer nil for one, where the policy lets none of them answer.
func (s *Snapshot) Keys() iter.Seq[Key] {
	return func(yield func(Key) bool) {
		for k := range s.keys.All() {
			if !yield(k) {
				return
			}
		}
	}
}

// Since returns the keys whose services may differ between older and s, each
// once, in no order. The cost is that of the change, except that a namespace
// which came or went costs a walk over all keys, and a change of identity or
// the first sync of an origin returns all of them.
func (s *Snapshot) Since(older *Snapshot) []Key {
	if s.regime != older.regime {
		return s.allSince(older)
	}
	seen := map[Key]bool{}
	pmap.Diff(older.keys, s.keys, func(k Key) { seen[k] = true })
	s.inChangedNamespaces(older, seen)
	return slices.Collect(maps.Keys(seen))
}

func (s *Snapshot) allSince(older *Snapshot) []Key {
	seen := map[Key]bool{}
	for k := range older.keys.All() {
		seen[k] = true
	}
	for k := range s.keys.All() {
		seen[k] = true
	}
	return slices.Collect(maps.Keys(seen))
}

func (s *Snapshot) inChangedNamespaces(older *Snapshot, seen map[Key]bool) {
	moved := map[string]bool{}
	pmap.Diff(older.namespaces, s.namespaces, func(ns string) {
		was, _ := older.namespaces.Get(ns)
		is, _ := s.namespaces.Get(ns)
		if was.Holders != is.Holders {
			moved[ns] = true
		}
	})
	if len(moved) == 0 {
		return
	}
	for k := range s.keys.All() {
		if moved[k.Namespace] {
			seen[k] = true
		}
	}
}
