package zookeeper

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
)

// at is what Curator writes of an instance at an address.
func at(address string) string {
	return fmt.Sprintf(`{"name":"x","id":"x","address":%q,"port":8080,"sslPort":null,"payload":null,"registrationTimeUTC":1,"serviceType":"DYNAMIC","uriSpec":null}`, address)
}

// stays holds from now on, until the test ends, that a service never vanishes.
func (w *watched) stays(t testing.TB, name string) {
	t.Helper()
	want := w.hosts(w.Catalog.Snapshot(), name)
	ctx, cancel := context.WithCancel(context.Background())
	var looking sync.WaitGroup
	looking.Go(func() {
		for ctx.Err() == nil {
			s := w.Catalog.Snapshot()
			if got := w.hosts(s, name); got != want {
				t.Errorf("%s was %s for a moment, want %s throughout", name, got, want)
				return
			}
			select {
			case <-s.Changed():
			case <-ctx.Done():
			}
		}
	})
	t.Cleanup(func() { cancel(); looking.Wait() })
}

// TestServerDown holds that a Watch says so in time and that the last report stands,
// over a server that is killed and comes again.
func TestServerDown(t *testing.T) {
	own := serverstest.ZooKeeper(t)
	r := newTreeOn(t, own.Address())
	r.put(t, "stays/a "+at("10.0.0.1")+"\nold/a "+at("10.0.0.2"))
	w := watch(t, r.reader(t))
	w.Synced(t)
	w.stays(t, "stays")
	begun := time.Now()
	own.Kill()
	w.Until(t, "see that it is down", func(s *catalog.Snapshot) bool { return !s.State(w.Origin).Connected })
	if d := time.Since(begun); d > 5*time.Second {
		t.Errorf("it took %v to see that the server is down", d)
	}
	if err := own.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.raw = rawSession(t, own.Address())
	r.put(t, "stays/b no instance\nnew/a "+at("10.0.0.3"))
	r.remove(t, "old")
	w.has(t, "new", "10.0.0.3")
	w.has(t, "old", "none")
}

// TestStall holds that who hears nothing for longer than its session lasts sees what
// changed meanwhile, and nothing vanish.
func TestStall(t *testing.T) {
	r := newTree(t)
	r.words += "\nsession_timeout 1s"
	r.put(t, "stays/a "+at("10.0.0.1")+"\nold/a "+at("10.0.0.2"))
	w := watch(t, r.reader(t))
	w.Synced(t)
	w.stays(t, "stays")
	r.link.Stall()
	r.put(t, "new/a "+at("10.0.0.3"))
	r.remove(t, "old")
	w.Until(t, "see that it is cut off", func(s *catalog.Snapshot) bool { return !s.State(w.Origin).Connected })
	r.link.Heal()
	w.has(t, "new", "10.0.0.3")
	w.has(t, "old", "none")
}

// TestParents holds that parents may come, vanish and come back, the path itself and
// the nodes above it included.
func TestParents(t *testing.T) {
	r := newTree(t)
	r.path += "/up/services"
	r.words = "path " + r.path
	w := watch(t, r.reader(t))
	w.Synced(t)
	for i := range 3 {
		addr := fmt.Sprintf("10.0.0.%d", i+1)
		r.put(t, "web/a "+at(addr)+"\nshop/cart/a "+at(addr))
		w.has(t, "web", addr)
		w.has(t, "shop-cart", addr)
		r.remove(t, "web")
		w.has(t, "web", "none")
		r.put(t, "web/a "+at(addr))
		w.has(t, "web", addr)
		r.remove(t, "shop")
		w.has(t, "shop-cart", "none")
		r.removeAll(t, r.path)
		w.has(t, "web", "none")
		r.removeAll(t, strings.TrimSuffix(r.path, "/services"))
	}
}

// TestRecreated holds that a node that goes and comes at once is read, whatever the
// lists above it told, again and again.
func TestRecreated(t *testing.T) {
	r := newTree(t)
	r.put(t, "web/a "+at("10.0.0.1")+"\nweb/b "+at("10.0.0.2"))
	w := watch(t, r.reader(t))
	w.Synced(t)
	last := ""
	for i := range 300 {
		last = fmt.Sprintf("10.0.%d.%d", 1+i/250, 1+i%250)
		if !r.many([]any{&zk.DeleteRequest{Path: r.path + "/web/a", Version: -1}}) {
			t.Fatal("delete: not done")
		}
		r.put(t, "web/a "+at(last))
	}
	w.has(t, "web", last+" 10.0.0.2")
}

