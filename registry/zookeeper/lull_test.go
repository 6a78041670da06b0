package zookeeper

import (
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
)

// TestLull holds that a service of which no instance is left is kept for a while, and
// no longer, and one that has others is told at once.
func TestLull(t *testing.T) {
	k := newKnown()
	k.begin("")
	k.list("/services", "web", "db")
	k.list("/services/web", "a")
	k.list("/services/db", "a", "b")
	k.hold("/services/web/a", at("10.0.0.1"))
	k.hold("/services/db/a", at("10.0.0.2"))
	k.hold("/services/db/b", at("10.0.0.3"))
	k.replace(k.feed)
	free := func(string) bool { return false }
	gone := time.Now().Add(time.Minute)
	for _, c := range []struct {
		does string
		do   func()
		at   time.Duration // after the first
		want string
	}{
		{"both lose one", func() { k.list("/services/web"); k.list("/services/db", "b") }, 0, "10.0.0.1, 10.0.0.3"},
		{"nothing", func() {}, lull - 1, "10.0.0.1, 10.0.0.3"},
		{"another comes", func() { k.list("/services/web", "a"); k.hold("/services/web/a", at("10.0.0.4")) }, lull, "10.0.0.4, 10.0.0.3"},
		{"it goes, too", func() { k.list("/services/web") }, 2 * lull, "10.0.0.4, 10.0.0.3"},
		{"nothing", func() {}, 3*lull - 1, "10.0.0.4, 10.0.0.3"},
		{"nothing", func() {}, 3 * lull, "none, 10.0.0.3"},
	} {
		c.do()
		k.flush(gone.Add(c.at), free)
		if got := k.hosts("web") + ", " + k.hosts("db"); got != c.want {
			t.Errorf("%s, %v after the first: %s, want %s", c.does, c.at, got, c.want)
		}
	}
}

// TestLullRead holds that what a first report would take away is known before it.
func TestLullRead(t *testing.T) {
	k := newKnown()
	k.begin("abc")
	k.list("/services", "web")
	k.list("/services/web", "a")
	k.hold("/services/web/a", at("10.0.0.1"))
	k.replace(k.feed)
	k.detach()
	k.begin("abc")
	k.list("/services", "web")
	if !k.lapsed() {
		t.Error("before it is found: the service is not missed")
	}
	k.list("/services/web", "a")
	k.hold("/services/web/a", at("10.0.0.1"))
	if k.lapsed() {
		t.Error("once it is found: the service is missed")
	}
}

// TestRegisteredAgain holds that the only instance of a service may go and come, as
// clients of Curator's register again, and nobody sees it.
func TestRegisteredAgain(t *testing.T) {
	r := newTree(t)
	r.put(t, "web/a "+at("10.0.0.1"))
	z := r.reader(t)
	z.table.lull = time.Minute // between the two requests a busy machine may take long
	w := watch(t, z)
	w.synced(t)
	w.stays(t, "web")
	for range 100 {
		if !r.many([]any{&zk.DeleteRequest{Path: r.path + "/web/a", Version: -1}}) {
			t.Fatal("delete: not done")
		}
		r.put(t, "web/a "+at("10.0.0.1"))
	}
	r.put(t, "end/a "+at("10.0.0.2"))
	w.has(t, "end", "10.0.0.2")
}
