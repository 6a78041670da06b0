package etcd

import (
	"testing"

	"github.com/isthmus-dns/isthmus/catalog"
)

// TestCompare holds that a compare of what is all known changes nothing, and
// that what a watch missed, be it new, changed or gone, is found and counted,
// while what it told meanwhile stands.
func TestCompare(t *testing.T) {
	z := newZone(t)
	z.put(t, "svc/shop/new/a {\"host\":\"10.0.0.1\"}\nsvc/shop/changed/a {\"host\":\"10.0.0.2\"}\nsvc/shop/same/a {\"host\":\"10.0.0.3\"}")
	z.put(t, "dns/ns/a {\"host\":\"10.0.0.4\"}\nsvc/shop/bad/a oops")
	w := watch(t, z.reader(t))
	before := w.Synced(t)
	feed := w.Catalog.Feed(w.Origin)
	once := func() int {
		t.Helper()
		missed, err := w.compareOnce(t.Context(), z.raw, feed)
		if err != nil {
			t.Fatal(err)
		}
		return missed
	}
	if n := once(); n != 0 || w.Catalog.Snapshot() != before {
		t.Fatalf("%d missed of what is all known", n)
	}
	forget(w.table, z.layout.base)
	if n := once(); n != 3 {
		t.Errorf("%d missed, want 3", n)
	}
	s := w.Catalog.Snapshot()
	for key, want := range map[string]string{"shop/new": "10.0.0.1", "shop/changed": "10.0.0.2", "shop/same": "10.0.0.3", "shop/ghost": "none"} {
		if got := w.hosts(s, key); got != want {
			t.Errorf("after the compare %s is %s, want %s", key, got, want)
		}
	}
	z.put(t, "svc/shop/same/a {\"host\":\"10.0.0.9\"}")
	w.Until(t, "see what comes after", func(s *catalog.Snapshot) bool { return w.hosts(s, "shop/same") == "10.0.0.9" })
	if n := once(); n != 0 {
		t.Errorf("%d missed after that", n)
	}
}

// forget makes the table as if the watch had missed that one key came, another
// changed, and a third went.
func forget(t *table, base string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	newest := t.watched
	t.dropLocked(base + "svc/shop/new/a")
	t.dropLocked(base + "svc/shop/changed/a")
	t.setLocked(item{key: base + "svc/shop/changed/a", value: []byte(`{"host":"10.9.9.9"}`), mod: 1})
	t.setLocked(item{key: base + "svc/shop/ghost/a", value: []byte(`{"host":"10.9.9.9"}`), mod: newest})
	t.flushLocked()
}

// TestListBesideWatch holds that a list which comes in late takes nothing back
// that the watch told of, and a watch that comes in late nothing that the list
// did.
func TestListBesideWatch(t *testing.T) {
	l := newLayout("skydns", "test", "etcd")
	a, b := l.base+"svc/shop/a/x", l.base+"svc/shop/b/x"
	value := []byte(`{"host":"10.0.0.1"}`)
	tab := newTable(l, "", nil)
	c := catalog.New(catalog.Policy{})
	feed := c.Feed("etcd/x")
	tab.replace([]item{{key: a, value: value, mod: 3}}, 5, feed)
	tab.keepGone(true)
	tab.update([]item{{key: a, mod: 7, gone: true}})             // told while the list at 6 is under way
	tab.replace([]item{{key: a, value: value, mod: 3}}, 6, feed) // says that a stands
	tab.keepGone(false)
	if n := c.Snapshot().State("etcd/x").Services; n != 0 {
		t.Errorf("%d services, want none: a is gone", n)
	}
	tab.replace(nil, 10, feed) // b was put at 8 and deleted at 9
	tab.update([]item{{key: b, value: value, mod: 8}})
	if n := c.Snapshot().State("etcd/x").Services; n != 0 {
		t.Errorf("%d services, want none: b is gone", n)
	}
}