// TestManyChildren holds that 10,000 instances below one parent are read, come and go.
func TestManyChildren(t *testing.T) {
	r := newTree(t)
	r.put(t, "web ")
	var create, remove []any
	for i := range 10_000 {
		path := fmt.Sprintf("%s/web/i%05d", r.path, i)
		data := at(fmt.Sprintf("10.%d.%d.1", i/250, i%250))
		create = append(create, &zk.CreateRequest{Path: path, Data: []byte(data), Acl: zk.WorldACL(zk.PermAll)})
		remove = append(remove, &zk.DeleteRequest{Path: path, Version: -1})
	}
	if !r.many(create[:5000]) {
		t.Fatal("create: not done")
	}
	begun := time.Now()
	w := watch(t, r.reader(t))
	s := w.Synced(t)
	count := func(s *catalog.Snapshot) int {
		if svc := s.Get(w.Origin, catalog.Ref{Key: catalog.Key{Namespace: "zookeeper", Name: "web"}}); svc != nil {
			return len(svc.Endpoints)
		}
		return 0
	}
	if n := count(s); n != 5000 {
		t.Errorf("first report: %d endpoints, want 5000", n)
	}
	t.Logf("5,000 read in %v", time.Since(begun))
	if !r.many(create[5000:]) {
		t.Fatal("create: not done")
	}
	w.Until(t, "10,000 endpoints", func(s *catalog.Snapshot) bool { return count(s) == 10_000 })
	for i, op := range remove[9990:] { // one by one: lists are spaced, and nothing else happens
		if !r.many([]any{op}) {
			t.Fatal("delete: not done")
		}
		w.Until(t, "one less", func(s *catalog.Snapshot) bool { return count(s) == 9999-i })
	}
	if !r.many(remove[1:9990]) {
		t.Fatal("delete: not done")
	}
	w.has(t, "web", "10.0.0.1")
}

// TestNames holds which names services have, and that of several with one key the oldest is
// taken, the others are refused, and the next has it once the first is gone.
func TestNames(t *testing.T) {
	r := newTree(t)
	r.put(t, "Web/a "+at("10.0.0.1")+"\na/b/c/i "+at("10.0.0.2")+"\na/b/x "+at("10.0.0.3")+"\na-b/i "+at("10.0.0.4"))
	r.put(t, "a/b foreign data\nlonely foreign data\nown "+at("10.0.0.5"))
	w := watch(t, r.reader(t))
	s := w.Synced(t)
	last := r.path[1:] // the path itself is the service called so
	for name, want := range map[string]string{"web": "10.0.0.1", "a-b-c": "10.0.0.2", "a-b": "10.0.0.3", "lonely": "none", last: "10.0.0.5"} {
		if got := w.hosts(s, name); got != want {
			t.Errorf("%s has %s, want %s", name, got, want)
		}
	}
	if err := w.refusal(s, "a-b"); err == nil || !strings.Contains(err.Error(), r.path+"/a/b") {
		t.Errorf("a-b is refused with %v, want that a/b has its key", err)
	}
	if n := s.State(w.Origin).Refused; n != 1 {
		t.Errorf("%d records refused, want 1", n)
	}
	r.put(t, "web/a "+at("10.0.0.6")+"\nWEB/a "+at("10.0.0.7"))
	s = w.Until(t, "refuse two that are newer", func(s *catalog.Snapshot) bool { return w.refusal(s, "web") != nil && w.refusal(s, "WEB") != nil })
	if got := w.hosts(s, "web"); got != "10.0.0.1" {
		t.Errorf("web has %s since others wrote its name otherwise", got)
	}
	r.remove(t, "a/b/x")
	s = w.has(t, "a-b", "10.0.0.4")
	if err := w.refusal(s, "a-b"); err != nil {
		t.Errorf("a-b is still refused: %v", err)
	}
}

// TestBadNodes holds that a node that is none is refused by its path, that no other
// suffers, and that one which has a child later is a parent and refused no more.
func TestBadNodes(t *testing.T) {
	r := newTree(t)
	r.put(t, "web/a "+at("10.0.0.1")+"\nweb/bad {\"address\":\"127.0.0.1\"}\nweb/port {\"address\":\"10.0.0.9\",\"port\":70000}")
	r.put(t, "web/large "+at("10.0.0.9")+strings.Repeat(" ", maxInstance)+".\nweb/foreign oops\nweb/empty ")
	w := watch(t, r.reader(t))
	s := w.Synced(t)
	if got := w.hosts(s, "web"); got != "10.0.0.1" {
		t.Errorf("web has %s, want 10.0.0.1", got)
	}
	for _, path := range []string{"web/bad", "web/port", "web/large", "web/foreign"} {
		if w.refusal(s, path) == nil {
			t.Errorf("%s is not refused", path)
		}
	}
	if n := s.State(w.Origin).Refused; n != 4 {
		t.Errorf("%d records refused, want 4", n)
	}
	r.put(t, "web/foreign/b "+at("10.0.0.2"))
	w.has(t, "web-foreign", "10.0.0.2")
	w.Until(t, "accept web/foreign", func(s *catalog.Snapshot) bool { return w.refusal(s, "web/foreign") == nil })
	r.put(t, "web/bad "+at("10.0.0.3"))
	w.has(t, "web", "10.0.0.1 10.0.0.3")
	r.remove(t, "web/port", "web/large")
	w.Until(t, "refuse none", func(s *catalog.Snapshot) bool { return s.State(w.Origin).Refused == 0 })
}
