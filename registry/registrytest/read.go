package registrytest

import (
	"github.com/isthmus-dns/isthmus/catalog"
)

// readCases: what a Reader reports first.
func readCases() []Case {
	return []Case{
		{"the first report of an empty registry is empty", nil, func(t T, p Place) {
			snap := watch(t, p.Reader(t)).sync()
			if n := snap.State(origin).Services; n != 0 || !snap.State(origin).Connected {
				t.Errorf("state = %+v, want connected and no service\n%s", snap.State(origin), dump(snap))
			}
		}},
		{"the identity stands in the first report", nil, func(t T, p Place) {
			if id := watch(t, p.Reader(t)).sync().State(origin).Identity; id == "" {
				t.Errorf("identity is empty in the first report")
			}
		}},
		{"the identity stays", nil, func(t T, p Place) {
			r := p.Reader(t)
			first := watch(t, r)
			id := first.sync().State(origin).Identity
			first.stop()
			again := rewatch(t, r).sync().State(origin).Identity
			other := watch(t, p.Reader(t)).sync().State(origin).Identity
			if id != again || id != other {
				t.Errorf("identity = %q, watched again %q, opened again %q", id, again, other)
			}
		}},
		{"natives are in the first report", nil, func(t T, p Place) {
			a, b := native(p.Key(t, "shop", "web"), 2), native(p.Key(t, "shop", "db"), 1)
			p.Register(t, a)
			p.Register(t, b)
			snap := watch(t, p.Reader(t)).sync()
			wantSeen(t, p, snap, a)
			wantSeen(t, p, snap, b)
		}},
		{"natives of several namespaces are told apart", nil, func(t T, p Place) {
			a, b := native(p.Key(t, "shop", "web"), 2), native(p.Key(t, "farm", "web"), 1)
			p.Register(t, a)
			p.Register(t, b)
			snap := watch(t, p.Reader(t)).sync()
			wantSeen(t, p, snap, a)
			wantSeen(t, p, snap, b)
		}},
		{"a native has no mark", nil, func(t T, p Place) {
			a := native(p.Key(t, "shop", "web"), 1)
			p.Register(t, a)
			w := synced(t, p)
			w.awaitSeen(p, a)
			for svc := range w.catalog.Snapshot().From(origin) {
				if svc.Mark != nil {
					t.Errorf("%q has the mark %+v, want none", svc.Key, *svc.Mark)
				}
			}
		}},
		{"1,500 endpoints are read", nil, func(t T, p Place) {
			a := native(p.Key(t, "shop", "web"), 1500)
			p.Register(t, a)
			synced(t, p).awaitSeen(p, a)
		}},
		{"two readers see the same", nil, func(t T, p Place) {
			one, two := synced(t, p), synced(t, p)
			a := native(p.Key(t, "shop", "web"), 1)
			p.Register(t, a)
			one.awaitSeen(p, a)
			two.awaitSeen(p, a)
		}},
	}
}

func wantSeen(t T, p Place, snap *catalog.Snapshot, s *catalog.Service) {
	t.Helper()
	got, want := facets(snap.Get(origin, catalog.Ref{Key: s.Key})), facets(p.Seen(s))
	if got != want {
		t.Errorf("native %q reads\n%s\nwant\n%s", s.Key, got, want)
	}
}

// changeCases: what a Reader reports afterwards.
func changeCases() []Case {
	return []Case{
		{"a native that comes is seen", nil, func(t T, p Place) {
			w := synced(t, p)
			a := native(p.Key(t, "shop", "web"), 2)
			p.Register(t, a)
			w.awaitSeen(p, a)
		}},
		{"endpoints that come and go are seen", nil, func(t T, p Place) {
			w := synced(t, p)
			k := p.Key(t, "shop", "web")
			for _, n := range []int{1, 3, 2} {
				p.Register(t, native(k, n))
				w.awaitSeen(p, native(k, n))
			}
		}},
		{"a port that changes is seen", nil, func(t T, p Place) {
			w := synced(t, p)
			a := native(p.Key(t, "shop", "web"), 1)
			p.Register(t, a)
			w.awaitSeen(p, a)
			b := changed(a, func(c *catalog.Service) {
				c.Ports[0].Number = 8081
				c.Endpoints[0].Ports = c.Ports
			})
			p.Register(t, b)
			w.awaitSeen(p, b)
		}},
		{"readiness that changes is seen", nil, func(t T, p Place) {
			w := synced(t, p)
			a := native(p.Key(t, "shop", "web"), 2)
			for _, s := range []*catalog.Service{a, unready(a, 0), a} {
				p.Register(t, s)
				w.awaitSeen(p, s)
			}
		}},
		{"a native that goes is seen", nil, func(t T, p Place) {
			a := native(p.Key(t, "shop", "web"), 2)
			p.Register(t, a)
			w := synced(t, p)
			w.awaitSeen(p, a)
			p.Unregister(t, a.Key)
			w.awaitGone(a.Ref())
		}},
		{"a change leaves other services alone", nil, func(t T, p Place) {
			a, b := native(p.Key(t, "shop", "web"), 2), native(p.Key(t, "shop", "db"), 1)
			p.Register(t, a)
			p.Register(t, b)
			w := synced(t, p)
			w.awaitSeen(p, a)
			before := w.awaitSeen(p, b).Get(origin, a.Ref())
			p.Register(t, native(b.Key, 2))
			after := w.awaitSeen(p, native(b.Key, 2)).Get(origin, a.Ref())
			if after == nil || after.Text() != before.Text() {
				t.Errorf("%q was not touched and reads\n%v\nwant\n%s", a.Key, after, before.Text())
			}
		}},
		{"what changed while nobody watched is seen", nil, func(t T, p Place) {
			a, b := native(p.Key(t, "shop", "web"), 2), native(p.Key(t, "shop", "db"), 1)
			p.Register(t, a)
			r := p.Reader(t)
			w := watch(t, r)
			w.awaitSeen(p, a)
			w.stop()
			p.Unregister(t, a.Key)
			p.Register(t, b)
			snap := rewatch(t, r).sync()
			wantSeen(t, p, snap, b)
			if got := snap.Get(origin, a.Ref()); got != nil {
				t.Errorf("%q is gone and still reported:\n%s", a.Key, got.Text())
			}
		}},
		{"a native that comes back is seen", nil, func(t T, p Place) {
			w := synced(t, p)
			a := native(p.Key(t, "shop", "web"), 2)
			for range 3 {
				p.Register(t, a)
				w.awaitSeen(p, a)
				p.Unregister(t, a.Key)
				w.awaitGone(a.Ref())
			}
		}},
	}
}

