package kubernetes

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/catalog"
)

// notes is a Recorder that remembers what it was told, once each.
type notes struct {
	mu  sync.Mutex // guards all
	all []string
}

func (n *notes) add(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if note := fmt.Sprintf(format, args...); !slices.Contains(n.all, note) {
		n.all = append(n.all, note)
	}
}

func (n *notes) Answered(code, method, host string)          { n.add("%s %s %s", method, host, code) }
func (n *notes) Took(method, host string, _ time.Duration)   { n.add("%s %s took", method, host) }
func (n *notes) Waited(method, host string, _ time.Duration) { n.add("%s %s waited", method, host) }

func (n *notes) sorted() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Sorted(slices.Values(n.all))
}

// TestRecord holds that a Recorder is told of requests by what the server said.
func TestRecord(t *testing.T) {
	f := newFake(t)
	s, err := f.config().open("", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	told := new(notes)
	s.Record(told)
	w := watching(t, s)
	w.until("sync", func(s *catalog.Snapshot) bool { return s.State(origin).Synced })
	host := strings.TrimPrefix(f.URL, "http://")
	// The 400 is what an older server says to a list as a stream.
	want := []string{"GET " + host + " 200", "GET " + host + " 400", "GET " + host + " took", "GET " + host + " waited"}
	if diff := cmp.Diff(want, told.sorted()); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}
