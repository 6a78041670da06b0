package etcd

import (
	"cmp"
	"iter"
	"slices"
	"strings"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// group is all of one service key. It is open while its records are looked at,
// else they are packed.
type group struct {
	key     catalog.Key
	packed  packed
	open    bool
	changed bool      // since it was opened
	records []*record // of an open group, sorted by key
	told    registry.Told
	refused map[string]bool
}

// address is who has a reverse key: our mirror of a service, in whose group the
// record is, or another's record. The other is nil.
type address struct {
	of    *group
	other *record
}

// maxOpen is how many groups are open at a time where all of them are looked at.
const maxOpen = 64

// unlock gives up the lock that guards the table, all of it packed.
func (t *table) unlock() {
	t.packLocked()
	t.mu.Unlock()
}

// packLocked packs all open groups. Their records stay as they are for who has
// them.
func (t *table) packLocked() {
	for _, g := range t.open {
		if g.changed {
			g.packed = t.packer.pack(g.records)
		}
		g.open, g.changed, g.records = false, false, nil
	}
	clear(t.open)
	t.open = t.open[:0]
}

func (t *table) openLocked(g *group) {
	if g.open {
		return
	}
	g.open, g.records = true, g.packed.records(t.layout)
	t.open = append(t.open, g)
}

// groupLocked opens the group of k, which is made if there is none. It is in the
// table for as long as it has records.
func (t *table) groupLocked(k catalog.Key) *group {
	g := t.groups[k]
	if g == nil {
		// Its parts may be parts of a longer text.
		k = catalog.Key{Namespace: strings.Clone(k.Namespace), Name: strings.Clone(k.Name)}
		g = &group{key: k}
		t.groups[k] = g
	}
	t.openLocked(g)
	return g
}

// recordsLocked returns the records of the group of k, opened.
func (t *table) recordsLocked(k catalog.Key) []*record {
	g := t.groups[k]
	if g == nil {
		return nil
	}
	t.openLocked(g)
	return g.records
}

// findLocked returns the record at a key, nil if there is none. Its group is
// open then.
func (t *table) findLocked(key string) *record {
	var g *group
	if t.layout.isReverse(key) {
		at := t.reverse[key]
		if at.of == nil {
			return at.other
		}
		g = at.of
	} else {
		p, _ := t.layout.parse(key) // records at bad keys have a group as well
		g = t.groups[p.Key]
	}
	if g == nil {
		return nil
	}
	t.openLocked(g)
	if i, there := search(g.records, key); there {
		return g.records[i]
	}
	return nil
}

// allLocked yields all records. None may be dropped or added meanwhile.
func (t *table) allLocked() iter.Seq[*record] {
	return func(yield func(*record) bool) {
		for k := range t.groups {
			for _, r := range t.recordsLocked(k) {
				if !yield(r) {
					return
				}
			}
			t.easeLocked()
		}
		for _, at := range t.reverse {
			if at.other != nil && !yield(at.other) {
				return
			}
		}
	}
}

// easeLocked packs what is open if that is much.
func (t *table) easeLocked() {
	if len(t.open) >= maxOpen {
		t.packLocked()
	}
}

// addLocked adds a record at a key where none is.
func (t *table) addLocked(r *record) {
	at := address{other: r}
	if t.joins(r) {
		g := t.groupLocked(r.place.Key)
		i, _ := search(g.records, r.key)
		g.records, g.changed = slices.Insert(g.records, i, r), true
		t.dirty[g.key] = true
		at = address{of: g}
	}
	if r.reverse {
		t.reverse[r.key] = at
	}
	t.countLocked(r, +1)
}

func (t *table) dropLocked(key string) {
	r := t.findLocked(key)
	if r == nil {
		return
	}
	if t.joins(r) {
		g := t.groupLocked(r.place.Key)
		i, _ := search(g.records, key)
		// What was handed out of the old ones stays as it is.
		g.records, g.changed = slices.Concat(g.records[:i], g.records[i+1:]), true
		t.dirty[g.key] = true
	}
	if r.reverse {
		delete(t.reverse, key)
		t.releaseLocked(key)
	}
	t.countLocked(r, -1)
}

func search(sorted []*record, key string) (i int, there bool) {
	return slices.BinarySearchFunc(sorted, key, func(r *record, key string) int { return cmp.Compare(r.key, key) })
}
