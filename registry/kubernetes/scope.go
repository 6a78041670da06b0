package kubernetes

import (
	"cmp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
)

// scope is one reflector's side of a table: the names that it covers. What it
// is handed is made into what is kept at once, so that a list under way costs
// the memory of what changed, beside what is held.
type scope[T object] struct {
	table  *table[T]
	keep   func(any) (T, error)
	covers func(types.NamespacedName) bool
	listed func() // called after each Replace
	past   *past
}

var (
	_ cache.TransformingStore      = (*scope[*namespace])(nil)
	_ cache.ResourceVersionUpdater = (*scope[*namespace])(nil)
)

// Add, Update, Delete, Replace and Resync are cache.ReflectorStore.
func (s *scope[T]) Add(o any) error { return s.Update(o) }

// Update takes an object that is new or changed.
func (s *scope[T]) Update(o any) error {
	t, err := s.keep(o)
	if err != nil {
		return err
	}
	s.past.told(t.identity().version)
	s.table.put(t)
	return nil
}

// Delete takes the last state of an object that is gone.
func (s *scope[T]) Delete(o any) error {
	t, err := s.keep(o)
	if err != nil {
		return err
	}
	s.past.told(t.identity().version)
	s.table.drop(t.identity().name, t.identity().version)
	return nil
}

// Replace takes a whole list.
func (s *scope[T]) Replace(list []any, version string) error {
	all := make([]T, 0, len(list))
	for _, o := range list {
		t, err := s.keep(o)
		if err != nil {
			return err
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

// Transformer makes each object of a list into what is kept before the list is
// complete.
func (s *scope[T]) Transformer() cache.TransformFunc {
	return func(o any) (any, error) { return s.keep(o) }
}

func (s *scope[T]) differing(listed map[types.NamespacedName]uint64, version uint64) int {
	return s.table.differing(s.covers, listed, version)
}

func (s *scope[T]) relist(list func(each func(metav1.Object)) (uint64, error)) error {
	s.table.keepGone(true)
	defer s.table.keepGone(false)
	var all []T
	var wrong error
	version, err := list(func(o metav1.Object) {
		if t, err := s.keep(o); err == nil {
			all = append(all, t)
		} else {
			wrong = err
		}
	})
	if err = cmp.Or(err, wrong); err != nil {
		return err
	}
	s.table.replace(s.covers, all, version)
	return nil
}
