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
	whole = 64 // bits of a hash; nodes below them are chains
)

// Map maps keys to values. Make one with New; the zero value holds nothing
// and panics on Set, because its hash seed is missing.
type Map[K comparable, V any] struct {
	root *node[K, V]
	len  int
	hasher
}

// hasher says how the keys of one map, and of all that stem from it, are hashed.
// What is in cut is taken off each hash: nothing, but in tests of collisions.
type hasher struct {
	seed maphash.Seed
	cut  uint64
}

func hashOf[K comparable](h hasher, k K) uint64 { return maphash.Comparable(h.seed, k) &^ h.cut }

// node holds, by the next bits of the hash, leaves and further nodes. Below the
// last bits it is a chain: leaves in no order, whose whole hash is the same.
type node[K comparable, V any] struct {
	held, split uint32 // where there is a leaf, and where a node
	leaves      []*leaf[K, V]
	nodes       []*node[K, V]
}

// slot is what a node has in one place: a child, a leaf or nothing.
type slot[K comparable, V any] struct {
	child *node[K, V]
	leaf  *leaf[K, V]
}

// leaf is one entry. It is never changed, so that two are equal if they are one.
type leaf[K comparable, V any] struct {
	key K
	val V
}

// New returns an empty map with a hash seed of its own, so that nobody who
// chooses the keys can choose collisions.
func New[K comparable, V any]() Map[K, V] {
	return Map[K, V]{hasher: hasher{seed: maphash.MakeSeed()}}
}

// hashed is a leaf on the way to its place.
type hashed[K comparable, V any] struct {
	hash uint64
	*leaf[K, V]
}

// Collect returns a map of all these entries; of several with one key the last
// one counts. It costs a fraction of as many calls of Set, which would each
// copy a path of nodes that nobody has seen yet.
func Collect[K comparable, V any](all iter.Seq2[K, V]) Map[K, V] { return New[K, V]().SetAll(all) }

// SetAll returns the map with all these entries set; of several with one key the
// last one counts. It walks all once, while m may be changed to other versions.
// Where that costs less than to set them one by one, it makes all nodes anew: it
// is for an empty map, and for one that will be mostly new.
func (m Map[K, V]) SetAll(all iter.Seq2[K, V]) Map[K, V] {
	var leaves []*leaf[K, V]
	for k, v := range all {
		leaves = append(leaves, &leaf[K, V]{k, v})
	}
	if len(leaves) < m.len {
		for _, l := range leaves {
			m = m.set(l)
		}
		return m
	}
	room := make([]hashed[K, V], 0, 2*(m.len+len(leaves)))
	slot[K, V]{child: m.root}.visit(func(l *leaf[K, V]) bool {
		room = append(room, hashed[K, V]{hashOf(m.hasher, l.key), l})
		return true
	})
	for _, l := range leaves {
		room = append(room, hashed[K, V]{hashOf(m.hasher, l.key), l})
	}
	if n := len(room); n > 0 {
		m.len = 0
		m.root = m.build(room, room[n:2*n], 0)
	}
	return m
}

// build makes a node of the leaves, of which there is at least one, and counts
// them; room is as long as leaves.
func (m *Map[K, V]) build(leaves, room []hashed[K, V], shift uint) *node[K, V] {
	if shift >= whole {
		return m.chain(leaves)
	}
	sortInto(room, leaves, shift)
	var held [mask + 1]*leaf[K, V]
	var split [mask + 1]*node[K, V]
	n, isHeld, isSplit := new(node[K, V]), held[:0], split[:0]
	for start := 0; start < len(room); {
		i, end := room[start].hash>>shift&mask, start+1
		for end < len(room) && room[end].hash>>shift&mask == i {
			end++
		}
		if s := m.slot(room[start:end], leaves[start:end], shift+width); s.child != nil {
			n.split, isSplit = n.split|1<<i, append(isSplit, s.child)
		} else {
			n.held, isHeld = n.held|1<<i, append(isHeld, s.leaf)
		}
		start = end
	}
	n.leaves, n.nodes = slices.Concat(isHeld), slices.Concat(isSplit) // as long as they need to be
	return n
}

// sortInto sorts leaves into room by the bits of a level, keeping the order of
// equals.
func sortInto[K comparable, V any](room, leaves []hashed[K, V], shift uint) {
	var ends [mask + 1]int
	for _, l := range leaves {
		ends[l.hash>>shift&mask]++
	}
	for i := 1; i < len(ends); i++ {
		ends[i] += ends[i-1]
	}
	for i := len(leaves) - 1; i >= 0; i-- {
		at := &ends[leaves[i].hash>>shift&mask]
		*at--
		room[*at] = leaves[i]
	}
}

// slot makes a slot of the leaves that have one way to here.
func (m *Map[K, V]) slot(leaves, room []hashed[K, V], shift uint) slot[K, V] {
	last := leaves[len(leaves)-1]
	if slices.ContainsFunc(leaves, func(l hashed[K, V]) bool { return l.hash != last.hash || l.key != last.key }) {
		return slot[K, V]{child: m.build(leaves, room, shift)}
	}
	m.len++
	return slot[K, V]{leaf: last.leaf}
}

// chain makes a node of leaves of one hash.
func (m *Map[K, V]) chain(leaves []hashed[K, V]) *node[K, V] {
	var n *node[K, V]
	for _, l := range leaves {
		n = n.chained(l.leaf)
	}
	m.len += len(n.leaves)
	return n
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
	return m.root.find(hashOf(m.hasher, k), 0, k)
}

