package zookeeper

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/catalog"
)

// TestRequestsOfWriter holds what a bridge asks to put one mirror, and to read again what
// it wrote: as much as is written of that one, whatever else it has written.
func TestRequestsOfWriter(t *testing.T) {
	for _, mirrors := range []int{50, 200} {
		t.Run(fmt.Sprintf("%d mirrors", mirrors), func(t *testing.T) {
			r := newTapped(t, "1h")
			r.words += "\nacl world"
			r.write(t, r.path, "")
			w := claimed(t, r.tree, "prod")
			r.tap.take()
			var all []*catalog.Service
			for i := range mirrors {
				all = append(all, mirrorOf("prod", fmt.Sprintf("m%d", i), 3))
			}
			for i, result := range w.Put(t.Context(), all) {
				if result.Err != nil {
					t.Fatalf("Put of %s: %v", all[i].Key, result.Err)
				}
			}
			before := watchesWritten(mirrors, 3*mirrors)
			r.keeps(t, before)
			r.askedOfAll(t, mirrors)
			for _, c := range writes {
				c.do(t, w)
				r.keeps(t, before+c.watches)
				r.asksOnce(t, c.name, c.asks...)
			}
		})
	}
}

// watchesWritten is how many watches a server keeps of a bridge that reads its own mirrors
// alone: one of each of four folders, two of each service's node, one of each side node
// and one of each instance.
func watchesWritten(mirrors, instances int) int { return 4 + 3*mirrors + instances }

// writes are made one after the other.
var writes = []struct {
	name    string
	do      func(*testing.T, *watched)
	asks    []string
	watches int // that there are then beside those of before
}{
	{"a mirror more", func(t *testing.T, w *watched) {
		w.put(t, mirrorOf("prod", "web", 10))
	}, slices.Concat(
		[]string{"exists OWN/fence/holder", "createContainer PATH/web", "multi"},
		[]string{"getChildren2 PATH", "getData PATH/web", "getChildren2 PATH/web", "getChildren2 MIRRORS", "getData MIRRORS/web"},
		slices.Repeat([]string{"getData PATH/web/isthmus-prod"}, 10),
	), 13},
	{"an endpoint changed", func(t *testing.T, w *watched) {
		m := mirrorOf("prod", "web", 10)
		m.Endpoints[3].Host = catalog.ParseHost("10.2.0.1")
		w.put(t, m)
	}, []string{"multi", "getChildren2 PATH/web", "getData PATH/web/isthmus-prod", "getData MIRRORS/web"}, 13},
	{"nothing", func(t *testing.T, w *watched) {
		m := mirrorOf("prod", "web", 10)
		m.Endpoints[3].Host = catalog.ParseHost("10.2.0.1")
		w.put(t, m)
	}, nil, 13},
	{"a mirror less", func(t *testing.T, w *watched) {
		m := w.Catalog.Snapshot().Get(w.Origin, mirrorOf("prod", "web", 0).Ref())
		if err := w.Delete(t.Context(), []*catalog.Service{m})[0].Err; err != nil {
			t.Fatal(err)
		}
	}, []string{"multi", "getChildren2 PATH/web", "getChildren2 MIRRORS"}, 2}, // the server takes the folder, in its time
}

// asksOnce is asks with words in place of paths. A list that changed while it was asked
// for is asked for twice, and counts once.
func (r *tapped) asksOnce(t *testing.T, why string, want ...string) {
	t.Helper()
	l := newLayout(r.path, curator, "zookeeper")
	l.owner = "prod"
	ids := regexp.MustCompile(`(isthmus-prod|holder)-[0-9a-f]+`)
	got, lists := []string(nil), map[string]int{}
	for _, q := range r.tap.take() {
		q = strings.Replace(q, l.mirrors(l.owner), "MIRRORS", 1)
		q = strings.Replace(q, parent(l.fencePath()), "OWN", 1)
		q = strings.Replace(q, r.path, "PATH", 1)
		q = ids.ReplaceAllString(q, "$1")
		if strings.HasPrefix(q, "getChildren2 ") {
			if lists[q]++; lists[q] == 2 {
				continue
			}
		}
		got = append(got, q)
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("asked because of %s (-want +got):\n%.3000s", why, diff)
	}
}

// askedOfAll holds what was asked for many mirrors of three endpoints at once: a folder
// of each, and few transactions. What was written is read once.
func (r *tapped) askedOfAll(t *testing.T, mirrors int) {
	t.Helper()
	n := map[string]int{}
	for _, q := range r.tap.take() {
		kind, _, _ := strings.Cut(q, " ")
		n[kind]++
	}
	t.Logf("asked for %d mirrors at once: %v", mirrors, n)
	if n["createContainer"] != mirrors || n["getData"] != 5*mirrors || n["multi"] > 2 || n["exists"] != n["multi"] || n["getChildren2"] > 3*mirrors+2 {
		t.Errorf("asked for %d mirrors at once: %v", mirrors, n)
	}
}
