package registrytest

import (
	"context"

	"github.com/isthmus-dns/isthmus/catalog"
)

// linkCases: what a Reader reports while and after it was cut off.
func linkCases() []Case {
	linked := func(name string, do func(t T, p Linked)) Case {
		return Case{name, []Ability{Cutting}, func(t T, p Place) {
			l := p.(Linked)
			t.Cleanup(l.Link().Heal)
			do(t, l)
		}}
	}
	return []Case{
		linked("cut off, the last report stands", func(t T, p Linked) {
			w, a := seen(t, p)
			p.Link().Cut()
			snap := w.lost()
			wantSeen(t, p, snap, a)
			if !snap.Synced() {
				t.Errorf("cut off, the origin counts as not synced")
			}
		}),
		linked("cut off, the feed hears why, and hears it is over", func(t T, p Linked) {
			w, _ := seen(t, p)
			p.Link().Cut()
			if st := w.lost().State(origin); st.Err == nil {
				t.Errorf("cut off, state = %+v, want a reason", st)
			}
			p.Link().Heal()
			w.await("connection", func(s *catalog.Snapshot) bool { return s.State(origin).Connected })
		}),
		linked("what changed while cut off is seen afterwards", func(t T, p Linked) {
			w, a := seen(t, p)
			b := native(p.Key(t, "shop", "db"), 1)
			p.Link().Cut()
			w.lost()
			p.Unregister(t, a.Key)
			p.Register(t, b)
			p.Link().Heal()
			w.awaitGone(a.Ref())
			w.awaitSeen(p, b)
		}),
		linked("what changes after a cut is seen", func(t T, p Linked) {
			w, a := seen(t, p)
			p.Link().Cut()
			w.lost()
			p.Link().Heal()
			w.await("connection", func(s *catalog.Snapshot) bool { return s.State(origin).Connected })
			p.Register(t, native(a.Key, 3))
			w.awaitSeen(p, native(a.Key, 3))
		}),
		linked("cut off at start, nothing is reported until it is over", func(t T, p Linked) {
			a := native(p.Key(t, "shop", "web"), 2)
			p.Register(t, a)
			p.Link().Cut()
			w := watch(t, p.Reader(t))
			if snap := w.lost(); snap.Synced() {
				t.Errorf("never connected and yet synced: %+v", snap.State(origin))
			}
			p.Link().Heal()
			w.awaitSeen(p, a)
		}),
		linked("what changed in a stall is seen afterwards", func(t T, p Linked) {
			w, a := seen(t, p)
			p.Link().Stall()
			p.Register(t, native(a.Key, 3))
			p.Link().Heal()
			w.awaitSeen(p, native(a.Key, 3))
		}),
		linked("Watch ends with ctx in a stall", func(t T, p Linked) {
			r := opened(t, p)
			ctx, cancel := context.WithCancel(t.Context())
			w, ended := watchOnce(ctx, t, r)
			w.sync()
			p.Link().Stall()
			cancel()
			wantCanceled(t, ended)
		}),
		{"a watch that lost its place lists again", []Ability{Forgetting}, func(t T, p Place) {
			w, a := seen(t, p)
			b, c := native(p.Key(t, "shop", "db"), 1), native(p.Key(t, "shop", "mail"), 1)
			p.Register(t, c)
			w.awaitSeen(p, c)
			p.(Forgetful).Forget(t, func() {
				p.Unregister(t, a.Key)
				p.Register(t, b)
				p.Register(t, native(c.Key, 2))
			})
			w.awaitGone(a.Ref())
			w.awaitSeen(p, b)
			w.awaitSeen(p, native(c.Key, 2))
		}},
		{"a watch that listed again goes on", []Ability{Forgetting}, func(t T, p Place) {
			w, a := seen(t, p)
			p.(Forgetful).Forget(t, func() { p.Register(t, native(a.Key, 1)) })
			w.awaitSeen(p, native(a.Key, 1))
			p.Register(t, native(a.Key, 3))
			w.awaitSeen(p, native(a.Key, 3))
		}},
	}
}

// seen returns a synced Reader that reported the native service, too.
func seen(t T, p Place) (*watched, *catalog.Service) {
	t.Helper()
	a := native(p.Key(t, "shop", "web"), 2)
	p.Register(t, a)
	w := synced(t, p)
	w.awaitSeen(p, a)
	return w, a
}

// lost waits until the feed heard that the registry cannot be read.
func (w *watched) lost() *catalog.Snapshot {
	w.t.Helper()
	return w.await("loss of the connection", func(s *catalog.Snapshot) bool {
		return !s.State(origin).Connected && s.State(origin).Err != nil
	})
}
