package catalog

import (
	"hash/maphash"
	"maps"
	"sync"
)

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
