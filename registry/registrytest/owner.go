package registrytest

import (
	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// nativeCases: what the registry's own users registered is left as it is.
func nativeCases() []Case {
	return []Case{
		writing("a put never changes a native", func(t T, p Writable) {
			w := claimed(t, p, owner)
			a := native(p.Key(t, "shop", "web"), 2)
			p.Register(t, a)
			w.awaitSeen(p, a)
			if err := w.put(mirror(owner, a.Key, 3)).Err; err != nil {
				wantErr(t, "Put where a native stands", err, registry.ErrNotOwned)
			}
			w.settle(p)
			wantSeen(t, p, w.catalog.Snapshot(), a)
			wantSeen(t, p, synced(t, p).catalog.Snapshot(), a)
		}),
		writing("a mirror stands beside a native", func(t T, p Writable) {
			w := claimed(t, p, owner)
			a, s := native(p.Key(t, "shop", "web"), 2), mirror(owner, p.Key(t, "shop", "web"), 3)
			p.Register(t, a)
			held := w.mustPut(s)
			reads(t, p, w.canon(s))
			wantSeen(t, p, synced(t, p).catalog.Snapshot(), a)
			w.wantBeside(s, a.Ref())
			w.mustDelete(held)
			w.settle(p)
			wantSeen(t, p, synced(t, p).catalog.Snapshot(), a)
		}, Sharing),
		writing("a native that comes leaves the mirror alone", func(t T, p Writable) {
			w := claimed(t, p, owner)
			s := mirror(owner, p.Key(t, "shop", "web"), 3)
			a := changed(native(s.Key, 2), func(c *catalog.Service) { c.Endpoints[0].ID, c.Endpoints[1].ID = "n0", "n1" })
			w.mustPut(s)
			p.Register(t, a)
			snap := w.awaitSeen(p, a)
			if got := snap.Get(origin, s.Ref()); got == nil || !got.Same(w.canon(s)) {
				t.Errorf("beside a native the mirror reads\n%s\nwant\n%s", text(got), w.canon(s).Text())
			}
			p.Unregister(t, a.Key)
			w.awaitGone(a.Ref())
			reads(t, p, w.canon(s))
		}, Sharing),
		writing("a put where a native stands leaves a mirror or an error", func(t T, p Writable) {
			w := claimed(t, p, owner)
			a := native(p.Key(t, "shop", "web"), 2)
			p.Register(t, a)
			w.awaitSeen(p, a)
			err := w.put(mirror(owner, a.Key, 3)).Err
			got := w.get(catalog.Ref{Key: a.Key, Owner: owner})
			if (err == nil) != (got != nil) {
				t.Errorf("Put where a native stands = %v, and the feed shows\n%s", err, text(got))
			}
		}),
		writing("a native comes back after a restart as native", func(t T, p Writable) {
			w := claimed(t, p, owner)
			a := native(p.Key(t, "shop", "db"), 2)
			p.Register(t, a)
			w.awaitSeen(p, a)
			w.mustPut(mirror(owner, p.Key(t, "shop", "web"), 1))
			wantSeen(t, p, open(t, p, owner).catalog.Snapshot(), a)
		}),
	}
}

// ownerCases: other owners' mirrors are left as they are, and so are marks
// that only a newer version knows.
func ownerCases() []Case {
	return []Case{
		writing("mirrors of two owners stand side by side or the second is refused", func(t T, p Writable) {
			w, other := claimed(t, p, owner), claimed(t, p, rival)
			k := p.Key(t, "shop", "web")
			other.mustPut(mirror(rival, k, 2))
			w.awaitSame(other.canon(mirror(rival, k, 2)))
			if err := w.put(mirror(owner, k, 3)).Err; err != nil {
				wantErr(t, "Put where a rival's mirror stands", err, registry.ErrNotOwned)
			} else {
				reads(t, p, w.canon(mirror(owner, k, 3)))
			}
			reads(t, p, other.canon(mirror(rival, k, 2)))
		}),
		writing("a rival's mirror is neither put nor deleted", func(t T, p Writable) {
			w, other := claimed(t, p, owner), claimed(t, p, rival)
			s := mirror(rival, p.Key(t, "shop", "web"), 2)
			held := other.mustPut(s)
			w.awaitSame(other.canon(s))
			untouched(t, p, func() {
				if err := w.delete(held).Err; err == nil {
					t.Errorf("Delete of a rival's mirror is no error")
				}
				if err := w.put(at(mirror(rival, s.Key, 3), held.Version)).Err; err == nil {
					t.Errorf("Put of a rival's mirror is no error")
				}
			})
			reads(t, p, other.canon(s))
		}),
		writing("a mirror of a newer format is not written", func(t T, p Writable) {
			w := claimed(t, p, owner)
			s := mirror(owner, p.Key(t, "shop", "web"), 2)
			w.mustPut(s)
			p.Advance(t, s.Ref())
			snap := w.await("a mark of a newer format", func(snap *catalog.Snapshot) bool {
				is := snap.Get(origin, s.Ref())
				return is != nil && is.Mark.Format > catalog.MarkFormat
			})
			v := snap.Get(origin, s.Ref()).Version
			untouched(t, p, func() {
				wantErr(t, "Put", w.put(at(mirror(owner, s.Key, 3), v)).Err, registry.ErrNotOwned)
				wantErr(t, "Delete", w.delete(at(s, v)).Err, registry.ErrNotOwned)
			})
		}),
		writing("readers see whose mirror it is and of what", func(t T, p Writable) {
			w := claimed(t, p, owner)
			s := mirror(owner, p.Key(t, "shop", "web"), 1)
			w.mustPut(s)
			got := synced(t, p).get(s.Ref())
			if got == nil || got.Mark == nil || *got.Mark != *s.Mark {
				t.Errorf("a reader reads\n%s\nwant the mark %+v", text(got), *s.Mark)
			}
		}),
	}
}
