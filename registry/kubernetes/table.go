package kubernetes

import (
	"cmp"
	"slices"
	"strconv"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// object is what is kept of an API object of one kind. It is immutable.
type object interface {
	comparable
	identity() id
}

// table is what the API server holds of one resource, as reflectors and the
// answers to own writes tell it. For each name the newest resource version
// counts, whoever brings it; resource versions of one resource are ordered
// numbers.
//
//	table has      comes                                  then
//	older or none  an object                              it is taken
//	newer          an object or a deletion                it is ignored
//	a tombstone    an object, no newer than the deleted   it is ignored
//	own, newer     a list that lacks it, but is older     it stays
//	newer          a list that has an older one, but is   the listed one is taken: what was held
//	               itself as new as what is held          is lost, the server's data was restored
//
// Objects stand in groups: slices by their Service, others alone. Of one
// version of an object there is one T, however often it is listed.
type table[T object] struct {
	group   func(T) string // the group's name within the object's namespace; nil: each stands alone, under its own
	changed func(group types.NamespacedName)

	mu    sync.Mutex                      // guards what follows
	held  map[string]*shelf[T]            // by namespace; none is empty
	tombs map[types.NamespacedName]uint64 // deleted by this process: the version that was deleted; nil: none
	gone  map[types.NamespacedName]uint64 // see keepGone: deleted, and at which version; nil while nobody asks
}

// newTable returns an empty table that keeps the objects of each group
// together and calls changed for each group that changed, before the change can
// be seen: changed does not ask the table.
func newTable[T object](group func(T) string, changed func(types.NamespacedName)) *table[T] {
	return &table[T]{group: group, changed: changed, held: map[string]*shelf[T]{}}
}

func nameOf(o metav1.Object) types.NamespacedName {
	return types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetName()}
}

// versionOf returns the resource version as a number; one that is none counts
// as the oldest.
func versionOf(o metav1.Object) uint64 { return versionNumber(o.GetResourceVersion()) }

func versionNumber(rv string) uint64 {
	n, _ := strconv.ParseUint(rv, 10, 64)
	return n
}

// put takes o, unless something newer is known of it.
func (t *table[T]) put(o T) {
	touched := groups{}
	t.mu.Lock()
	t.putLocked(o, touched)
	t.tellLocked(touched)
	t.mu.Unlock()
}

// drop forgets an object that was deleted at version.
func (t *table[T]) drop(name types.NamespacedName, version uint64) {
	touched := groups{}
	t.mu.Lock()
	t.digLocked(name)
	if t.gone != nil {
		t.gone[name] = version
	}
	t.dropLocked(name, version, touched)
	t.tellLocked(touched)
	t.mu.Unlock()
}

// bury forgets an object that this process deleted at version: what was
// written before does not bring it back.
func (t *table[T]) bury(name types.NamespacedName, version uint64) {
	touched := groups{}
	t.mu.Lock()
	t.dropLocked(name, version, touched)
	if _, known := t.getLocked(name); !known {
		if t.tombs == nil {
			t.tombs = map[types.NamespacedName]uint64{}
		}
		t.tombs[name] = version
	}
	t.tellLocked(touched)
	t.mu.Unlock()
}

// replace takes the whole truth of the names that in covers, at version. It
// sorts all.
func (t *table[T]) replace(in func(types.NamespacedName) bool, all []T, version uint64) {
	slices.SortFunc(all, func(a, b T) int { return cmp.Compare(a.identity().name.Name, b.identity().name.Name) })
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.held)+len(t.tombs)+len(t.gone) == 0 {
		t.fillLocked(all)
		return
	}
	touched := groups{}
	listed := make(map[types.NamespacedName]bool, len(all))
	for _, o := range all {
		listed[o.identity().name] = true
		t.undoLocked(o, version, touched)
		t.putLocked(o, touched)
	}
	for _, o := range t.allLocked() {
		if name := o.identity().name; !listed[name] && in(name) {
			t.dropLocked(name, version, touched)
		}
	}
	for name, tomb := range t.tombs {
		if !listed[name] && in(name) && tomb <= version {
			t.digLocked(name)
		}
	}
	t.tellLocked(touched)
}

// fillLocked takes all, sorted by name, into a table that holds nothing and knows
// of nothing that is gone, as at each start: shelves are made at their length.
func (t *table[T]) fillLocked(all []T) {
	lengths := map[string]int{}
	for _, o := range all {
		lengths[o.identity().name.Namespace]++
	}
	for _, o := range all {
		ns := o.identity().name.Namespace
		s := t.held[ns]
		if s == nil {
			s = &shelf[T]{all: make([]T, 0, lengths[ns])}
			t.held[ns] = s
		}
		s.last(o)
	}
	for _, s := range t.held {
		s.regroup(t.group)
	}
	for _, o := range all {
		t.changed(t.groupOf(o))
	}
}

