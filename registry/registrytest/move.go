package registrytest

import (
	"errors"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// moveCases: what Readers and Writers make of another registry that answers at
// their address.
func moveCases() []Case {
	moved := func(name string, do func(t T, p Movable), needs ...Ability) Case {
		return Case{name, append([]Ability{Moving}, needs...), func(t T, p Place) {
			m := p.(Movable)
			t.Cleanup(func() { m.Home(t) })
			do(t, m)
		}}
	}
	return []Case{
		moved("of another registry at the address nothing is told under the identity of the first", func(t T, p Movable) {
			w, a := seen(t, p)
			was := w.catalog.Snapshot().State(origin).Identity
			p.Away(t)
			snap := w.await("another identity, read", func(s *catalog.Snapshot) bool {
				st := s.State(origin)
				if st.Identity == was && s.Get(origin, a.Ref()) == nil {
					t.Fatalf("%s is gone, and the identity is still %q", a.Key, was)
				}
				return st.Identity != was && !st.Another
			})
			if is := snap.Get(origin, a.Ref()); is != nil {
				t.Errorf("read under the identity %q, and yet there:\n%s", snap.State(origin).Identity, is.Text())
			}
		}),
		moved("the first registry at the address again is what it was", func(t T, p Movable) {
			w, a := seen(t, p)
			was := w.catalog.Snapshot().State(origin).Identity
			p.Away(t)
			w.await("another identity", func(s *catalog.Snapshot) bool { return s.State(origin).Identity != was })
			p.Home(t)
			snap := w.await("the first identity, read", func(s *catalog.Snapshot) bool {
				return s.State(origin).Identity == was && !s.State(origin).Another
			})
			wantSeen(t, p, snap, a)
		}),
		moved("the claim of one registry writes nothing to another", func(t T, m Movable) {
			p := m.(Writable)
			w := claimed(t, p, owner)
			s := mirror(owner, p.Key(t, "shop", "web"), 2)
			was := w.catalog.Snapshot().State(origin).Identity
			m.Away(t)
			w.await("another identity", func(s *catalog.Snapshot) bool { return s.State(origin).Identity != was })
			if err := w.put(s).Err; !errors.Is(err, registry.ErrFenced) {
				t.Errorf("Put = %v, want ErrFenced: nobody claimed the fence there", err)
			}
			other := synced(t, p)
			if is := other.get(s.Ref()); is != nil {
				t.Errorf("written to another registry:\n%s", is.Text())
			}
			m.Home(t)
			if is := synced(t, p).get(s.Ref()); is != nil {
				t.Errorf("refused, and yet written:\n%s", is.Text())
			}
		}, Writing),
		moved("another registry than the one that was read is not claimed", func(t T, m Movable) {
			p := m.(Writable)
			w := open(t, p, owner)
			w.stop()
			m.Away(t)
			if err := w.claim(true, source); err == nil {
				t.Errorf("Claim = nil, want an error: what stands there was never read")
			}
			m.Home(t)
			w.rewatch(w.Writer).sync()
			if err := w.claim(true, source); err != nil { // which found its connection broken
				w.mustClaim(true, source)
			}
		}, Writing),
	}
}
