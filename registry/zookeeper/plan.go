package zookeeper

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// Limits of one transaction. A server takes requests of 1 MiB unless it was told
// otherwise; a side node alone may have more than half of that.
const (
	maxOps   = 1000 // beside the one on the fence
	maxBytes = 512 << 10
	opBytes  = 128 // of an operation, beside its path and data
)

// op is one operation of a transaction.
type op struct {
	do      verb
	path    string
	data    []byte
	version int32 // that the node has, of all but create
	dynamic bool  // of create: the node goes with the session
}

type verb int

const (
	check verb = iota
	create
	set
	remove
)

func (o op) bytes() int { return opBytes + len(o.path) + len(o.data) }

// step is operations that are done together or not at all.
type step []op

func (s step) bytes() (n int) {
	for _, o := range s {
		n += o.bytes()
	}
	return n
}

// plan is what it takes to bring one mirror to where it is to be.
type plan struct {
	folder string // the node above its instances
	side   op     // to create, set or remove, or only to check
	steps  []step // in order; that of side is one of them, unless it is only checked
}

// planPut returns what it takes to make s stand, nil if it does.
func (t *table) planPut(s *catalog.Service) (*plan, error) {
	m, err := t.standing(s)
	if err != nil {
		return nil, err
	}
	o := options{time.Now().UnixMilli(), t.layout.payload, t.layout.dynamic}
	if m.side != nil && m.side.service != nil {
		o.Registered = m.side.options.Registered
	}
	want, err := t.layout.encode(s, o)
	if err != nil {
		return nil, err
	}
	if len(want) == 0 {
		return t.layout.removal(s.Name, m), nil
	}
	return t.layout.change(s.Name, m, want), nil
}

// planDelete returns what it takes to remove s.
func (t *table) planDelete(s *catalog.Service) (*plan, error) {
	m, err := t.standing(s)
	if err != nil {
		return nil, err
	}
	return t.layout.removal(s.Name, m), nil
}

// standing returns what stands of s, if it is ours and at the version of s.
func (t *table) standing(s *catalog.Service) (*mirror, error) {
	if s.Mark == nil || s.Mark.Owner != t.layout.owner {
		return nil, fmt.Errorf("service %q of owner %q: %w", s.Key, s.Ref().Owner, registry.ErrNotOwned)
	}
	m, err := t.ours(s.Name)
	if err != nil {
		return nil, err
	}
	if m.side != nil && m.side.format > catalog.MarkFormat {
		return nil, fmt.Errorf("node %q has a mark of format %d: %w", m.side.path, m.side.format, registry.ErrNotOwned)
	}
	if m.version() != s.Version {
		return nil, fmt.Errorf("service %q: %w", s.Key, registry.ErrConflict)
	}
	return m, nil
}

// removal takes away all of a mirror, its side node last.
func (l layout) removal(name string, m *mirror) *plan {
	p := &plan{folder: l.folder(name), side: op{do: check}}
	for _, r := range m.inOrder() {
		p.steps = append(p.steps, step{{do: remove, path: r.path, version: r.version}})
	}
	if m.side != nil {
		p.side = op{do: remove, path: m.side.path, version: m.side.version}
		p.steps = append(p.steps, step{p.side})
	}
	if len(p.steps) == 0 {
		return nil
	}
	return p
}

// change leads from what stands to what is wanted, the side node of which comes first:
// it adds, then changes, then removes. The side node of a new mirror comes before all
// else, that of another once what it tells of is there.
func (l layout) change(name string, m *mirror, want []written) *plan {
	p := &plan{folder: l.folder(name), side: sideOp(m.side, want[0])}
	var adds, changes, removes []step
	wanted := make(map[string]bool, len(want))
	for _, w := range want[1:] {
		_, id := l.split(w.path)
		wanted[id] = true
		made := op{do: create, path: w.path, data: w.data, dynamic: w.dynamic}
		switch r := m.instances[id]; {
		case r == nil:
			adds = append(adds, step{made})
		case !l.lives(r):
			changes = append(changes, step{{do: remove, path: r.path, version: r.version}, made})
		case r.digest != digestOf(w.data):
			changes = append(changes, step{{do: set, path: w.path, data: w.data, version: r.version}})
		}
	}
	for _, r := range m.inOrder() {
		if !wanted[r.id] {
			removes = append(removes, step{{do: remove, path: r.path, version: r.version}})
		}
	}
	side := []step{{p.side}}
	switch p.side.do {
	case check:
		p.steps = slices.Concat(adds, changes, removes)
	case create:
		p.steps = slices.Concat(side, adds, changes, removes)
	default:
		p.steps = slices.Concat(adds, side, changes, removes)
	}
	if len(p.steps) == 0 {
		return nil
	}
	return p
}

// sideOp is what is to be done with a side node, or nil where there is none.
func sideOp(is *side, want written) op {
	switch {
	case is == nil:
		return op{do: create, path: want.path, data: want.data}
	case is.digest == digestOf(want.data):
		return op{do: check, path: want.path, version: is.version}
	}
	return op{do: set, path: want.path, data: want.data, version: is.version}
}

// inOrder are the instances by their nodes.
func (m *mirror) inOrder() []*record {
	all := make([]*record, 0, len(m.instances))
	for _, r := range m.instances {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b *record) int { return cmp.Compare(a.id, b.id) })
	return all
}

// parts are the plan's operations by transaction, in order, none of more than maxOps
// and, unless a single step has more, maxBytes. Each compares the side node, as it is by
// then.
func (p *plan) parts(maxOps, maxBytes int) [][]op {
	guard, done := p.guard(false), false
	var all [][]op
	var ops []op
	size, has := 0, false
	flush := func() {
		if !has && guard != nil {
			ops = append([]op{*guard}, ops...)
		}
		all = append(all, ops)
		ops, size, has = nil, 0, false
		guard = p.guard(done)
	}
	for _, s := range p.steps {
		if len(ops) > 0 && (len(ops)+len(s) > maxOps-1 || size+s.bytes() > maxBytes) {
			flush()
		}
		if s[0].path == p.side.path {
			has, done = true, true
		}
		ops, size = append(ops, s...), size+s.bytes()
	}
	flush()
	return all
}

// guard compares the side node before its own operation is done, or after; nil where
// there is nothing to compare.
func (p *plan) guard(done bool) *op {
	o := op{do: check, path: p.side.path, version: p.side.version}
	switch {
	case p.side.path == "" || p.side.do == create && !done || p.side.do == remove && done:
		return nil
	case p.side.do == create:
		o.version = 0
	case p.side.do == set && done:
		o.version++
	}
	return &o
}

// lives reports whether an instance of ours stays as long as it is to: until it is
// removed or, where instances are dynamic, with the session of this writer.
func (l layout) lives(r *record) bool {
	if !l.dynamic {
		return r.session == 0
	}
	live := int64(0)
	if l.live != nil {
		live = l.live.Load()
	}
	return r.session != 0 && (live == 0 || r.session == live)
}
