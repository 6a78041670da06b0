package etcd

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/registrytest"
)

func claimed(t testing.TB, e *etcd) {
	t.Helper()
	if err := e.Claim(t.Context(), registry.Fence{Owner: e.owner, Sources: []catalog.Identity{"x:1"}}, false); err != nil {
		t.Fatal(err)
	}
}

// mustPut puts and returns the services with their new versions.
func mustPut(t testing.TB, e *etcd, all ...*catalog.Service) {
	t.Helper()
	for i, r := range e.Put(t.Context(), all) {
		if r.Err != nil || r.Version == "" {
			t.Fatalf("Put(%s) = %q, %v", all[i].Key, r.Version, r.Err)
		}
		all[i].Version = r.Version
	}
}

// TestCompactionUnderWatch holds that nothing is lost, and nothing vanishes in
// between, when what a watch missed is compacted away.
func TestCompactionUnderWatch(t *testing.T) {
	z := newZone(t)
	z.put(t, "svc/shop/old/a {\"host\":\"10.0.0.1\"}\nsvc/shop/stays/a {\"host\":\"10.0.0.2\"}")
	w := watch(t, z.reader(t))
	first := w.Synced(t)
	z.link.Cut()
	if _, err := z.raw.Delete(t.Context(), z.layout.base+"svc/shop/old/a"); err != nil {
		t.Fatal(err)
	}
	z.put(t, `svc/shop/new/a {"host":"10.0.0.3"}`)
	resp, err := z.raw.Get(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.raw.Compact(t.Context(), resp.Header.Revision, clientv3.WithCompactPhysical()); err != nil {
		t.Fatal(err)
	}
	z.link.Heal()
	last := w.Until(t, "list again", func(s *catalog.Snapshot) bool {
		if w.hosts(s, "shop/stays") != "10.0.0.2" {
			t.Error("shop/stays vanished in between")
		}
		return w.hosts(s, "shop/new") == "10.0.0.3"
	})
	if got := w.hosts(last, "shop/old"); got != "none" {
		t.Errorf("shop/old = %s, want none", got)
	}
	if w.hosts(first, "shop/old") != "10.0.0.1" {
		t.Error("an older snapshot changed")
	}
}

// TestServerDown holds that a Watch says so in time and that the last report
// stands, over a server that is down, comes again, and is another one.
func TestServerDown(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	own := serverstest.Etcd(t)
	z := newZoneOn(t, own.Endpoint())
	z.put(t, `svc/shop/web/a {"host":"10.0.0.1"}`)
	w := watch(t, z.reader(t))
	w.Synced(t)
	begun := time.Now()
	own.Kill()
	down := w.Until(t, "see that it is down", func(s *catalog.Snapshot) bool { return !s.State(w.Origin).Connected })
	if d := time.Since(begun); d > 5*time.Second {
		t.Errorf("it took %v to see that the server is down", d)
	}
	if got := w.hosts(down, "shop/web"); got != "10.0.0.1" {
		t.Errorf("while it is down: %s, want the last report to stand", got)
	}
	if err := own.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	w.Until(t, "see that it is up", func(s *catalog.Snapshot) bool { return s.State(w.Origin).Connected })
	z.put(t, `svc/shop/web/a {"host":"10.0.0.2"}`)
	w.Until(t, "see a change", func(s *catalog.Snapshot) bool { return w.hosts(s, "shop/web") == "10.0.0.2" })
}

// TestDownAtStart holds that a Watch of a server that is not there returns in
// time, with a user or without.
func TestDownAtStart(t *testing.T) {
	for _, env := range []map[string]string{nil, {"ETCDCTL_USER": "root:hunter2"}} {
		c := registrytest.Parse(t, Type(), "etcd x http://127.0.0.1:1", env)
		e, err := c.(*config).open("", nil)
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		err = e.Watch(t.Context(), catalog.New(catalog.Policy{}).Feed("etcd/x"))
		if err == nil || time.Since(begun) > 4*time.Second {
			t.Errorf("Watch = %v after %v", err, time.Since(begun))
		}
		if strings.Contains(fmt.Sprint(err), "hunter2") {
			t.Errorf("Watch = %v: it holds the password", err)
		}
	}
}

// TestLarge holds that a service of many transactions adds first and removes
// last, and that its watcher sees all of it.
func TestLarge(t *testing.T) {
	z := newZone(t)
	w := watch(t, z.writer(t, "prod"))
	w.Synced(t)
	claimed(t, w.etcd)
	s := mirror("prod", "web", 1500)
	mustPut(t, w.etcd, s)
	got := w.Catalog.Snapshot().Get(w.Origin, s.Ref())
	want, err := w.Canon(s)
	if err != nil || got == nil || !got.Same(want) || got.Version != s.Version {
		t.Fatalf("reported after Put: %v", got)
	}
	for i := range s.Endpoints {
		s.Endpoints[i].ID = fmt.Sprintf("j%d", i)
	}
	s.Sort()
	least := 1500
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			snap := w.Catalog.Snapshot()
			if svc := snap.Get(w.Origin, s.Ref()); svc == nil {
				least = 0
			} else {
				least = min(least, len(svc.Endpoints))
			}
			select {
			case <-snap.Changed():
			case <-stop:
				return
			}
		}
	}()
	mustPut(t, w.etcd, s)
	close(stop)
	<-done
	if least < 1500 {
		t.Errorf("while all endpoints were replaced, %d of 1500 stood", least)
	}
	if got := w.Catalog.Snapshot().Get(w.Origin, s.Ref()); len(got.Endpoints) != 1500 || got.Version != s.Version {
		t.Errorf("reported after the second Put: %d endpoints, version %s, want 1500, %s", len(got.Endpoints), got.Version, s.Version)
	}
	for _, r := range w.Delete(t.Context(), []*catalog.Service{s}) {
		if r.Err != nil {
			t.Errorf("Delete: %v", r.Err)
		}
	}
	if left := z.all(t); len(left) != 1 {
		t.Errorf("%d keys left, want the fence", len(left))
	}
}

