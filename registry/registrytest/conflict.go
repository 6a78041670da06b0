package registrytest

import (
	"errors"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// conflictCases: writes over what is not what was read.
func conflictCases() []Case {
	return []Case{
		writing("a put over a stale version is a conflict", func(t T, p Writable) {
			w := claimed(t, p, owner)
			k := p.Key(t, "shop", "web")
			old := w.mustPut(mirror(owner, k, 1))
			w.mustPut(at(mirror(owner, k, 2), old.Version))
			untouched(t, p, func() {
				wantErr(t, "Put over a stale version", w.put(at(mirror(owner, k, 3), old.Version)).Err, registry.ErrConflict)
			})
			reads(t, p, w.canon(mirror(owner, k, 2)))
		}),
		writing("a delete of a stale version is a conflict", func(t T, p Writable) {
			w := claimed(t, p, owner)
			k := p.Key(t, "shop", "web")
			old := w.mustPut(mirror(owner, k, 1))
			w.mustPut(at(mirror(owner, k, 2), old.Version))
			untouched(t, p, func() {
				wantErr(t, "Delete of a stale version", w.delete(at(mirror(owner, k, 1), old.Version)).Err, registry.ErrConflict)
			})
			reads(t, p, w.canon(mirror(owner, k, 2)))
		}),
		writing("a create where ours stands is a conflict", func(t T, p Writable) {
			w := claimed(t, p, owner)
			k := p.Key(t, "shop", "web")
			w.mustPut(mirror(owner, k, 1))
			untouched(t, p, func() {
				wantErr(t, "create where ours stands", w.put(mirror(owner, k, 2)).Err, registry.ErrConflict)
			})
			reads(t, p, w.canon(mirror(owner, k, 1)))
		}),
		writing("a put over what was tampered with is a conflict", func(t T, p Writable) {
			w := claimed(t, p, owner)
			held := w.mustPut(mirror(owner, p.Key(t, "shop", "web"), 2))
			p.Tamper(t, held.Ref())
			untouched(t, p, func() {
				wantErr(t, "Put", w.put(at(rewritten(mirror(owner, held.Key, 3)), held.Version)).Err, registry.ErrConflict)
				wantErr(t, "Delete", w.delete(held).Err, registry.ErrConflict)
			})
		}),
		writing("what was tampered with is seen and put right", func(t T, p Writable) {
			w := claimed(t, p, owner)
			s := mirror(owner, p.Key(t, "shop", "web"), 2)
			held := w.mustPut(s)
			p.Tamper(t, s.Ref())
			snap := w.await("the tampered record", func(snap *catalog.Snapshot) bool {
				is := snap.Get(origin, s.Ref())
				return is != nil && !is.Same(held) && is.Version != held.Version
			})
			w.mustPut(at(s, snap.Get(origin, s.Ref()).Version))
			reads(t, p, w.canon(s))
		}),
		writing("a put over what was erased is a conflict", func(t T, p Writable) {
			w := claimed(t, p, owner)
			held := w.mustPut(mirror(owner, p.Key(t, "shop", "web"), 2))
			p.Erase(t, held.Ref())
			wantErr(t, "Put", w.put(at(mirror(owner, held.Key, 3), held.Version)).Err, registry.ErrConflict)
			w.awaitGone(held.Ref())
			if got := synced(t, p).get(held.Ref()); got != nil {
				t.Errorf("a put that was a conflict left\n%s", got.Text())
			}
		}),
		writing("what was erased is seen and put right", func(t T, p Writable) {
			w := claimed(t, p, owner)
			s := mirror(owner, p.Key(t, "shop", "web"), 2)
			p.Erase(t, w.mustPut(s).Ref())
			w.awaitGone(s.Ref())
			w.mustPut(s)
			reads(t, p, w.canon(s))
		}),
		writing("a delete of what is gone is done or a conflict", func(t T, p Writable) {
			w := claimed(t, p, owner)
			held := w.mustPut(mirror(owner, p.Key(t, "shop", "web"), 2))
			p.Erase(t, held.Ref())
			if err := w.delete(held).Err; err != nil && !errors.Is(err, registry.ErrConflict) {
				t.Errorf("Delete of what is gone = %v, want nil or %v", err, registry.ErrConflict)
			}
			w.awaitGone(held.Ref())
		}),
	}
}
