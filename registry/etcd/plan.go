package etcd

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// maxOps is how many keys a transaction compares or writes, its fence apart.
// etcd refuses more than 128 unless told otherwise.
const maxOps = 98

// op is what becomes of one key.
type op struct {
	key   string
	value string  // to put
	read  *record // the same as it would be read
	mod   int64   // as it stands; 0: it does not
	do    verb
}

type verb int

const (
	keep   verb = iota // compare only
	put                // the value
	remove             // the key
)

// planPut returns what it takes to make s stand, in order: puts, removals,
// then what only is compared. No ops: it stands already. What is reserved for
// another service is as if that stood.
func (t *table) planPut(s *catalog.Service, reserved map[string]catalog.Ref) ([]op, error) {
	there, others, err := t.standing(s)
	if err != nil {
		return nil, err
	}
	for key, ref := range reserved {
		others[key] = others[key] || ref != s.Ref()
	}
	want, err := encode(t.layout, s, others)
	if err != nil {
		return nil, err
	}
	for _, r := range want {
		if others[r.key] {
			return nil, fmt.Errorf("record %q: %w", r.key, registry.ErrNotOwned)
		}
		if hidden := hides(r.key, others, there); hidden != "" {
			return nil, fmt.Errorf("record %q would hide %q: %w", r.key, hidden, registry.ErrNotOwned)
		}
	}
	if len(others) == 0 {
		m := &made{len(want)}
		for _, r := range want {
			r.made = m
		}
	}
	return diff(want, there), t.apart(want)
}

// apart returns an error if a record that is to be written would stand within
// reach of external-dns, which would delete it with a name of its own.
func (t *table) apart(want []*record) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range want {
		if name := t.reachLocked(r.key); name != "" {
			return fmt.Errorf("record %q begins as %q of external-dns, which deletes by that: %w", r.key, name, registry.ErrInvalid)
		}
	}
	return nil
}

// planDelete returns what it takes to remove s.
func (t *table) planDelete(s *catalog.Service, _ map[string]catalog.Ref) ([]op, error) {
	there, _, err := t.standing(s)
	return diff(nil, there), err
}

// standing returns the records of s, if they are ours and at the version of s,
// and the keys that it cannot have: of all others under its key, and of
// addresses.
func (t *table) standing(s *catalog.Service) (map[string]*record, map[string]bool, error) {
	if s.Mark == nil || s.Mark.Owner != t.owner {
		return nil, nil, fmt.Errorf("service %q of owner %q: %w", s.Key, s.Ref().Owner, registry.ErrNotOwned)
	}
	t.mu.Lock()
	defer t.unlock()
	there, foreign := map[string]*record{}, map[string]bool{}
	maps.Copy(foreign, t.takenLocked(s.Key, hostsOf(s)))
	var recs []*record
	for _, r := range t.recordsLocked(s.Key) {
		switch {
		case r.mark == nil || r.mark.Owner != t.owner:
			foreign[r.key] = true
		case r.mark.Format > catalog.MarkFormat:
			return nil, nil, fmt.Errorf("record %q has a mark of format %d: %w", r.key, r.mark.Format, registry.ErrNotOwned)
		default:
			there[r.key] = r
			recs = append(recs, r)
		}
	}
	if versionOf(recs) != s.Version {
		return nil, nil, fmt.Errorf("service %q: %w", s.Key, registry.ErrConflict)
	}
	return there, foreign, nil
}

// diff returns the ops that lead from what is there to what is wanted.
func diff(want []*record, there map[string]*record) []op {
	var ops []op
	wanted := make(map[string]bool, len(want))
	same := 0
	for _, r := range want {
		wanted[r.key] = true
		text := r.text()
		r.digest = digestOf(text)
		o := op{key: r.key, value: string(text), read: r, do: put}
		if old := there[r.key]; old != nil {
			o.mod = old.mod
			if old.digest == r.digest {
				o.do = keep
				same++
			}
		}
		ops = append(ops, o)
	}
	for key, r := range there {
		if !wanted[key] {
			ops = append(ops, op{key: key, mod: r.mod, do: remove})
		}
	}
	if same == len(ops) {
		return nil
	}
	order := [...]int{put: 0, remove: 1, keep: 2}
	slices.SortFunc(ops, func(a, b op) int {
		return cmp.Or(cmp.Compare(order[a.do], order[b.do]), cmp.Compare(a.key, b.key))
	})
	return ops
}

// after returns the records that stand when ops are done at a revision, in
// their order.
func after(ops []op, revision int64) []*record {
	recs := make([]*record, 0, len(ops))
	for _, o := range ops {
		switch o.do {
		case keep:
			recs = append(recs, &record{key: o.key, mod: o.mod})
		case put:
			r := *o.read
			r.mod = revision
			recs = append(recs, &r)
		}
	}
	return recs
}

// items returns what ops did at a revision, after which all of stand does.
func items(ops []op, stand []*record, revision int64) []item {
	all := make([]item, 0, len(ops))
	for _, o := range ops {
		switch o.do {
		case remove:
			all = append(all, item{key: o.key, mod: revision, gone: true})
			continue
		case put:
			all = append(all, item{key: o.key, read: stand[0], mod: revision})
		}
		stand = stand[1:]
	}
	return all
}
