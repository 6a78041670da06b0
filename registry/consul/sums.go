package consul

import (
	"hash/maphash"
	"slices"
	"strconv"
	"strings"
)

// sums is what is remembered of the records on owners' nodes: of all that stand
// under one name on one node a sum of their ids and indexes. There may be
// 100,000 records, and all that is ever asked is whose name to read again.
type sums struct {
	seed  maphash.Seed
	nodes map[string]*onNode
}

// onNode is what stands on one node.
type onNode struct {
	owner string
	names map[uint64]uint64 // sums by hashes of names
}

// nodeSum is what stands under one name on one node.
type nodeSum struct {
	owner, node string
	sum         uint64
}

func newSums(seed maphash.Seed) sums { return sums{seed, map[string]*onNode{}} }

func (s sums) hash(text string) uint64 { return maphash.String(s.seed, text) }

// of returns what one record adds to the sum of its name, whatever their order.
func (s sums) of(id string, index uint64) uint64 {
	var room [160]byte
	return maphash.Bytes(s.seed, strconv.AppendUint(append(append(room[:0], id...), ' '), index, 36))
}

// perNode sums up the records of one name, by node.
func (s sums) perNode(all []record) []nodeSum {
	var sums []nodeSum
	for _, r := range all {
		i := slices.IndexFunc(sums, func(n nodeSum) bool { return n.node == r.node })
		if i < 0 {
			i, sums = len(sums), append(sums, nodeSum{owner: r.owner, node: r.node})
		}
		sums[i].sum += s.of(r.id, r.index)
	}
	return sums
}

// keep remembers where name stands.
func (s sums) keep(name string, all []nodeSum) {
	for _, p := range all {
		n := s.nodes[p.node]
		if n == nil {
			n = &onNode{owner: p.owner, names: map[uint64]uint64{}}
			s.nodes[p.node] = n
		}
		n.owner = p.owner
		n.names[s.hash(name)] = p.sum
	}
}

// forget forgets where name stands.
func (s sums) forget(name string) {
	h := s.hash(name)
	for _, n := range s.nodes {
		delete(n.names, h)
	}
}

// forgetOf forgets where name stands on nodes of owner.
func (s sums) forgetOf(owner, name string) {
	h := s.hash(name)
	for _, n := range s.nodes {
		if n.owner == owner {
			delete(n.names, h)
		}
	}
}

// isOn reports whether a record, "NODE/ID", is on a node of owner.
func (s sums) isOn(owner, record string) bool {
	for node, n := range s.nodes {
		if n.owner == owner && strings.HasPrefix(record, node+"/") {
			return true
		}
	}
	return false
}

// differ visits the names of list whose sums on node are others, and the hashes
// of names that are not in it any more.
func (s sums) differ(node string, list []stands, changed func(name string), gone func(hash uint64)) {
	now, names := map[uint64]uint64{}, map[uint64]string{}
	for _, r := range list {
		name := keyName(r.Service)
		h := s.hash(name)
		now[h] += s.of(r.ID, r.ModifyIndex)
		names[h] = name
	}
	var was map[uint64]uint64
	if n := s.nodes[node]; n != nil {
		was = n.names
	}
	for h, sum := range now {
		if old, known := was[h]; !known || old != sum {
			changed(names[h])
		}
	}
	for h := range was {
		if _, there := now[h]; !there {
			gone(h)
		}
	}
}
