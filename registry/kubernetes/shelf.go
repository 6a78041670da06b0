package kubernetes

import (
	"cmp"
	"slices"
)

// shelf holds the objects of one namespace in order: one word of memory for
// each, or two where they stand in groups. Its zero value is empty.
type shelf[T object] struct {
	all     []T // by name
	grouped []T // by the group's name, then by their own; none if each stands alone
}

// find returns the object of that name and where it stands, or would stand.
func (s *shelf[T]) find(name string) (o T, at int, known bool) {
	if s == nil {
		return o, 0, false
	}
	at, known = slices.BinarySearchFunc(s.all, name, func(o T, name string) int {
		return cmp.Compare(o.identity().name.Name, name)
	})
	if known {
		o = s.all[at]
	}
	return o, at, known
}

// put adds o, whose name is not there. Group names its group; it is nil if each
// stands alone.
func (s *shelf[T]) put(o T, group func(T) string) {
	_, at, _ := s.find(o.identity().name.Name)
	s.all = slices.Insert(s.all, at, o)
	if group != nil {
		at, _ = s.findGrouped(o, group)
		s.grouped = slices.Insert(s.grouped, at, o)
	}
}

// last adds o, whose name comes after all others, or is the last one there: then
// the newest version counts. The groups are to be made by regroup.
func (s *shelf[T]) last(o T) {
	end := len(s.all) - 1
	switch {
	case end < 0 || s.all[end].identity().name.Name != o.identity().name.Name:
		s.all = append(s.all, o)
	case s.all[end].identity().version < o.identity().version:
		s.all[end] = o
	}
}

// regroup makes the groups of all that is there.
func (s *shelf[T]) regroup(group func(T) string) {
	if group == nil {
		return
	}
	s.grouped = slices.Clone(s.all) // by name, as they are within a group
	slices.SortStableFunc(s.grouped, func(a, b T) int { return cmp.Compare(group(a), group(b)) })
}

// drop removes o, which is there.
func (s *shelf[T]) drop(o T, group func(T) string) {
	_, at, _ := s.find(o.identity().name.Name)
	s.all = slices.Delete(s.all, at, at+1)
	if group != nil {
		at, _ = s.findGrouped(o, group)
		s.grouped = slices.Delete(s.grouped, at, at+1)
	}
}

func (s *shelf[T]) findGrouped(o T, group func(T) string) (at int, known bool) {
	return slices.BinarySearchFunc(s.grouped, o, func(a, b T) int {
		return cmp.Or(cmp.Compare(group(a), group(b)), cmp.Compare(a.identity().name.Name, b.identity().name.Name))
	})
}

// of returns a copy of the objects of a group.
func (s *shelf[T]) of(name string, group func(T) string) []T {
	if s == nil {
		return nil
	}
	from, _ := slices.BinarySearchFunc(s.grouped, name, func(o T, name string) int { return cmp.Compare(group(o), name) })
	to := from
	for to < len(s.grouped) && group(s.grouped[to]) == name {
		to++
	}
	return slices.Clone(s.grouped[from:to])
}