// TestExternalDNSNeighbours holds that what external-dns wrote is its mirror,
// not native, and stays byte for byte while we write and delete beside it.
func TestExternalDNSNeighbours(t *testing.T) {
	z := newZone(t)
	theirs := `web/0a1b2c3d {"host":"10.0.0.1","targetstrip":1,"ttl":300}
a-web/1b2c3d4e {"text":"\"heritage=external-dns,external-dns/owner=default,external-dns/resource=service/shop/web\"","targetstrip":1}
svc/shop/web/0a1b2c3d {"host":"10.0.0.2","owner":"default"}
svc/shop/web/_tcp/_http/i0 {"host":"10.0.0.3","port":1,"owner":"default"}
`
	z.put(t, theirs)
	before := z.all(t)
	w := watch(t, z.writer(t, "prod"))
	w.Synced(t)
	claimed(t, w.etcd)
	s := mirror("prod", "web", 3)
	mustPut(t, w.etcd, s)
	want := `service etcd/web Headless ttl=5m0s
	mark owner=? format=0
	endpoint 10.0.0.1 id=0a1b2c3d ready serving hostname=0a1b2c3d
`
	if got := w.Text(w.Catalog.Snapshot()); !strings.HasPrefix(got, want) || strings.Contains(got, "drift") {
		t.Errorf("reported:\n%s\nwant\n%s...", got, want)
	}
	if n := len(z.all(t)); n != len(before)+4 {
		t.Errorf("%d keys, want %d and 3 of ours and the fence", n, len(before))
	}
	if res := w.Delete(t.Context(), []*catalog.Service{s}); res[0].Err != nil {
		t.Fatal(res[0].Err)
	}
	left := slices.DeleteFunc(z.all(t), func(it item) bool { return strings.HasPrefix(it.key, "/"+stateRoot) })
	if diff := cmp.Diff(before, left, cmp.AllowUnexported(item{})); diff != "" {
		t.Errorf("what external-dns wrote changed:\n%s", diff)
	}
	// Once their account is gone, the record is anybody's.
	if _, err := z.raw.Delete(t.Context(), z.layout.base+"a-web/1b2c3d4e"); err != nil {
		t.Fatal(err)
	}
	w.Until(t, "become native", func(s *catalog.Snapshot) bool { return w.hosts(s, "etcd/web") == "10.0.0.1" })
}

