package catalog

import (
	"hash/maphash"
	"maps"
	"slices"
	"sync"
)

// refuse edits the refused records; the published map is never modified.
func (o *origin) refuse(record string, err error) (changed, news bool) {
	was, known := o.refused[record]
	if err != nil && known && was.Error() == err.Error() {
		return false, false
	}
	if !known {
		if err == nil || len(o.refused) >= MaxRefused {
			return o.refuseBeyond(record, err), false
		}
		o.beyond.drop(record)
	}
	next := make(map[string]error, len(o.refused)+1)
	maps.Copy(next, o.refused)
	delete(next, record)
	if err != nil {
		next[record] = err
	}
	o.keepRefused(next)
	return true, true
}

// refuseBeyond counts a record for which there is no room, or no longer. The first by
// name are those that are kept, so that it is not chance that says which are.
func (o *origin) refuseBeyond(record string, err error) (changed bool) {
	if err == nil {
		if changed = o.beyond.drop(record); changed {
			o.state.Refused--
		}
		return changed
	}
	if o.beyond.has(record) {
		return false
	}
	if o.greatest == "" {
		o.greatest = slices.Max(slices.Collect(maps.Keys(o.refused)))
	}
	if record > o.greatest {
		o.beyond.add(record)
		o.state.Refused++
		return true
	}
	next := maps.Clone(o.refused)
	delete(next, o.greatest)
	next[record] = err
	o.beyond.add(o.greatest)
	o.keepRefused(next)
	return true
}

func (o *origin) keepRefused(all map[string]error) {
	o.refused, o.greatest = all, ""
	o.state.Refused = len(all) + o.beyond.len()
}

// beyond counts the refused records for which an origin has no room, by hashes of
// their names. It is no part of what a snapshot shows.
type beyond struct {
	seed maphash.Seed

	mu     sync.Mutex // guards hashes
	hashes map[uint64]struct{}
}

// maxBeyond is how many it counts.
const maxBeyond = 1_000_000

func newBeyond() *beyond {
	return &beyond{seed: maphash.MakeSeed(), hashes: map[uint64]struct{}{}}
}

func (b *beyond) clone() *beyond {
	b.mu.Lock()
	defer b.mu.Unlock()
	return &beyond{seed: b.seed, hashes: maps.Clone(b.hashes)}
}

func (b *beyond) len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.hashes)
}

func (b *beyond) has(record string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, there := b.hashes[maphash.String(b.seed, record)]
	return there || len(b.hashes) >= maxBeyond
}

func (b *beyond) add(record string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hashes[maphash.String(b.seed, record)] = struct{}{}
}

// drop reports whether the record was counted.
func (b *beyond) drop(record string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := maphash.String(b.seed, record)
	_, there := b.hashes[h]
	delete(b.hashes, h)
	return there
}
