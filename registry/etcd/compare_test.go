package etcd

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
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

// TestOtherCluster holds that what another etcd lists and what a watch of it tells is
// not taken for this one's, to which the addresses led before.
func TestOtherCluster(t *testing.T) {
	z, other := newZone(t), serverstest.Etcd(t)
	z.put(t, `svc/shop/web/a {"host":"10.0.0.1"}`)
	w := watch(t, z.reader(t))
	before := w.Synced(t)
	theirs, err := clientv3.New(clientv3.Config{Endpoints: []string{other.Endpoint()}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	feed := w.Catalog.Feed(w.Origin)
	for i := range w.table.newest() { // so that the revision says nothing
		if _, err := theirs.Put(t.Context(), z.layout.base+"svc/shop/db/a", fmt.Sprintf(`{"host":"10.0.0.%d"}`, i%256)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.compareOnce(t.Context(), theirs, feed); !errors.Is(err, errOther) {
		t.Errorf("compare = %v, want %v", err, errOther)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := w.follow(ctx, theirs, feed, 1); !errors.Is(err, errOther) {
		t.Errorf("watch = %v, want %v", err, errOther)
	}
	if now := w.Catalog.Snapshot(); now != before {
		t.Errorf("it reported:\n%s", w.Text(now))
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