// TestOutOfReach holds that nothing is written where external-dns would delete
// it with a name of its own, and that other names that look alike are free.
func TestOutOfReach(t *testing.T) {
	z := newZone(t)
	z.put(t, `svc/shop/a-web/1b2c3d4e {"text":"\"heritage=external-dns,external-dns/owner=default\""}
svc/shop/web/0a1b2c3d {"host":"10.0.0.2"}
svc/shop/old-db/1b2c3d4e {"text":"heritage=external-dns,external-dns/owner=default"}`)
	w := watch(t, z.writer(t, "prod"))
	w.Synced(t)
	claimed(t, w.etcd)
	for name, ok := range map[string]bool{"webapp": false, "web-x": false, "we": true, "b-web": true, "a-web2": false, "old-db2": false, "db2": true} {
		s := mirror("prod", name, 1)
		if r := w.Put(t.Context(), []*catalog.Service{s})[0]; (r.Err == nil) != ok || !ok && !errors.Is(r.Err, registry.ErrInvalid) {
			t.Errorf("put %q: %v, want ok %v", name, r.Err, ok)
		}
	}
}

// TestMalformedNeighbours holds that refused records are named, are left where
// they are, keep no other from being read and written, and are taken back.
func TestMalformedNeighbours(t *testing.T) {
	z := newZone(t)
	z.put(t, "svc/shop/web/bad oops\nsvc/shop/web/a {\"host\":\"10.0.0.1\"}\nsvc/Shop/web/a {\"host\":\"10.0.0.1\"}")
	w := watch(t, z.writer(t, "prod"))
	s := w.Synced(t)
	if got := w.hosts(s, "shop/web"); got != "10.0.0.1" || s.State(w.Origin).Refused != 2 {
		t.Errorf("hosts %s, %d refused; want 10.0.0.1, 2", got, s.State(w.Origin).Refused)
	}
	claimed(t, w.etcd)
	svc := mirror("prod", "web", 2)
	mustPut(t, w.etcd, svc)
	z.put(t, `svc/shop/web/bad {"host":"10.0.0.9"}`)
	w.Until(t, "mend", func(s *catalog.Snapshot) bool {
		return s.State(w.Origin).Refused == 1 && w.hosts(s, "shop/web") == "10.0.0.1 10.0.0.9"
	})
	if _, err := z.raw.Delete(t.Context(), z.layout.base+"svc/Shop/web/a"); err != nil {
		t.Fatal(err)
	}
	w.Until(t, "be gone", func(s *catalog.Snapshot) bool { return s.State(w.Origin).Refused == 0 })
}

// TestConflictsAreTheirOwn holds that of many services in one transaction only
// those that changed are refused.
func TestConflictsAreTheirOwn(t *testing.T) {
	z := newZone(t)
	a, b := z.writer(t, "prod"), z.writer(t, "prod")
	defer a.Close()
	defer b.Close()
	claimed(t, a)
	claimed(t, b)
	mustPut(t, a, mirror("prod", "s3", 1))
	var all []*catalog.Service
	for i := range 8 {
		all = append(all, mirror("prod", fmt.Sprintf("s%d", i), 1))
	}
	for i, r := range b.Put(t.Context(), all) {
		if i == 3 != errors.Is(r.Err, registry.ErrConflict) || i != 3 && r.Err != nil {
			t.Errorf("Put of s%d = %v", i, r.Err)
		}
	}
	if err := b.Claim(t.Context(), registry.Fence{Owner: "prod", Sources: []catalog.Identity{"x:1"}}, true); err != nil {
		t.Fatal(err)
	}
	for _, r := range a.Put(t.Context(), []*catalog.Service{mirror("prod", "late", 1)}) {
		if !errors.Is(r.Err, registry.ErrFenced) {
			t.Errorf("Put of a deposed writer = %v, want ErrFenced", r.Err)
		}
	}
}