func (n *node[K, V]) find(hash uint64, shift uint, k K) *leaf[K, V] {
	for ; shift < whole; shift += width {
		bit := uint32(1) << (hash >> shift & mask)
		if n.held&bit != 0 {
			if l := n.leaves[index(n.held, bit)]; l.key == k {
				return l
			}
			return nil
		}
		if n.split&bit == 0 {
			return nil
		}
		n = n.nodes[index(n.split, bit)]
	}
	if i := n.inChain(k); i >= 0 {
		return n.leaves[i]
	}
	return nil
}

func (n *node[K, V]) inChain(k K) int {
	return slices.IndexFunc(n.leaves, func(l *leaf[K, V]) bool { return l.key == k })
}

// index is the place of bit among those that are set.
func index(set, bit uint32) int { return bits.OnesCount32(set & (bit - 1)) }

// at returns what n has at bit.
func (n *node[K, V]) at(bit uint32) (s slot[K, V]) {
	switch {
	case n.held&bit != 0:
		s.leaf = n.leaves[index(n.held, bit)]
	case n.split&bit != 0:
		s.child = n.nodes[index(n.split, bit)]
	}
	return s
}

// with returns n with s at bit. What does not change is shared.
func (n *node[K, V]) with(bit uint32, s slot[K, V]) *node[K, V] {
	next := *n
	next.held, next.leaves = replace(n.held, n.leaves, bit, s.leaf)
	next.split, next.nodes = replace(n.split, n.nodes, bit, s.child)
	return &next
}

// replace puts x at bit, or nothing if x is nil.
func replace[T any](set uint32, all []*T, bit uint32, x *T) (uint32, []*T) {
	i, there := index(set, bit), set&bit != 0
	switch {
	case x == nil && !there:
		return set, all
	case x == nil:
		return set &^ bit, slices.Concat(all[:i], all[i+1:])
	case !there:
		return set | bit, slices.Concat(all[:i], []*T{x}, all[i:])
	}
	all = slices.Clone(all)
	all[i] = x
	return set, all
}

// Set returns the map with k mapped to v.
func (m Map[K, V]) Set(k K, v V) Map[K, V] { return m.set(&leaf[K, V]{k, v}) }

func (m Map[K, V]) set(l *leaf[K, V]) Map[K, V] {
	if m.find(l.key) == nil {
		m.len++
	}
	m.root = m.root.set(m.hasher, hashed[K, V]{hashOf(m.hasher, l.key), l}, 0)
	return m
}

func (n *node[K, V]) set(h hasher, l hashed[K, V], shift uint) *node[K, V] {
	if shift >= whole {
		return n.chained(l.leaf)
	}
	bit := uint32(1) << (l.hash >> shift & mask)
	if n == nil {
		return &node[K, V]{held: bit, leaves: []*leaf[K, V]{l.leaf}}
	}
	s := n.at(bit)
	switch {
	case s.child != nil:
		s.child = s.child.set(h, l, shift+width)
	case s.leaf == nil || s.leaf.key == l.key:
		s.leaf = l.leaf
	default:
		var both *node[K, V]
		both = both.set(h, hashed[K, V]{hashOf(h, s.leaf.key), s.leaf}, shift+width)
		s = slot[K, V]{child: both.set(h, l, shift+width)}
	}
	return n.with(bit, s)
}

// chained returns the chain n with l in it; n may be nil.
func (n *node[K, V]) chained(l *leaf[K, V]) *node[K, V] {
	next := new(node[K, V])
	if n != nil {
		next.leaves = n.unchained(l.key).leaves
	}
	next.leaves = append(slices.Clip(next.leaves), l)
	return next
}

// unchained returns the chain without k.
func (n *node[K, V]) unchained(k K) *node[K, V] {
	i := n.inChain(k)
	if i < 0 {
		return n
	}
	return &node[K, V]{leaves: slices.Concat(n.leaves[:i], n.leaves[i+1:])}
}

// Delete returns the map without k.
func (m Map[K, V]) Delete(k K) Map[K, V] {
	if m.find(k) == nil {
		return m
	}
	m.len--
	m.root = m.root.delete(hashOf(m.hasher, k), 0, k)
	if m.len == 0 {
		m.root = nil
	}
	return m
}

// delete expects k to be there.
func (n *node[K, V]) delete(hash uint64, shift uint, k K) *node[K, V] {
	if shift >= whole {
		return n.unchained(k)
	}
	bit := uint32(1) << (hash >> shift & mask)
	s := n.at(bit)
	if s.child != nil {
		s = s.child.delete(hash, shift+width, k).lifted()
	} else {
		s.leaf = nil
	}
	return n.with(bit, s)
}

// lifted returns the slot of a node: of its leaf, if that is all that it holds.
func (n *node[K, V]) lifted() slot[K, V] {
	if len(n.leaves) == 1 && len(n.nodes) == 0 {
		return slot[K, V]{leaf: n.leaves[0]}
	}
	return slot[K, V]{child: n}
}

// All visits every entry, in no order that means anything.
func (m Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		slot[K, V]{child: m.root}.visit(func(l *leaf[K, V]) bool { return yield(l.key, l.val) })
	}
}

func (s slot[K, V]) visit(yield func(*leaf[K, V]) bool) bool {
	if s.leaf != nil {
		return yield(s.leaf)
	}
	if s.child == nil {
		return true
	}
	for _, l := range s.child.leaves {
		if !yield(l) {
			return false
		}
	}
	for _, n := range s.child.nodes {
		if !(slot[K, V]{child: n}).visit(yield) {
			return false
		}
	}
	return true
}
