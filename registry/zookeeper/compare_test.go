package zookeeper

import (
	"testing"

	"github.com/isthmus-dns/isthmus/catalog"
)

// TestCompare holds that a comparison of what is all known changes nothing, and that
// what the watches missed, be it new, changed or gone, is found and counted.
func TestCompare(t *testing.T) {
	r := newTree(t)
	r.words += "\ncompare 1s"
	r.put(t, "new/a "+at("10.0.0.1")+"\nchanged/a "+at("10.0.0.2")+"\nsame/a "+at("10.0.0.3"))
	w := watch(t, r.reader(t))
	w.synced(t)
	w.stays(t, "same")
	forget(w.table, r.path)
	s := w.until(t, "count what was missed", func(s *catalog.Snapshot) bool { return s.State(w.origin).Missed > 0 })
	for name, want := range map[string]string{"new": "10.0.0.1", "changed": "10.0.0.2", "ghost": "none"} {
		w.has(t, name, want)
	}
	if n := s.State(w.origin).Missed; n != 2 {
		t.Errorf("%d missed, want 2: the path, of whose children one was new and one gone, and what changed", n)
	}
	r.put(t, "changed/a "+at("10.0.0.9"))
	w.has(t, "changed", "10.0.0.9")
	if n := w.catalog.Snapshot().State(w.origin).Missed; n != 2 {
		t.Errorf("%d missed after that, want still 2", n)
	}
}

// forget makes the table as if the watches had missed that one node came, another
// changed, and a third went.
func forget(t *table, path string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dropLocked(t.nodes[path+"/new"])
	n := t.nodes[path+"/changed/a"]
	old := *n.record
	old.mzxid--
	old.endpoint.Host = catalog.ParseHost("10.9.9.9")
	n.record, n.mzxid = &old, old.mzxid
	t.touchNodeLocked(n)
	t.nodes[path].pzxid--
	if _, ask := t.foundLocked(t.nodes[path], "ghost", 100); !ask {
		panic("ghost is there")
	}
}
