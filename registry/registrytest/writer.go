package registrytest

import (
	"context"
	"errors"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// writer is an open Writer that is kept watched.
type writer struct {
	*watched
	registry.Writer
	owner string
}

// open returns a Writer of the owner that is synced and claimed nothing yet. The
// namespace that most mirrors are put in is in its first report: a feed may show
// nothing of one in a namespace that it has not heard of.
func open(t T, p Writable, of string) *writer {
	t.Helper()
	p.Key(t, "shop", "web")
	w := p.Writer(t, of)
	x := &writer{watch(t, w), w, of}
	x.sync()
	return x
}

// claimed returns a Writer of the owner that claimed the fence.
func claimed(t T, p Writable, of string) *writer {
	t.Helper()
	w := open(t, p, of)
	w.mustClaim(true, source)
	return w
}

func (w *writer) claim(bump bool, sources ...catalog.Identity) error {
	return w.Claim(w.t.Context(), registry.Fence{Owner: w.owner, Sources: sources}, bump)
}

func (w *writer) mustClaim(bump bool, sources ...catalog.Identity) {
	w.t.Helper()
	if err := w.claim(bump, sources...); err != nil {
		w.t.Fatalf("Claim(%q, bump %v) = %v", sources, bump, err)
	}
}

// put puts one service and returns its result.
func (w *writer) put(s *catalog.Service) registry.Result {
	w.t.Helper()
	return w.one(s, w.Put(w.t.Context(), []*catalog.Service{s}))
}

func (w *writer) delete(s *catalog.Service) registry.Result {
	w.t.Helper()
	return w.one(s, w.Delete(w.t.Context(), []*catalog.Service{s}))
}

func (w *writer) one(s *catalog.Service, got []registry.Result) registry.Result {
	w.t.Helper()
	if len(got) != 1 || got[0].Ref != s.Ref() {
		w.t.Fatalf("results = %+v, want one for %+v", got, s.Ref())
	}
	return got[0]
}

// wantBeside demands of a Sharer that it can tell so of a mirror that does stand
// beside another service.
func (w *writer) wantBeside(s *catalog.Service, theirs catalog.Ref) {
	w.t.Helper()
	sharer, ok := w.Writer.(registry.Sharer)
	if !ok {
		return
	}
	if err := sharer.Beside(w.canon(s), w.get(theirs)); err != nil {
		w.t.Errorf("Beside = %v of two that stand under one key", err)
	}
}

// canon returns what the service must read back as; it must be held.
func (w *writer) canon(s *catalog.Service) *catalog.Service {
	w.t.Helper()
	c, err := w.Canon(s)
	if err != nil || c == nil {
		w.t.Fatalf("Canon = %v, %v, want a service of\n%s", c, err, s.Text())
	}
	return c
}

// mustPut puts a service and holds that the feed shows it at once, as Canon
// says, at the version in the result. It returns what the feed shows.
func (w *writer) mustPut(s *catalog.Service) *catalog.Service {
	w.t.Helper()
	r := w.put(s)
	if r.Err != nil {
		w.t.Fatalf("Put of %q = %v\n%s", s.Key, r.Err, s.Text())
	}
	return w.wantHeld(s, r.Version)
}

// wantHeld holds that the feed shows s at a version now.
func (w *writer) wantHeld(s *catalog.Service, version string) *catalog.Service {
	w.t.Helper()
	got, want := w.get(s.Ref()), w.canon(s)
	if got == nil || !got.Same(want) {
		w.t.Fatalf("after Put the feed shows\n%s\nwant\n%s", text(got), want.Text())
	}
	if version == "" || got.Version != version {
		w.t.Fatalf("after Put the feed shows version %q, the result says %q; want the same, not empty", got.Version, version)
	}
	return got
}

func (w *writer) mustDelete(s *catalog.Service) {
	w.t.Helper()
	if r := w.delete(s); r.Err != nil {
		w.t.Fatalf("Delete of %q at %q = %v", s.Key, s.Version, r.Err)
	}
	if got := w.get(s.Ref()); got != nil {
		w.t.Fatalf("after Delete the feed still shows\n%s", got.Text())
	}
}

func text(s *catalog.Service) string {
	if s == nil {
		return "nothing"
	}
	return s.Text()
}

func wantErr(t T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: error = %v, want %v", what, got, want)
	}
}

// untouched runs do and holds that the server took no write meanwhile.
func untouched(t T, p Writable, do func()) {
	t.Helper()
	before := p.Stamp(t)
	do()
	if after := p.Stamp(t); after != before {
		t.Errorf("the server took a write; records were\n%s\nand are\n%s", before, after)
	}
}

// reads holds that a Reader of its own reads the mirror as want says.
func reads(t T, p Writable, want *catalog.Service) {
	t.Helper()
	r := p.Reader(t)
	w := watch(t, r)
	got := w.sync().Get(origin, want.Ref())
	if got == nil || !withoutFilled(got, want).Same(want) {
		t.Errorf("a reader reads\n%s\nwant\n%s", text(got), want.Text())
	}
	w.stop()
}

// withoutFilled is got without the virtual addresses that a server gave it.
func withoutFilled(got, want *catalog.Service) *catalog.Service {
	if got.Type != catalog.ClusterIP || len(want.Addrs) > 0 {
		return got
	}
	bare := *got
	bare.Addrs = nil
	return &bare
}

// timed returns a ctx for a write whose answer never comes.
func timed(t T) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), prompt)
}
