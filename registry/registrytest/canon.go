package registrytest

import (
	"errors"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// canonCases: what a registry says it would hold, and what it then holds.
func canonCases() []Case {
	all := []Case{
		writing("Canon of Canon is Canon", func(t T, p Writable) {
			eachCanon(t, p, func(w *writer, sh shape, in, out *catalog.Service) {
				if again := w.canon(out); !again.Same(out) {
					t.Errorf("%s: Canon of Canon =\n%s\nwant\n%s", sh.name, again.Text(), out.Text())
				}
			})
		}),
		writing("Canon keeps its argument and answers the same again", func(t T, p Writable) {
			eachCanon(t, p, func(w *writer, sh shape, in, out *catalog.Service) {
				if fresh := sh.of(in.Key); in.Text() != fresh.Text() {
					t.Errorf("%s: Canon changed its argument to\n%s\nfrom\n%s", sh.name, in.Text(), fresh.Text())
				}
				if again := w.canon(in); again.Text() != out.Text() {
					t.Errorf("%s: Canon =\n%s\nand then\n%s", sh.name, out.Text(), again.Text())
				}
			})
		}),
		writing("Canon keeps key and mark", func(t T, p Writable) {
			eachCanon(t, p, func(w *writer, sh shape, in, out *catalog.Service) {
				if out.Key != in.Key || out.Mark == nil || *out.Mark != *in.Mark {
					t.Errorf("%s: Canon =\n%s\nwant key and mark of\n%s", sh.name, out.Text(), in.Text())
				}
			})
		}),
		writing("Canon refuses what cannot be held", func(t T, p Writable) {
			w := open(t, p, owner)
			c, err := w.Canon(bad(p.Key(t, "shop", "web")))
			if !errors.Is(err, registry.ErrInvalid) {
				t.Errorf("Canon of a service that only has a loopback address = %v, %v, want %v", c, err, registry.ErrInvalid)
			}
		}),
	}
	for _, sh := range shapes() {
		all = append(all, writing("put reads back as Canon: "+sh.name, func(t T, p Writable) { readsBack(t, p, sh) }))
	}
	return all
}

// eachCanon calls do for every shape that the registry holds as something.
func eachCanon(t T, p Writable, do func(w *writer, sh shape, in, out *catalog.Service)) {
	t.Helper()
	w := open(t, p, owner)
	k := p.Key(t, "shop", "web")
	for _, sh := range shapes() {
		in := sh.of(k)
		out, err := w.Canon(in)
		switch {
		case err != nil && !errors.Is(err, registry.ErrInvalid):
			t.Errorf("%s: Canon = %v, want an error that wraps %v", sh.name, err, registry.ErrInvalid)
		case err == nil && out != nil:
			do(w, sh, in, out)
		}
	}
}

// readsBack holds the fixpoint: after a Put the next diff is empty, for the
// one who wrote, for others, and once more after everything was reported.
func readsBack(t T, p Writable, sh shape) {
	t.Helper()
	w := claimed(t, p, owner)
	s := sh.of(p.Key(t, "shop", "web"))
	want, err := w.Canon(s)
	if err != nil || want == nil {
		holdsNothing(t, p, w, s, err)
		return
	}
	got := w.mustPut(s)
	w.settle(p)
	if again := w.get(s.Ref()); again == nil || !again.Same(want) || again.Version != got.Version {
		t.Errorf("after all was reported the feed shows\n%s\nwant\n%s", text(again), got.Text())
	}
	reads(t, p, want)
	second := w.mustPut(at(want, got.Version))
	if !second.Same(want) {
		t.Errorf("put again, it reads\n%s\nwant\n%s", second.Text(), want.Text())
	}
	reads(t, p, want)
}

// holdsNothing holds that what Canon refuses (err) Put refuses too, and that
// what is rightly held as absence is.
func holdsNothing(t T, p Writable, w *writer, s *catalog.Service, err error) {
	t.Helper()
	untouched(t, p, func() {
		if r := w.put(s); err != nil {
			wantErr(t, "Put of what Canon refuses", r.Err, registry.ErrInvalid)
		}
	})
	if got := w.get(s.Ref()); got != nil {
		t.Errorf("Canon = nil, %v and yet the feed shows\n%s", err, got.Text())
	}
}
