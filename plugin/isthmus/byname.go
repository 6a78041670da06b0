package isthmus

import (
	"hash/maphash"
	"sync/atomic"

	"github.com/miekg/dns"
)

// byName finds records by the whole name that they answer: those that were asked
// for last, each in the one place that its name leads to. What is asked for again
// is then found without reading the name and without the way through the map of
// all services, most of which is in no processor's cache where names are many.
//
// What is found is right for every view that was published when it was looked
// for, since the entry that it belongs to is retired before a view is published
// that has another. All methods are safe for concurrent use; nil finds nothing.
type byName struct {
	seed maphash.Seed // nobody who chooses names can choose their places
	all  [1 << 16]atomic.Pointer[records]
}

func newByName() *byName { return &byName{seed: maphash.MakeSeed()} }

func (b *byName) place(name string) *atomic.Pointer[records] {
	return &b.all[maphash.String(b.seed, name)%uint64(len(b.all))]
}

// find returns what name, in lower case, answers to a question for its addresses.
func (b *byName) find(name string, typ uint16) (a answer, found bool) {
	if b == nil || typ != dns.TypeA && typ != dns.TypeAAAA {
		return a, false
	}
	r := b.place(name).Load()
	if r == nil || r.name != name || r.of.retired.Load() {
		return a, false
	}
	a.zone = r.zone
	r.addresses(&a, typ)
	return a, true
}

// put keeps r, whose name alone decides its addresses.
func (b *byName) put(r *records) {
	if b != nil && !r.of.retired.Load() {
		b.place(r.name).Store(r)
	}
}

// retire makes sure that nothing of e is found any more, which is to be replaced.
// Who made records of e meanwhile may still put them: they are not found, but
// stay in memory until their place is needed.
func (b *byName) retire(e *entry) {
	e.retired.Store(true)
	for r := e.made.Load(); r != nil && b != nil; r = r.next {
		b.place(r.name).CompareAndSwap(r, nil)
	}
}
