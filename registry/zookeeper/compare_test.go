package zookeeper

import (
	"bytes"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/isthmus-dns/isthmus/catalog"
)

// TestCompare holds that a comparison of what is all known changes nothing, and that
// what the watches missed, be it new, changed or gone, is found and counted.
func TestCompare(t *testing.T) {
	r := newTree(t)
	r.words += "\ncompare 1s"
	r.put(t, "new/a "+at("10.0.0.1")+"\nchanged/a "+at("10.0.0.2")+"\nsame/a "+at("10.0.0.3"))
	w := watch(t, r.reader(t))
	w.Synced(t)
	w.stays(t, "same")
	forget(w.table, r.path)
	s := w.Until(t, "count what was missed", func(s *catalog.Snapshot) bool { return s.State(w.Origin).Missed > 0 })
	for name, want := range map[string]string{"new": "10.0.0.1", "changed": "10.0.0.2", "ghost": "none"} {
		w.has(t, name, want)
	}
	if n := s.State(w.Origin).Missed; n != 2 {
		t.Errorf("%d missed, want 2: the path, of whose children one was new and one gone, and what changed", n)
	}
	r.put(t, "changed/a "+at("10.0.0.9"))
	w.has(t, "changed", "10.0.0.9")
	if n := w.Catalog.Snapshot().State(w.Origin).Missed; n != 2 {
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
	if _, ask := t.foundLocked(t.nodes[path], "ghost", false); !ask {
		panic("ghost is there")
	}
}

// TestCompareBusy holds that a node that changes all the time, of which the watches tell,
// is not one of which they missed anything.
func TestCompareBusy(t *testing.T) {
	for name, told := range map[string]bool{"told": true, "missed": false} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { testCompareBusy(t, told) }) })
	}
}

func testCompareBusy(t *testing.T, told bool) {
	k := newKnown()
	k.begin("")
	k.list("/services", "web")
	k.hold("/services/web", "")
	mzxid := int64(100)
	s, err := fake(t, greets(60_000), func(xid int) []byte {
		mzxid++ // between any two looks
		return frame(xid, int64(9), 0, bytes.Join([][]byte{frame(int64(2), mzxid)[4:], state[16:]}, nil))
	})
	if err != nil {
		t.Fatal(err)
	}
	web := k.nodes["/services/web"]
	k.nodes = map[string]*node{web.path: web} // nothing else is compared
	w := newWalk(s, k.table, k.feed)
	var asked []question
	go func() { asked = <-w.suspects }()
	go func() {
		time.Sleep(compareGrace / 2) // of the bubble
		if told {
			k.set(k.read(web.path, nil, &zk.Stat{Czxid: web.czxid, Mzxid: 101}))
		}
	}()
	missed, err := (&zookeeper{table: k.table}).compareOnce(t.Context(), w)
	synctest.Wait()
	want := 1
	if told {
		want = 0
	}
	if err != nil || missed != want || len(asked) != want {
		t.Errorf("%d missed, %v asked, %v; want %d", missed, asked, err, want)
	}
}

// TestCompareHidden holds that a node which may not be read any more is one to read
// again, and no end of the Watch: servers from 3.8.4 on do not say that it is there.
func TestCompareHidden(t *testing.T) {
	stat := bytes.Join([][]byte{frame(int64(5), int64(5))[4:], state[16:]}, nil)
	var mu sync.Mutex
	hidden := true
	s, err := fake(t, greets(10_000), func(xid int) []byte {
		mu.Lock()
		defer mu.Unlock()
		if hidden = !hidden; hidden {
			return frame(xid, int64(9), -102)
		}
		return frame(xid, int64(9), 0, stat)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []bool{false, true} {
		found, err := differing(t.Context(), s, []version{{path: "/services/web", czxid: 5, mzxid: 5}})
		if err != nil || (len(found) == 1) != want {
			t.Errorf("found %v, %v; want that it differs: %v", found, err, want)
		}
	}
}
