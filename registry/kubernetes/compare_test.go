package kubernetes

import (
	"log/slog"
	"testing"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// comparing reads f, whose watches never tell anything, and compares all the
// time.
func comparing(t *testing.T, f *fake) *watched {
	t.Helper()
	s, err := f.config().open("", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.pace = pace{every: 20 * time.Millisecond, grace: time.Millisecond}
	return watching(t, s)
}

// TestCompare loses events on purpose: what came, changed and went is found all
// the same, and counted.
func TestCompare(t *testing.T) {
	f := newFake(t)
	f.services = map[string]int{"same": 900, "changed": 901, "gone": 902}
	w := comparing(t, f)
	w.until("sync", func(s *catalog.Snapshot) bool { return s.State(origin).Synced })
	same := w.catalog.Snapshot().Lookup(key("same"))
	f.become(func() {
		f.version = 2000
		f.services = map[string]int{"same": 900, "changed": 1901, "came": 1902}
	})
	w.until("what the server holds", func(s *catalog.Snapshot) bool {
		changed := s.Lookup(key("changed"))
		return s.Lookup(key("came")) != nil && s.Lookup(key("gone")) == nil && changed != nil && changed.Version == "1901" && s.State(origin).Missed == 3
	})
	if w.catalog.Snapshot().Lookup(key("same")) != same {
		t.Error("what did not change was reported again")
	}
}

// TestCompareWaits holds that what the watch tells in time was not missed, and
// that an older list brings nothing back.
func TestCompareWaits(t *testing.T) {
	for _, tt := range []struct {
		name, held, listed string
		version            uint64
		want               int
	}{
		{"the same", "put a/x=1", "a/x=1", 5, 0},
		{"one is not known", "put a/x=1", "a/x=1 a/y=2", 5, 1},
		{"one is known older", "put a/x=1", "a/x=3", 5, 1},
		{"one is known newer", "put a/x=7", "a/x=3", 5, 0},
		{"one is gone", "put a/x=1; put a/y=2", "a/x=1", 5, 1},
		{"one came since", "put a/x=1; put a/y=8", "a/x=1", 5, 0},
		{"own deletion", "put a/x=3; bury a/x=3", "a/x=3", 5, 0},
		{"of another namespace", "put b/x=1", "", 5, 0},
		{"gone during the list", "put a/x=3; keep; drop a/x=6; list a/x=3 @5", "", 5, 0},
		{"made again during the list", "put a/x=3; keep; drop a/x=6; put a/x=7; list a/x=3 @5", "a/x=3", 5, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			table := tableAfter(tt.held)
			if got := table.differing(inA, listed(tt.listed), tt.version); got != tt.want {
				t.Errorf("differing = %d, want %d; held is %v", got, tt.want, table.names())
			}
		})
	}
}

// TestPace holds how often who reads compares: a bridge as often as one that
// writes.
func TestPace(t *testing.T) {
	for _, tc := range []struct {
		name  string
		conf  config
		owner string
		want  time.Duration
	}{
		{"a DNS server", config{}, "", 30 * time.Minute},
		{"a bridge that only reads", config{details: registry.Details{Joins: true}}, "", 5 * time.Minute},
		{"a bridge that writes", config{}, "main", 5 * time.Minute},
		{"as the stanza says", config{compare: time.Minute}, "", time.Minute},
	} {
		if got := tc.conf.pace(tc.owner).every; got != tc.want {
			t.Errorf("%s compares every %v, want %v", tc.name, got, tc.want)
		}
	}
}
