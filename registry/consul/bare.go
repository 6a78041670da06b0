package consul

import (
	"hash/maphash"
	"maps"
)

// bare is what is remembered of the records of mirrors that the feed keeps
// bare: that they are known, and at which index. Which of a mirror's records
// went does not matter then: a mirror that went altogether shows in the names,
// or in the index of its name where natives share it.
type bare struct {
	seed maphash.Seed
	at   map[string]map[uint64]uint64 // by owners' nodes and hashes of ids: indexes
}

func newBare() bare { return bare{maphash.MakeSeed(), map[string]map[uint64]uint64{}} }

func (b bare) add(r record) {
	if b.at[r.node] == nil {
		b.at[r.node] = map[uint64]uint64{}
	}
	b.at[r.node][maphash.String(b.seed, r.id)] = r.index
}

// has reports whether a record is known as it is.
func (b bare) has(node, id string, index uint64) bool {
	known, ok := b.at[node][maphash.String(b.seed, id)]
	return ok && known == index
}

// keep forgets the records of a node but for those that are there.
func (b bare) keep(node string, there map[string]bool) {
	hashes := make(map[uint64]bool, len(there))
	for id := range there {
		hashes[maphash.String(b.seed, id)] = true
	}
	maps.DeleteFunc(b.at[node], func(hash, _ uint64) bool { return !hashes[hash] })
}

// bareLocked forgets, of what was reported under name, what the feed did not
// keep. The directory keeps every record.
func (v *view) bareLocked(name string) {
	s, known := v.names[name]
	if !known || v.owner != "" || v.directory {
		return
	}
	owners := map[string]bool{}
	for i, svc := range s.services {
		if held := v.feed.Get(svc.Ref()); held != nil && held.Bare {
			s.services[i] = held
			owners[held.Mark.Owner] = true
		}
	}
	if len(owners) == 0 {
		return
	}
	var rest []record
	for _, r := range s.records {
		if !owners[r.owner] {
			rest = append(rest, r)
			continue
		}
		delete(v.records[r.node], r.id)
		v.bare.add(r)
	}
	s.records = rest
	v.names[name] = s
}
