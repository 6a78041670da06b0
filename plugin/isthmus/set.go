package isthmus

import "slices"

// set tells new values from known ones. Few values are looked through, because
// most services have few endpoints and a map costs more than they do.
type set[T comparable] struct {
	few  []T
	many map[T]struct{}
}

// fewValues is how many values are looked through.
const fewValues = 16

// newSet returns a set that is expected to hold up to n values.
func newSet[T comparable](n int) *set[T] {
	if n <= fewValues {
		return &set[T]{few: make([]T, 0, n)}
	}
	return &set[T]{many: make(map[T]struct{}, n)}
}

// add reports whether x is new, and notes it.
func (s *set[T]) add(x T) bool {
	if s.many == nil {
		if slices.Contains(s.few, x) {
			return false
		}
		s.few = append(s.few, x)
		return true
	}
	if _, known := s.many[x]; known {
		return false
	}
	s.many[x] = struct{}{}
	return true
}
