// Package pmap is a persistent hash map: Set and Delete return a new map that
// shares all but a path of a few nodes with the old one, so that a map of
// 10,000 entries changes in about a microsecond and every older version stays
// as it was.
//
// A Map is a value and is safe for use by any number of goroutines. Diff finds
// what differs between two versions of one map in time proportional to what
// changed, by skipping every node that both share.
package pmap

import (
	"hash/maphash"
	"iter"
	"math/bits"
	"slices"
)

const (
	width = 5 // bits of hash a level consumes
	mask  = 1<<width - 1
)

// Map maps keys to values. Make one with New; the zero value holds nothing
// and panics on Set, because its hash seed is missing.
type Map[K comparable, V any] struct {
	root *node[K, V]
	len  int
	seed maphash.Seed
}

type node[K comparable, V any] struct {
	bitmap uint32
	slots  []slot[K, V]
}

// slot holds a child or a leaf, never both.
type slot[K comparable, V any] struct {
	child *node[K, V]
	leaf  *leaf[K, V]
}

// leaf is one entry; next chains entries whose whole hash is the same.
type leaf[K comparable, V any] struct {
	hash uint64
	key  K
	val  V
	next *leaf[K, V]
}

// New returns an empty map with a hash seed of its own, so that nobody who
// chooses the keys can choose collisions.
func New[K comparable, V any]() Map[K, V] {
	return Map[K, V]{seed: maphash.MakeSeed()}
}

// Collect returns a map of all these entries; of several with one key the last
// one counts. It costs a fraction of as many calls of Set, which would each
// copy a path of nodes that nobody has seen yet.
func Collect[K comparable, V any](all iter.Seq2[K, V]) Map[K, V] {
	m := New[K, V]()
	var leaves []*leaf[K, V]
	for k, v := range all {
		leaves = append(leaves, &leaf[K, V]{hash: maphash.Comparable(m.seed, k), key: k, val: v})
	}
	if len(leaves) > 0 {
		m.root = m.build(leaves, make([]*leaf[K, V], len(leaves)), 0)
	}
	return m
}

// build makes a node of the leaves, of which there is at least one, and counts
// them. It sorts them by the bits of this level, keeping the order of equals;
// room is as long as leaves.
func (m *Map[K, V]) build(leaves, room []*leaf[K, V], shift uint) *node[K, V] {
	var ends [mask + 1]int
	n := new(node[K, V])
	for _, l := range leaves {
		i := l.hash >> shift & mask
		ends[i]++
		n.bitmap |= 1 << i
	}
	for i := 1; i < len(ends); i++ {
		ends[i] += ends[i-1]
	}
	for i := len(leaves) - 1; i >= 0; i-- {
		at := &ends[leaves[i].hash>>shift&mask]
		*at--
		room[*at] = leaves[i]
	}
	n.slots = make([]slot[K, V], 0, bits.OnesCount32(n.bitmap))
	for start := 0; start < len(room); {
		end := start + 1
		for end < len(room) && room[end].hash>>shift&mask == room[start].hash>>shift&mask {
			end++
		}
		n.slots = append(n.slots, m.slot(room[start:end], leaves[start:end], shift+width))
		start = end
	}
	return n
}

// slot makes a slot of the leaves that have one way to here.
func (m *Map[K, V]) slot(leaves, room []*leaf[K, V], shift uint) slot[K, V] {
	if slices.ContainsFunc(leaves, func(l *leaf[K, V]) bool { return l.hash != leaves[0].hash }) {
		return slot[K, V]{child: m.build(leaves, room, shift)}
	}
	var s slot[K, V]
	for _, l := range leaves {
		l.next = s.leaf.without(l.key)
		s.leaf = l
	}
	for l := s.leaf; l != nil; l = l.next {
		m.len++
	}
	return s
}

// Len is the number of entries.
func (m Map[K, V]) Len() int { return m.len }

// Get returns the value of k and whether there is one.
func (m Map[K, V]) Get(k K) (V, bool) {
	if l := m.find(k); l != nil {
		return l.val, true
	}
	var zero V
	return zero, false
}

func (m Map[K, V]) find(k K) *leaf[K, V] {
	if m.root == nil {
		return nil
	}
	return m.root.find(maphash.Comparable(m.seed, k), 0, k)
}

func (n *node[K, V]) find(hash uint64, shift uint, k K) *leaf[K, V] {
	for {
		bit := uint32(1) << (hash >> shift & mask)
		if n.bitmap&bit == 0 {
			return nil
		}
		s := n.slots[n.index(bit)]
		if s.child == nil {
			return s.leaf.find(hash, k)
		}
		n, shift = s.child, shift+width
	}
}

func (l *leaf[K, V]) find(hash uint64, k K) *leaf[K, V] {
	for ; l != nil; l = l.next {
		if l.hash == hash && l.key == k {
			return l
		}
	}
	return nil
}

func (n *node[K, V]) index(bit uint32) int { return bits.OnesCount32(n.bitmap & (bit - 1)) }

