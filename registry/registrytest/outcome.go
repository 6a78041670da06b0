package registrytest

import (
	"errors"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// outcomeCases: writes while the connection is disturbed.
func outcomeCases() []Case {
	disturbed := func(name string, do func(t T, p Writable, l Link)) Case {
		return writing(name, func(t T, p Writable) {
			l := p.(Linked).Link()
			t.Cleanup(l.Heal)
			do(t, p, l)
		}, Cutting)
	}
	return []Case{
		disturbed("a put whose answer is lost is of unknown outcome, and can be repeated", func(t T, p Writable, l Link) {
			w := claimed(t, p, owner)
			w.mustPut(mirror(owner, p.Key(t, "shop", "db"), 1))
			s := mirror(owner, p.Key(t, "shop", "web"), 2)
			w.robbed(p, l, s, func() error {
				ctx, cancel := timed(t)
				defer cancel()
				return w.one(s, w.Put(ctx, []*catalog.Service{s})).Err
			})
			w.again(s)
			reads(t, p, w.canon(s))
		}),
		disturbed("a delete whose answer is lost is of unknown outcome, and can be repeated", func(t T, p Writable, l Link) {
			w := claimed(t, p, owner)
			s := w.mustPut(mirror(owner, p.Key(t, "shop", "web"), 2))
			w.robbed(p, l, s, func() error {
				ctx, cancel := timed(t)
				defer cancel()
				return w.one(s, w.Delete(ctx, []*catalog.Service{s})).Err
			})
			if is := w.get(s.Ref()); is != nil {
				w.mustDelete(is)
			}
			if got := synced(t, p).get(s.Ref()); got != nil {
				t.Errorf("deleted and still there:\n%s", got.Text())
			}
		}),
		disturbed("a put while cut off fails, and works again afterwards", func(t T, p Writable, l Link) {
			w := claimed(t, p, owner)
			s := mirror(owner, p.Key(t, "shop", "web"), 2)
			l.Cut()
			untouched(t, p, func() {
				ctx, cancel := timed(t)
				defer cancel()
				wantPassing(t, w.one(s, w.Put(ctx, []*catalog.Service{s})).Err)
			})
			w.lost()
			l.Heal()
			w.await("connection", func(snap *catalog.Snapshot) bool { return snap.State(origin).Connected })
			w.again(s)
		}),
		disturbed("a put in a stall ends with ctx", func(t T, p Writable, l Link) {
			w := claimed(t, p, owner)
			w.mustPut(mirror(owner, p.Key(t, "shop", "db"), 1))
			s := mirror(owner, p.Key(t, "shop", "web"), 2)
			l.Stall()
			ended := make(chan error, 1)
			go func() {
				ctx, cancel := timed(t)
				defer cancel()
				ended <- w.Put(ctx, []*catalog.Service{s})[0].Err
			}()
			w.wantEnd(ended)
			l.Heal()
			w.settle(p)
			w.again(s)
			reads(t, p, w.canon(s))
		}),
	}
}

// robbed runs a write of s whose answer is lost, heals the connection and
// waits until the feed is up to date. An error other than ErrUnknownOutcome
// says that nothing was written.
func (w *writer) robbed(p Writable, l Link, s *catalog.Service, write func() error) {
	w.t.Helper()
	before := p.Stamp(w.t)
	l.LoseAnswers()
	err := write()
	written := p.Stamp(w.t) != before
	l.Heal()
	if written && !errors.Is(err, registry.ErrUnknownOutcome) {
		w.t.Errorf("the server took the write, its answer was lost: error = %v, want %v", err, registry.ErrUnknownOutcome)
	}
	wantPassing(w.t, err)
	w.settle(p)
}

// again puts s over whatever of it the feed shows.
func (w *writer) again(s *catalog.Service) {
	w.t.Helper()
	version := ""
	if is := w.get(s.Ref()); is != nil {
		version = is.Version
	}
	w.mustPut(at(s, version))
}

// wantEnd waits for a write whose ctx ends.
func (w *writer) wantEnd(ended <-chan error) {
	w.t.Helper()
	select {
	case err := <-ended:
		wantPassing(w.t, err)
	case <-time.After(patience):
		w.t.Fatalf("a write still runs %v after its ctx ended", patience-prompt)
	}
}

// wantPassing holds that err is an error, and not one that says that the write
// was judged.
func wantPassing(t T, err error) {
	t.Helper()
	if err == nil {
		t.Errorf("a write without an answer is no error")
	}
	for _, final := range []error{registry.ErrConflict, registry.ErrNotOwned, registry.ErrFenced, registry.ErrForeignFence, registry.ErrInvalid} {
		if errors.Is(err, final) {
			t.Errorf("a write without an answer: error = %v, want none that judges it", err)
		}
	}
}
