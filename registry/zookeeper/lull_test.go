package zookeeper

import (
	"sync/atomic"
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

// TestLullWrote holds that a write of ours beside a service that lost its last instance
// does not have that told at once, though the write is.
func TestLullWrote(t *testing.T) {
	k := newKnown()
	k.layout.owner, k.layout.live = "prod", new(atomic.Int64)
	k.begin("")
	k.list("/services", "web")
	k.hold("/services/web", "")
	k.list("/services/web", "a")
	k.hold("/services/web/a", at("10.0.0.1"))
	k.replace(k.feed)
	want, err := k.layout.encode(mirrorOf("prod", "web", 1), options{Registered: 7})
	if err != nil {
		t.Fatal(err)
	}
	put := []op{{do: create, path: want[0].path, data: want[0].data}, {do: create, path: want[1].path, data: want[1].data}}
	for _, ops := range [][]op{put, {{do: remove, path: want[1].path}, {do: remove, path: want[0].path}}} {
		k.list("/services/web")
		k.zxid++
		k.wrote(ops, []string{"web"}, k.zxid, 0)
		if is := k.catalog.Snapshot().Get("zookeeper/x", mirrorOf("prod", "web", 1).Ref()) != nil; is != (ops[0].do == create) {
			t.Errorf("%v is told to be there: %v", ops[0].do, is)
		}
		if got := k.hosts("web"); got != "10.0.0.1" {
			t.Errorf("once the last instance went and we wrote, web has %s", got)
		}
	}
	free := func(string) bool { return false }
	now := time.Now().Add(settle)
	for _, later := range []time.Duration{0, lull} {
		k.flush(now.Add(later), free)
	}
	if got := k.hosts("web"); got != "none" || len(k.groups) > 0 {
		t.Errorf("after a while web has %s, and %d groups are known", got, len(k.groups))
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

// TestLullFirst holds that the very first report waits for the instance of a service
// that is just being registered again, and for none below a node that never had one.
func TestLullFirst(t *testing.T) {
	k := newKnown()
	k.begin("abc")
	k.list("/services", "web", "new")
	k.hold("/services/web", "")
	k.hold("/services/new", "")
	k.list("/services/web") // which is newer than web
	if !k.lapsed() {
		t.Error("an instance that went is not waited for")
	}
	k.list("/services/web", "a")
	k.hold("/services/web/a", at("10.0.0.1"))
	if k.setList("/services/new", nil, &zk.Stat{Pzxid: k.nodes["/services/new"].czxid}); k.lapsed() {
		t.Error("an instance that never was is waited for")
	}
	k.replace(k.feed)
	k.list("/services/new", "a")
	k.list("/services/new")
	if k.lapsed() {
		t.Error("once all was told, what was not is waited for")
	}
}

// TestFirstReport holds that the first report waits for what changed while everything
// was read, and not for longer than any other does.
func TestFirstReport(t *testing.T) {
	k := newKnown()
	k.begin("abc")
	w := newWalk(nil, k.table, k.feed)
	k.list("/services", "web")
	k.hold("/services/web", "")
	k.list("/services/web", "a") // registered again while the rest was read
	w.add(question{"/services/web/a", false}, false)
	now := time.Now()
	for _, at := range []time.Duration{0, longSettle - 1} {
		if w.report(now.Add(at)); w.reported.Load() {
			t.Errorf("reported %v after the rest was read, without an instance that is being asked for", at)
		}
	}
	if w.report(now.Add(longSettle)); !w.reported.Load() {
		t.Errorf("not reported %v after the rest was read", longSettle)
	}
	k.hold("/services/web/a", at("10.0.0.1"))
	k.tell()
	if got := k.hosts("web"); got != "10.0.0.1" {
		t.Errorf("web has %s", got)
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
	w.Synced(t)
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
