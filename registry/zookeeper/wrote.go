package zookeeper

import (
	"fmt"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// ours is what is known to stand of our mirror at a name. Below an instance there can
// be none.
func (t *table) ours(name string) (*mirror, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := t.nodes[t.layout.folder(name)]; n != nil && n.record != nil {
		return nil, fmt.Errorf("node %q is an instance: %w", n.path, registry.ErrNotOwned)
	}
	return t.oursLocked(name), nil
}

func (t *table) oursLocked(name string) *mirror {
	owner := t.layout.owner
	m := &mirror{owner: owner, instances: map[string]*record{}, side: t.sides[name][t.layout.sidePath(owner, name)]}
	if n := t.nodes[t.layout.folder(name)]; n != nil {
		for _, child := range n.below {
			if r := child.record; r != nil && r.owner == owner {
				m.instances[r.id] = r
			}
		}
	}
	return m
}

// wrote takes over what a transaction of our own did, which is of the mirrors at names,
// and has the feed told of it. It returns their versions. Nothing that was read before
// undoes it.
func (t *table) wrote(ops []op, names []string, zxid, session int64) (versions []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, o := range ops {
		switch o.do {
		case remove:
			t.removedLocked(o.path, zxid)
		case create, set:
			t.wroteLocked(o, zxid, session)
		}
	}
	keys := make([]catalog.Key, len(names))
	for i, name := range names {
		keys[i] = t.keyOf(name)
		versions = append(versions, t.oursLocked(name).version())
	}
	t.tellLocked(keys)
	return versions
}

func (t *table) wroteLocked(o op, zxid, session int64) {
	n := t.ensureLocked(o.path, zxid)
	if n.mzxid > zxid && n.taken == t.round {
		return // the watch told of what came after
	}
	is := znode{path: n.path, data: o.data, czxid: n.czxid, mzxid: zxid, version: o.version + 1, session: n.session}
	if o.do == create {
		is.czxid, is.version = zxid, 0
		if o.dynamic {
			is.session = session
		}
	}
	r := reading{stamp: stampOf(is), size: len(is.data)}
	if t.layout.role(is.path) == sidecar {
		r.of, r.side = t.layout.parseSide(is)
	} else {
		r.record, r.err = t.layout.parse(is)
	}
	t.takeLocked(n, r)
}

// ensureLocked returns the node at a path, which is made known if it is not. A Watch
// asks for it once it is listed.
func (t *table) ensureLocked(path string, zxid int64) *node {
	if n := t.nodes[path]; n != nil {
		return n
	}
	up := t.ensureLocked(parent(path), zxid)
	n := &node{reading: reading{stamp: stamp{path: path, czxid: zxid}}, up: up, confirmed: t.round, taken: t.round, expired: true}
	t.addLocked(n)
	return n
}

// removedLocked takes note that a node is gone, for lists that are older.
func (t *table) removedLocked(path string, zxid int64) {
	n := t.nodes[path]
	if n == nil || n.mzxid > zxid {
		return
	}
	if n.up.gone == nil {
		n.up.gone = map[string]int64{}
	}
	n.up.gone[n.name()] = zxid
	t.dropLocked(n)
}

// tellLocked has the feed told at once what changed of groups, but for native services
// of which no instance is left: those are told later.
func (t *table) tellLocked(keys []catalog.Key) {
	if t.feed == nil {
		return
	}
	var set []*catalog.Service
	var gone []catalog.Ref
	for _, k := range keys {
		lapses := t.groups[k] != nil && t.lapsedLocked(t.groups[k])
		if !lapses {
			delete(t.dirty, k)
		}
		s, g := t.decodeLocked(k, lapses)
		set, gone = append(set, s...), append(gone, g...)
	}
	if len(set)+len(gone) > 0 {
		t.feed.Update(set, gone)
	}
}

// setLive takes note of the session that instances of ours go with from now on. Those
// that go with another are to be written anew.
func (t *table) setLive(session int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.layout.live.Store(session)
	if !t.layout.dynamic {
		return
	}
	var keys []catalog.Key
	for name, all := range t.sides {
		if all[t.layout.sidePath(t.layout.owner, name)] != nil {
			keys = append(keys, t.keyOf(name))
		}
	}
	t.tellLocked(keys)
}
