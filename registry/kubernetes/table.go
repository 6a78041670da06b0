package kubernetes

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
)

// object is an API object of one kind.
type object interface {
	comparable
	metav1.Object
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
// Objects stand in groups: a Service alone, slices by their Service.
type table[T object] struct {
	trim    func(T)
	group   func(T) types.NamespacedName
	changed func(group types.NamespacedName)

	mu     sync.Mutex // guards what follows
	held   map[types.NamespacedName]T
	groups map[types.NamespacedName]map[types.NamespacedName]T
	tombs  map[types.NamespacedName]uint64 // deleted by this process: the version that was deleted
}

// newTable returns an empty table that keeps the objects of each group
// together and calls changed for each group that changed, holding no lock.
func newTable[T object](trim func(T), group func(T) types.NamespacedName, changed func(types.NamespacedName)) *table[T] {
	return &table[T]{
		trim: trim, group: group, changed: changed,
		held:   map[types.NamespacedName]T{},
		groups: map[types.NamespacedName]map[types.NamespacedName]T{},
		tombs:  map[types.NamespacedName]uint64{},
	}
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
	t.trim(o)
	touched := groups{}
	t.mu.Lock()
	t.putLocked(o, touched)
	t.mu.Unlock()
	t.tell(touched)
}

// drop forgets an object that was deleted at version.
func (t *table[T]) drop(name types.NamespacedName, version uint64) {
	touched := groups{}
	t.mu.Lock()
	delete(t.tombs, name)
	t.dropLocked(name, version, touched)
	t.mu.Unlock()
	t.tell(touched)
}

// bury forgets an object that this process deleted at version: what was
// written before does not bring it back.
func (t *table[T]) bury(name types.NamespacedName, version uint64) {
	touched := groups{}
	t.mu.Lock()
	t.dropLocked(name, version, touched)
	if _, known := t.held[name]; !known {
		t.tombs[name] = version
	}
	t.mu.Unlock()
	t.tell(touched)
}

// replace takes the whole truth of the names that in covers, at version.
func (t *table[T]) replace(in func(types.NamespacedName) bool, all []T, version uint64) {
	touched := groups{}
	listed := make(map[types.NamespacedName]bool, len(all))
	t.mu.Lock()
	for _, o := range all {
		t.trim(o)
		listed[nameOf(o)] = true
		t.undoLocked(o, version, touched)
		t.putLocked(o, touched)
	}
	for name := range t.held {
		if !listed[name] && in(name) {
			t.dropLocked(name, version, touched)
		}
	}
	for name, tomb := range t.tombs {
		if !listed[name] && in(name) && tomb <= version {
			delete(t.tombs, name)
		}
	}
	t.mu.Unlock()
	t.tell(touched)
}

type groups map[types.NamespacedName]bool

func (t *table[T]) tell(touched groups) {
	for group := range touched {
		t.changed(group)
	}
}

func (t *table[T]) putLocked(o T, touched groups) {
	name, version := nameOf(o), versionOf(o)
	was, known := t.held[name]
	if known && versionOf(was) >= version {
		return
	}
	if tomb, dead := t.tombs[name]; dead && tomb >= version {
		return
	}
	if known {
		t.ungroupLocked(was, touched)
	}
	delete(t.tombs, name)
	t.held[name] = o
	group := t.group(o)
	if t.groups[group] == nil {
		t.groups[group] = map[types.NamespacedName]T{}
	}
	t.groups[group][name] = o
	touched[group] = true
}

// undoLocked forgets a newer state of o than the one that a list shows, if the
// list would show it.
func (t *table[T]) undoLocked(o T, listed uint64, touched groups) {
	if was, known := t.held[nameOf(o)]; known && versionOf(was) > versionOf(o) {
		t.dropLocked(nameOf(o), listed, touched)
	}
}

func (t *table[T]) dropLocked(name types.NamespacedName, version uint64, touched groups) {
	if was, known := t.held[name]; known && versionOf(was) <= version {
		delete(t.held, name)
		t.ungroupLocked(was, touched)
	}
}

func (t *table[T]) ungroupLocked(o T, touched groups) {
	group := t.group(o)
	delete(t.groups[group], nameOf(o))
	if len(t.groups[group]) == 0 {
		delete(t.groups, group)
	}
	touched[group] = true
}

// get returns the object, or the zero T.
func (t *table[T]) get(name types.NamespacedName) T {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.held[name]
}

// of returns the objects of a group, in no order.
func (t *table[T]) of(group types.NamespacedName) []T {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(maps.Values(t.groups[group]))
}

// names returns the names of all that is held, in no order.
func (t *table[T]) names() []types.NamespacedName {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(maps.Keys(t.held))
}

// scope is one reflector's side of a table: the names that it covers.
type scope[T object] struct {
	table  *table[T]
	covers func(types.NamespacedName) bool
	listed func() // called after each Replace
	past   *past
}

var (
	_ cache.TransformingStore      = (*scope[*metav1.PartialObjectMetadata])(nil)
	_ cache.ResourceVersionUpdater = (*scope[*metav1.PartialObjectMetadata])(nil)
)

// Add, Update, Delete, Replace and Resync are cache.ReflectorStore.
func (s *scope[T]) Add(o any) error { return s.Update(o) }

// Update takes an object that is new or changed.
func (s *scope[T]) Update(o any) error {
	t, ok := o.(T)
	if !ok {
		return fmt.Errorf("unexpected object %T", o)
	}
	s.past.told(versionOf(t))
	s.table.put(t)
	return nil
}

// Delete takes the last state of an object that is gone.
func (s *scope[T]) Delete(o any) error {
	t, ok := o.(T)
	if !ok {
		return fmt.Errorf("unexpected object %T", o)
	}
	s.past.told(versionOf(t))
	s.table.drop(nameOf(t), versionOf(t))
	return nil
}

// Replace takes a whole list.
func (s *scope[T]) Replace(list []any, version string) error {
	all := make([]T, 0, len(list))
	for _, o := range list {
		t, ok := o.(T)
		if !ok {
			return fmt.Errorf("unexpected object %T", o)
		}
		all = append(all, t)
	}
	if err := s.past.check(versionNumber(version)); err != nil {
		return err
	}
	s.past.told(versionNumber(version))
	s.table.replace(s.covers, all, versionNumber(version))
	s.listed()
	return nil
}

// UpdateResourceVersion follows each event, and is all that a bookmark does.
func (s *scope[T]) UpdateResourceVersion(version string) { s.past.told(versionNumber(version)) }

// Resync does nothing: there is no later stage that could have lost something.
func (s *scope[T]) Resync() error { return nil }

// Transformer trims objects before a list of them is complete.
func (s *scope[T]) Transformer() cache.TransformFunc {
	return func(o any) (any, error) {
		if t, ok := o.(T); ok {
			s.table.trim(t)
		}
		return o, nil
	}
}