// TestFigures mirrors 1,000 services and changes one, for the log.
func TestFigures(t *testing.T) {
	z := newZone(t)
	w := watch(t, z.writer(t, "prod"))
	w.Synced(t)
	claimed(t, w.etcd)
	var all []*catalog.Service
	for i := range 1000 {
		all = append(all, mirror("prod", fmt.Sprintf("s%d", i), 3))
	}
	begun := time.Now()
	mustPut(t, w.etcd, all...)
	t.Logf("1,000 services of 3 endpoints: %v", time.Since(begun))
	before := z.all(t)
	mustPut(t, w.etcd, all...)
	if !slices.EqualFunc(before, z.all(t), func(a, b item) bool { return a.key == b.key && a.mod == b.mod }) {
		t.Errorf("the same again wrote something")
	}
	all[500].Endpoints[0].Host = catalog.ParseHost("10.7.7.7")
	begun = time.Now()
	mustPut(t, w.etcd, all[500])
	t.Logf("one change of one: %v", time.Since(begun))
	begun = time.Now()
	z.put(t, `svc/shop/native/a {"host":"10.0.0.1"}`)
	w.Until(t, "see a registration", func(s *catalog.Snapshot) bool { return w.hosts(s, "shop/native") == "10.0.0.1" })
	t.Logf("registration to catalog: %v", time.Since(begun))
	begun = time.Now()
	watch(t, z.reader(t)).Synced(t)
	t.Logf("first report of 3,001 records: %v", time.Since(begun))
}

// TestUnknownOutcome holds that a write whose answer is lost counts as neither
// done nor refused, that nothing more is tried, and that the next try is right
// whichever it was.
func TestUnknownOutcome(t *testing.T) {
	z := newZone(t)
	w := watch(t, z.writer(t, "prod"))
	w.Synced(t)
	claimed(t, w.etcd)
	mustPut(t, w.etcd, mirror("prod", "warm", 1))
	z.link.LoseAnswers()
	all := []*catalog.Service{mirror("prod", "web", 60), mirror("prod", "db", 60)}
	res := w.Put(t.Context(), all)
	z.link.Heal()
	if !errors.Is(res[0].Err, registry.ErrUnknownOutcome) {
		t.Errorf("Put without an answer = %v, want ErrUnknownOutcome", res[0].Err)
	}
	if res[1].Err == nil || errors.Is(res[1].Err, registry.ErrUnknownOutcome) {
		t.Errorf("Put after that = %v, want that it was not tried", res[1].Err)
	}
	// Whether it was done is for the watch to tell, and until then for the
	// server to refuse.
	for begun := time.Now(); ; {
		snap := w.Catalog.Snapshot()
		for _, s := range all {
			s.Version = ""
			if there := snap.Get(w.Origin, s.Ref()); there != nil {
				s.Version = there.Version
			}
		}
		res := w.Put(t.Context(), all)
		if res[0].Err == nil && res[1].Err == nil {
			break
		}
		if time.Since(begun) > 20*time.Second {
			t.Fatalf("Put after the answers are back = %v, %v", res[0].Err, res[1].Err)
		}
	}
	if s := w.Catalog.Snapshot(); s.Get(w.Origin, all[0].Ref()) == nil || s.Get(w.Origin, all[1].Ref()) == nil {
		t.Errorf("reported:\n%s", w.Text(s))
	}
}

// TestNothingLeft holds that no goroutine of a Watch or a write is left.
func TestNothingLeft(t *testing.T) {
	z := newZone(t)
	z.put(t, `web/a {"host":"10.0.0.1"}`) // raw's connection stands from here on
	before := runtime.NumGoroutine()
	e := z.writer(t, "prod")
	ctx, cancel := context.WithCancel(t.Context())
	c := catalog.New(catalog.Policy{})
	done := make(chan error)
	go func() { done <- e.Watch(ctx, c.Feed("etcd/x")) }()
	for s := c.Snapshot(); !s.Synced("etcd/x"); s = c.Snapshot() {
		<-s.Changed()
	}
	claimed(t, e)
	mustPut(t, e, mirror("prod", "web", 1))
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Watch = %v, want context.Canceled", err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	deadline := time.After(5 * time.Second)
	for runtime.NumGoroutine() > before {
		select {
		case <-deadline:
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		default:
			runtime.Gosched()
		}
	}
}
