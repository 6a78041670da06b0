package registrytest

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// patience is how long a case waits for what must happen. It is only used up
// when the case fails.
const patience = 30 * time.Second

// origin is what the feeds of cases report for.
const origin catalog.Origin = "registrytest/place"

// watched is an open registry that is kept watched under a catalog of its own.
type watched struct {
	t       T
	catalog *catalog.Catalog
	stop    func() // ends the watching and waits for it; may be called again
}

// watch keeps r watched, as programs do, until the case ends or stop is
// called, and closes it at the end of the case.
func watch(t T, r registry.Registry) *watched {
	t.Helper()
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	return rewatch(t, r)
}

// rewatch is watch of a registry that is closed elsewhere, with a new catalog.
func rewatch(t T, r registry.Registry) *watched {
	w := &watched{t: t, catalog: catalog.New(catalog.Policy{Origins: []catalog.OriginPolicy{{Origin: origin}}})}
	return w.rewatch(r)
}

// rewatch watches r, which w watched before, under w's catalog.
func (w *watched) rewatch(r registry.Registry) *watched {
	t, c := w.t, w.catalog
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		registry.Supervise(ctx, r, c.Feed(origin), slog.New(slog.NewTextHandler(logWriter{t}, nil)))
	}()
	stop := func() { cancel(); <-ended }
	t.Cleanup(stop)
	return &watched{t, c, stop}
}

// synced is watch of a Reader once it reported everything.
func synced(t T, p Place) *watched {
	t.Helper()
	w := watch(t, p.Reader(t))
	w.sync()
	return w
}

type logWriter struct{ t T }

func (w logWriter) Write(line []byte) (int, error) {
	w.t.Logf("%s", strings.TrimSpace(string(line)))
	return len(line), nil
}

func (w *watched) sync() *catalog.Snapshot {
	w.t.Helper()
	return w.await("first report", func(s *catalog.Snapshot) bool { return s.Synced() })
}

// await waits until ok says yes of a snapshot and returns that.
func (w *watched) await(what string, ok func(*catalog.Snapshot) bool) *catalog.Snapshot {
	w.t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		s := w.catalog.Snapshot()
		if ok(s) {
			return s
		}
		select {
		case <-s.Changed():
		case <-timeout.C:
			w.t.Fatalf("still no %s after %v; reported: %+v\n%s", what, patience, s.State(origin), dump(s))
		}
	}
}

// get returns the service as reported now, or nil.
func (w *watched) get(ref catalog.Ref) *catalog.Service {
	return w.catalog.Snapshot().Get(origin, ref)
}

// awaitSeen waits until a native service is reported as Register was told.
func (w *watched) awaitSeen(p Place, s *catalog.Service) *catalog.Snapshot {
	w.t.Helper()
	want := facets(p.Seen(s))
	return w.await("native service like this:\n"+want, func(snap *catalog.Snapshot) bool {
		return facets(snap.Get(origin, catalog.Ref{Key: s.Key})) == want
	})
}

// awaitSame waits until a mirror is reported to say the same as want.
func (w *watched) awaitSame(want *catalog.Service) *catalog.Service {
	w.t.Helper()
	snap := w.await("mirror like this:\n"+want.Text(), func(snap *catalog.Snapshot) bool {
		got := snap.Get(origin, want.Ref())
		return got != nil && got.Same(want)
	})
	return snap.Get(origin, want.Ref())
}

// awaitGone waits until ref is not reported any more.
func (w *watched) awaitGone(ref catalog.Ref) {
	w.t.Helper()
	w.await("absence of "+ref.Key.String()+" of "+ref.Owner, func(s *catalog.Snapshot) bool {
		return s.Get(origin, ref) == nil
	})
}

// settle waits until what was done to the place before has been reported:
// until a native service that is registered now is.
func (w *watched) settle(p Place) {
	w.t.Helper()
	last := native(p.Key(w.t, "shop", "last"), 1)
	p.Register(w.t, last)
	w.awaitSeen(p, last)
	p.Unregister(w.t, last.Key)
	w.awaitGone(last.Ref())
}

func dump(s *catalog.Snapshot) string {
	var b strings.Builder
	n := 0
	for svc := range s.From(origin) {
		if n++; n > 20 {
			b.WriteString("...\n")
			break
		}
		text := svc.Text()
		b.WriteString(text[:min(len(text), 2000)])
	}
	for record, err := range s.Refused(origin) {
		b.WriteString("refused " + record + ": " + err.Error() + "\n")
	}
	return b.String()
}
