package pmap

// Diff visits the keys that were set, changed or deleted between two versions
// of one map, each once. Setting a key again counts as a change even if the
// value is equal. Maps that do not stem from the same New differ in every key.
func Diff[K comparable, V any](old, new Map[K, V], visit func(K)) {
	if old.hasher != new.hasher {
		for k := range old.All() {
			if new.find(k) == nil {
				visit(k)
			}
		}
		for k := range new.All() {
			visit(k)
		}
		return
	}
	diff(old.hasher, slot[K, V]{child: old.root}, slot[K, V]{child: new.root}, 0, visit)
}

func diff[K comparable, V any](h hasher, a, b slot[K, V], shift uint, visit func(K)) {
	if a == b {
		return
	}
	if a.child != nil && b.child != nil && shift < whole {
		for left := a.child.held | a.child.split | b.child.held | b.child.split; left != 0; left &= left - 1 {
			bit := left & -left
			diff(h, a.child.at(bit), b.child.at(bit), shift+width, visit)
		}
		return
	}
	a.visit(func(l *leaf[K, V]) bool {
		if b.find(h, shift, l.key) != l {
			visit(l.key)
		}
		return true
	})
	b.visit(func(l *leaf[K, V]) bool {
		if a.find(h, shift, l.key) == nil {
			visit(l.key)
		}
		return true
	})
}

func (s slot[K, V]) find(h hasher, shift uint, k K) *leaf[K, V] {
	if s.child != nil {
		return s.child.find(hashOf(h, k), shift, k)
	}
	if s.leaf != nil && s.leaf.key == k {
		return s.leaf
	}
	return nil
}
