package kubernetes

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

func key(name string) catalog.Key { return catalog.Key{Namespace: "a", Name: name} }

// TestOtherServer holds that a server which is not what it was is read anew,
// though it answers a watch from where the last one ended.
func TestOtherServer(t *testing.T) {
	for _, tt := range []struct {
		name   string
		become func(*fake)
		want   string // identity
	}{
		{"restored from a backup", func(f *fake) { f.version, f.services = 600, map[string]int{"web": 500} }, "kubernetes:u1"},
		{"restored, and written to since", func(f *fake) { f.version, f.services = 1000, map[string]int{"web": 500}; f.cluster = "u2" }, "kubernetes:u2"},
		{"another cluster", func(f *fake) { f.version, f.services, f.cluster = 5000, map[string]int{"web": 4000}, "u2" }, "kubernetes:u2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.services = map[string]int{"web": 999, "gone": 1000}
			w := supervised(t, f.config().mustRead(t))
			w.until("both services", func(s *catalog.Snapshot) bool { return s.Lookup(key("web")) != nil && s.Lookup(key("gone")) != nil })
			f.become(func() { tt.become(f) })
			f.cutWatches(t)
			w.until("what the server holds now", func(s *catalog.Snapshot) bool {
				st := s.State(origin)
				return s.Lookup(key("gone")) == nil && s.Lookup(key("web")) != nil && st.Connected && string(st.Identity) == tt.want
			})
		})
	}
}

// TestWatchEnds holds what Watch says of a server that went back, and that
// nothing of its older list is reported as a change before.
func TestWatchEnds(t *testing.T) {
	f := newFake(t)
	f.services = map[string]int{"web": 999, "gone": 1000}
	c := catalog.New(catalog.Policy{})
	ended := make(chan error)
	r := f.config().mustRead(t)
	go func() { ended <- r.Watch(t.Context(), c.Feed(origin)) }()
	w := &watched{t, c}
	w.until("sync", func(s *catalog.Snapshot) bool { return s.State(origin).Synced })
	f.become(func() { f.version, f.services = 600, map[string]int{"web": 500} })
	f.cutWatches(t)
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(err.Error(), "went back from resource version 1000 to 600") {
			t.Errorf("Watch = %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("Watch goes on")
	}
	if n := c.Snapshot().State(origin).Services; n != 2 {
		t.Errorf("%d services stand after the Watch, want the 2 last reported", n)
	}
}

// TestSameServer holds that broken watches of a server that is the same end
// nothing.
func TestSameServer(t *testing.T) {
	f := newFake(t)
	f.services = map[string]int{"web": 999}
	w := watching(t, f.config().mustRead(t))
	w.until("sync", func(s *catalog.Snapshot) bool { return s.State(origin).Synced })
	for range 3 {
		f.cutWatches(t)
	}
	poll(t, "watches go on", func() bool { return f.watches() == 3 })
}

// TestPast holds what counts as going back.
func TestPast(t *testing.T) {
	for _, tt := range []struct {
		name        string
		told, comes uint64
		lost        bool
	}{
		{"the first list", 0, 5, false},
		{"a newer one", 5, 6, false},
		{"the same", 5, 5, false},
		{"an older one", 5, 4, true},
		{"one without a version", 5, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var lost error
			p := &past{lost: func(err error) { lost = err }, heard: func() {}}
			p.told(tt.told)
			if err := p.check(tt.comes); (err != nil) != tt.lost || err != lost {
				t.Errorf("check(%d) after %d = %v and ended by %v, want an end: %v", tt.comes, tt.told, err, lost, tt.lost)
			}
		})
	}
}

// supervised is a registry that is watched again and again until the test ends.
func supervised(t *testing.T, r registry.Registry) *watched {
	t.Helper()
	w := &watched{t, catalog.New(catalog.Policy{Origins: []catalog.OriginPolicy{{Origin: origin, Speaks: true}}})}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { registry.Supervise(ctx, r, w.catalog.Feed(origin), slog.New(slog.DiscardHandler)) })
	t.Cleanup(running.Wait)
	t.Cleanup(cancel)
	return w
}

// poll waits for what nothing tells of.
func poll(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick, late := time.NewTicker(5*time.Millisecond), time.After(30*time.Second)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%s: not seen", what)
		}
	}
}