// Set returns the map with k mapped to v.
func (m Map[K, V]) Set(k K, v V) Map[K, V] {
	l := &leaf[K, V]{hash: maphash.Comparable(m.seed, k), key: k, val: v}
	if m.find(k) == nil {
		m.len++
	}
	m.root = m.root.set(l, 0)
	return m
}

func (n *node[K, V]) set(l *leaf[K, V], shift uint) *node[K, V] {
	bit := uint32(1) << (l.hash >> shift & mask)
	if n == nil {
		return &node[K, V]{bitmap: bit, slots: []slot[K, V]{{leaf: l}}}
	}
	i := n.index(bit)
	if n.bitmap&bit == 0 {
		return &node[K, V]{bitmap: n.bitmap | bit, slots: slices.Concat(n.slots[:i:i], []slot[K, V]{{leaf: l}}, n.slots[i:])}
	}
	slots := slices.Clone(n.slots)
	slots[i] = slots[i].set(l, shift+width)
	return &node[K, V]{bitmap: n.bitmap, slots: slots}
}

func (s slot[K, V]) set(l *leaf[K, V], shift uint) slot[K, V] {
	switch {
	case s.child != nil:
		return slot[K, V]{child: s.child.set(l, shift)}
	case s.leaf.hash == l.hash:
		l.next = s.leaf.without(l.key)
		return slot[K, V]{leaf: l}
	default:
		var n *node[K, V]
		return slot[K, V]{child: n.set(s.leaf, shift).set(l, shift)}
	}
}

// without returns the chain less k; entries before it are copied.
func (l *leaf[K, V]) without(k K) *leaf[K, V] {
	if l == nil {
		return nil
	}
	if l.key == k {
		return l.next
	}
	rest := l.next.without(k)
	if rest == l.next {
		return l
	}
	return &leaf[K, V]{hash: l.hash, key: l.key, val: l.val, next: rest}
}

// Delete returns the map without k.
func (m Map[K, V]) Delete(k K) Map[K, V] {
	if m.find(k) == nil {
		return m
	}
	m.len--
	m.root = m.root.delete(maphash.Comparable(m.seed, k), 0, k)
	return m
}

// delete expects k to be there; it returns nil when nothing is left.
func (n *node[K, V]) delete(hash uint64, shift uint, k K) *node[K, V] {
	bit := uint32(1) << (hash >> shift & mask)
	i := n.index(bit)
	s := n.slots[i]
	if s.child != nil {
		s.child = s.child.delete(hash, shift+width, k)
		s = s.lifted()
	} else {
		s.leaf = s.leaf.without(k)
	}
	if s.child == nil && s.leaf == nil {
		if len(n.slots) == 1 {
			return nil
		}
		return &node[K, V]{bitmap: n.bitmap &^ bit, slots: slices.Concat(n.slots[:i:i], n.slots[i+1:])}
	}
	slots := slices.Clone(n.slots)
	slots[i] = s
	return &node[K, V]{bitmap: n.bitmap, slots: slots}
}

// lifted replaces a child that holds a single leaf by that leaf.
func (s slot[K, V]) lifted() slot[K, V] {
	if s.child != nil && len(s.child.slots) == 1 && s.child.slots[0].child == nil {
		return s.child.slots[0]
	}
	return s
}

// All visits every entry, in no order that means anything.
func (m Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		slot[K, V]{child: m.root}.leaves(func(l *leaf[K, V]) bool { return yield(l.key, l.val) })
	}
}

func (s slot[K, V]) leaves(yield func(*leaf[K, V]) bool) bool {
	if s.child != nil {
		for _, c := range s.child.slots {
			if !c.leaves(yield) {
				return false
			}
		}
	}
	for l := s.leaf; l != nil; l = l.next {
		if !yield(l) {
			return false
		}
	}
	return true
}

// Diff visits the keys that were set, changed or deleted between two versions
// of one map, each once. Setting a key again counts as a change even if the
// value is equal. Maps that do not stem from the same New differ in every key.
func Diff[K comparable, V any](old, new Map[K, V], visit func(K)) {
	if old.seed != new.seed {
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
	diff(slot[K, V]{child: old.root}, slot[K, V]{child: new.root}, 0, visit)
}

func diff[K comparable, V any](a, b slot[K, V], shift uint, visit func(K)) {
	if a == b {
		return
	}
	if a.child != nil && b.child != nil {
		for i := range mask + 1 {
			bit := uint32(1) << i
			diff(a.child.at(bit), b.child.at(bit), shift+width, visit)
		}
		return
	}
	a.leaves(func(l *leaf[K, V]) bool {
		if b.find(l, shift) != l {
			visit(l.key)
		}
		return true
	})
	b.leaves(func(l *leaf[K, V]) bool {
		if a.find(l, shift) == nil {
			visit(l.key)
		}
		return true
	})
}

func (n *node[K, V]) at(bit uint32) slot[K, V] {
	if n.bitmap&bit == 0 {
		return slot[K, V]{}
	}
	return n.slots[n.index(bit)]
}

func (s slot[K, V]) find(l *leaf[K, V], shift uint) *leaf[K, V] {
	if s.child != nil {
		return s.child.find(l.hash, shift, l.key)
	}
	return s.leaf.find(l.hash, l.key)
}