// allLocked returns all that is held. It is a copy.
func (t *table[T]) allLocked() (all []T) {
	for _, s := range t.held {
		all = append(all, s.all...)
	}
	return all
}

// digLocked removes a tombstone. A map keeps the room that it once had.
func (t *table[T]) digLocked(name types.NamespacedName) {
	delete(t.tombs, name)
	if len(t.tombs) == 0 {
		t.tombs = nil
	}
}

type groups map[types.NamespacedName]bool

// tellLocked tells of changes before anybody can see them. Who finds nothing
// new in the table, as another was quicker, may so rely on its being told.
func (t *table[T]) tellLocked(touched groups) {
	for group := range touched {
		t.changed(group)
	}
}

func (t *table[T]) putLocked(o T, touched groups) {
	is := o.identity()
	was, known := t.getLocked(is.name)
	if known && was.identity().version >= is.version {
		return
	}
	if tomb, dead := t.tombs[is.name]; dead && tomb >= is.version {
		return
	}
	if t.gone[is.name] > is.version {
		return
	}
	if known {
		t.removeLocked(was, touched)
	}
	t.digLocked(is.name)
	s := t.held[is.name.Namespace]
	if s == nil {
		s = new(shelf[T])
		t.held[is.name.Namespace] = s
	}
	s.put(o, t.group)
	touched[t.groupOf(o)] = true
}

// undoLocked forgets a newer state of o than the one that a list shows, if the
// list would show it.
func (t *table[T]) undoLocked(o T, listed uint64, touched groups) {
	is := o.identity()
	if was, known := t.getLocked(is.name); known && was.identity().version > is.version {
		t.dropLocked(is.name, listed, touched)
	}
}

func (t *table[T]) dropLocked(name types.NamespacedName, version uint64, touched groups) {
	if was, known := t.getLocked(name); known && was.identity().version <= version {
		t.removeLocked(was, touched)
	}
}

// removeLocked forgets o, which is held.
func (t *table[T]) removeLocked(o T, touched groups) {
	touched[t.groupOf(o)] = true
	ns := o.identity().name.Namespace
	s := t.held[ns]
	if s.drop(o, t.group); len(s.all) == 0 {
		delete(t.held, ns)
	}
}

func (t *table[T]) getLocked(name types.NamespacedName) (o T, known bool) {
	o, _, known = t.held[name.Namespace].find(name.Name)
	return o, known
}

// groupOf is the name of the group that o stands in.
func (t *table[T]) groupOf(o T) types.NamespacedName {
	name := o.identity().name
	if t.group != nil {
		name.Name = t.group(o)
	}
	return name
}

// keepGone keeps it known which objects are gone while a list is under way
// beside a watch, so that what the watch told to be gone is not taken from the
// list.
func (t *table[T]) keepGone(keep bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.gone = nil
	if keep {
		t.gone = map[types.NamespacedName]uint64{}
	}
}

// differing counts the objects, of those that in covers, of which the table
// knows less than a list of all versions, at one version, does.
func (t *table[T]) differing(in func(types.NamespacedName) bool, listed map[types.NamespacedName]uint64, version uint64) (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, at := range listed {
		o, known := t.getLocked(name)
		if known && o.identity().version >= at || t.tombs[name] >= at {
			continue
		}
		n++
	}
	for _, o := range t.allLocked() {
		is := o.identity()
		if _, there := listed[is.name]; !there && in(is.name) && is.version <= version {
			n++
		}
	}
	return n
}

// same returns what is held of an object, if it is held at version.
func (t *table[T]) same(name types.NamespacedName, version uint64) (T, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	o, known := t.getLocked(name)
	return o, known && o.identity().version == version
}

// get returns the object, or the zero T.
func (t *table[T]) get(name types.NamespacedName) T {
	t.mu.Lock()
	defer t.mu.Unlock()
	o, _ := t.getLocked(name)
	return o
}

// of returns the objects of a group, in no order.
func (t *table[T]) of(group types.NamespacedName) []T {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.held[group.Namespace].of(group.Name, t.group)
}

// list returns all that is held, in no order.
func (t *table[T]) list() []T {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.allLocked()
}

// names returns the names of all that is held, in no order.
func (t *table[T]) names() []types.NamespacedName {
	var names []types.NamespacedName
	for _, o := range t.list() {
		names = append(names, o.identity().name)
	}
	return names
}
