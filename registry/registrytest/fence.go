package registrytest

import (
	"github.com/isthmus-dns/isthmus/registry"
)

// fenceCases: who may write for an owner.
func fenceCases() []Case {
	return []Case{
		writing("nothing is written before the first claim", func(t T, p Writable) {
			held := claimed(t, p, owner).mustPut(mirror(owner, p.Key(t, "shop", "db"), 1))
			w := open(t, p, owner)
			untouched(t, p, func() {
				wantErr(t, "Put before Claim", w.put(mirror(owner, p.Key(t, "shop", "web"), 1)).Err, registry.ErrFenced)
				wantErr(t, "Delete before Claim", w.delete(held).Err, registry.ErrFenced)
			})
		}),
		writing("a claim is enough to write", func(t T, p Writable) {
			w := open(t, p, owner)
			w.mustClaim(false, source)
			w.mustPut(mirror(owner, p.Key(t, "shop", "web"), 1))
		}),
		writing("who was deposed cannot write", func(t T, p Writable) {
			old := claimed(t, p, owner)
			k := p.Key(t, "shop", "web")
			held := old.mustPut(mirror(owner, k, 1))
			w := claimed(t, p, owner)
			untouched(t, p, func() {
				wantErr(t, "create", old.put(mirror(owner, p.Key(t, "shop", "db"), 1)).Err, registry.ErrFenced)
				wantErr(t, "Put", old.put(at(mirror(owner, k, 2), held.Version)).Err, registry.ErrFenced)
				wantErr(t, "Delete", old.delete(held).Err, registry.ErrFenced)
			})
			w.mustPut(at(mirror(owner, k, 2), held.Version))
		}, Fencing),
		writing("who was deposed can claim again", func(t T, p Writable) {
			old := claimed(t, p, owner)
			w := claimed(t, p, owner)
			old.mustClaim(true, source)
			old.mustPut(mirror(owner, p.Key(t, "shop", "web"), 1))
			wantErr(t, "Put of the other", w.put(mirror(owner, p.Key(t, "shop", "db"), 1)).Err, registry.ErrFenced)
		}, Fencing),
		writing("who was deposed takes nothing over by naming sources", func(t T, p Writable) {
			old := claimed(t, p, owner)
			w := claimed(t, p, owner)
			untouched(t, p, func() {
				wantErr(t, "Claim of more sources", old.claim(false, source, "source:2"), registry.ErrFenced)
				wantErr(t, "Claim of the same", old.claim(false, source), registry.ErrFenced)
				wantErr(t, "Put", old.put(mirror(owner, p.Key(t, "shop", "db"), 1)).Err, registry.ErrFenced)
			})
			w.mustPut(mirror(owner, p.Key(t, "shop", "web"), 1))
		}, Fencing),
		writing("sources that another adds depose nobody", func(t T, p Writable) {
			w := claimed(t, p, owner)
			open(t, p, owner).mustClaim(false, source, "source:2")
			w.mustClaim(false, source, "source:3")
			w.mustPut(mirror(owner, p.Key(t, "shop", "web"), 1))
		}),
		writing("a fence of other sources is foreign", func(t T, p Writable) {
			claimed(t, p, owner)
			w := open(t, p, owner)
			untouched(t, p, func() {
				wantErr(t, "Claim", w.claim(true, "source:9"), registry.ErrForeignFence)
				wantErr(t, "Put", w.put(mirror(owner, p.Key(t, "shop", "web"), 1)).Err, registry.ErrFenced)
			})
		}),
		writing("a claim adds sources and takes none away", func(t T, p Writable) {
			w := claimed(t, p, owner)
			w.mustClaim(false, source, "source:2")
			w.mustPut(mirror(owner, p.Key(t, "shop", "web"), 1))
			open(t, p, owner).mustClaim(false, "source:2")
			open(t, p, owner).mustClaim(false, source)
		}),
		writing("a claim that changes nothing writes nothing", func(t T, p Writable) {
			claimed(t, p, owner)
			w := open(t, p, owner)
			untouched(t, p, func() { w.mustClaim(false, source) })
			w.mustPut(mirror(owner, p.Key(t, "shop", "web"), 1))
		}),
		writing("owners claim apart from each other", func(t T, p Writable) {
			w := claimed(t, p, owner)
			other := open(t, p, rival)
			other.mustClaim(true, "source:9")
			w.mustPut(mirror(owner, p.Key(t, "shop", "web"), 1))
			other.mustPut(mirror(rival, p.Key(t, "shop", "db"), 1))
		}),
		writing("a fence is no service", func(t T, p Writable) {
			claimed(t, p, owner)
			if n := synced(t, p).catalog.Snapshot().State(origin); n.Services != 0 || n.Refused != 0 {
				t.Errorf("a fence alone, and a reader reports %+v", n)
			}
		}),
		writing("a restart writes nothing", func(t T, p Writable) {
			first := claimed(t, p, owner)
			s := mirror(owner, p.Key(t, "shop", "web"), 3)
			first.mustPut(s)
			first.stop()
			untouched(t, p, func() {
				w := open(t, p, owner)
				w.mustClaim(false, source)
				if got := w.get(s.Ref()); got == nil || !got.Same(w.canon(s)) {
					t.Errorf("after a restart the feed shows\n%s\nwant\n%s", text(got), w.canon(s).Text())
				}
			})
		}),
	}
}