// malformedCases: one bad record is one bad record.
func malformedCases() []Case {
	return []Case{
		{"a malformed record is named in the first report", nil, func(t T, p Place) {
			_, record := spoil(t, p)
			synced(t, p).awaitRefused(record)
		}},
		{"a malformed record hides no other", nil, func(t T, p Place) {
			good, _ := spoil(t, p)
			w := synced(t, p)
			w.awaitSeen(p, good)
			p.Register(t, native(good.Key, 3))
			w.awaitSeen(p, native(good.Key, 3))
		}},
		{"a record that becomes malformed is named", nil, func(t T, p Place) {
			w := synced(t, p)
			good, record := spoil(t, p)
			w.awaitRefused(record)
			w.awaitSeen(p, good)
		}},
		{"a malformed record that is mended is named no more", nil, func(t T, p Place) {
			w := synced(t, p)
			good, record := spoil(t, p)
			w.awaitRefused(record)
			p.Mend(t, record)
			w.await("mending of "+record, func(s *catalog.Snapshot) bool { return refusal(s, record) == nil })
			w.awaitSeen(p, good)
		}},
		{"a record that was mended while nobody watched is named no more", nil, func(t T, p Place) {
			good, record := spoil(t, p)
			r := p.Reader(t)
			first := watch(t, r)
			first.awaitRefused(record)
			first.stop()
			p.Mend(t, record)
			second := first.rewatch(r)
			second.await("mending of "+record, func(s *catalog.Snapshot) bool { return refusal(s, record) == nil })
			second.awaitSeen(p, good)
		}},
	}
}

// spoil registers a native service and puts a malformed record beside it.
func spoil(t T, p Place) (good *catalog.Service, record string) {
	t.Helper()
	good = native(p.Key(t, "shop", "web"), 2)
	p.Register(t, good)
	return good, p.Malform(t, good.Key)
}

func (w *watched) awaitRefused(record string) {
	w.t.Helper()
	w.await("refusal of "+record, func(s *catalog.Snapshot) bool { return refusal(s, record) != nil })
}

func refusal(s *catalog.Snapshot, record string) error {
	for r, err := range s.Refused(origin) {
		if r == record {
			return err
		}
	}
	return nil
}

// namespaceCases: registries that have namespaces of their own.
func namespaceCases() []Case {
	namespaced := func(name string, do func(t T, p Namespaced)) Case {
		return Case{name, []Ability{Namespaces}, func(t T, p Place) { do(t, p.(Namespaced)) }}
	}
	return []Case{
		namespaced("namespaces stand in the first report", func(t T, p Namespaced) {
			ns := p.AddNamespace(t, "quiet")
			if !watch(t, p.Reader(t)).sync().HoldsNamespace(origin, ns) {
				t.Errorf("namespace %q is not in the first report", ns)
			}
		}),
		namespaced("a namespace that comes and goes is seen", func(t T, p Namespaced) {
			w := synced(t, p)
			ns := p.AddNamespace(t, "quiet")
			w.await("namespace "+ns, func(s *catalog.Snapshot) bool { return s.HoldsNamespace(origin, ns) })
			p.RemoveNamespace(t, ns)
			w.await("end of namespace "+ns, func(s *catalog.Snapshot) bool { return !s.HoldsNamespace(origin, ns) })
		}),
	}
}
