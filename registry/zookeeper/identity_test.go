package zookeeper

import (
	"errors"
	"strings"
	"testing"

	"github.com/go-zookeeper/zk"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
)

func TestIdentityForm(t *testing.T) {
	for _, tc := range []struct {
		name, path, id string
		want           catalog.Identity
	}{
		{"without an id", "/services", "", "zookeeper:/services"},
		{"with one", "/services", "abc", "zookeeper:/services:abc"},
		{"another path", "/a b/c", "abc", "zookeeper:/a%20b/c:abc"},
		{"an id by hand", "/services", "A: b\n", "zookeeper:/services:x17a6dad681d3f653"},
		{"a long one", "/services", strings.Repeat("x", 600), "zookeeper:/services:x5130b33e6b87fbf5"},
	} {
		if got := identityOf(tc.path, tc.id); got != tc.want {
			t.Errorf("%s: identity = %q, want %q", tc.name, got, tc.want)
		}
	}
}

// TestIdentity holds that all who read one path of one ensemble see one identity,
// whoever was first, that another path has another, that the id is written once, and
// that a new id is noticed.
func TestIdentity(t *testing.T) {
	own := serverstest.ZooKeeper(t)
	a, b := newTreeOn(t, own.Address()), newTreeOn(t, own.Address())
	open := func(r *tree) *watched {
		r.words = "path " + r.path + "\nacl world"
		return watch(t, r.reader(t))
	}
	all := []*watched{open(a), open(a), open(b)}
	for _, w := range all {
		w.Synced(t)
	}
	id, stat, err := a.raw.conn.Get(idPath)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range []*tree{a, a, b} {
		if got, want := all[i].identity(), identityOf(r.path, string(id)); got != want {
			t.Errorf("client %d: identity = %q, want %q", i+1, got, want)
		}
	}
	again := open(a)
	again.Synced(t)
	if _, now, err := a.raw.conn.Get(idPath); err != nil || now.Mzxid != stat.Mzxid || again.identity() != all[0].identity() {
		t.Errorf("opened again: identity %q, id written at %d (%v); want %q, %d", again.identity(), now.Mzxid, err, all[0].identity(), stat.Mzxid)
	}
	if err := a.raw.conn.Delete(idPath, -1); err != nil {
		t.Fatal(err)
	}
	was := identityOf(a.path, string(id))
	all[0].Until(t, "notice a new id", func(s *catalog.Snapshot) bool {
		is := s.State("zookeeper/x").Identity
		return is != was && is != identityOf(a.path, "")
	})
	for _, w := range []*watched{all[1], again} {
		w.Until(t, "agree on it", func(s *catalog.Snapshot) bool { return s.State("zookeeper/x").Identity == all[0].identity() })
	}
}

// TestHiddenID holds that an id that may not be read any more makes no other ensemble
// of the one it is of: what was reported stands, and the error says why.
func TestHiddenID(t *testing.T) {
	own := serverstest.ZooKeeper(t)
	r := newTreeOn(t, own.Address())
	r.words += "\nacl world"
	r.put(t, "web/a "+at("10.0.0.1"))
	w := watch(t, r.reader(t))
	w.Synced(t)
	w.stays(t, "web")
	was := w.identity()
	acl, _, err := r.raw.conn.GetACL(idPath)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.raw.conn.SetACL(idPath, zk.DigestACL(zk.PermAll, "other", "hunter2"), -1); err != nil {
		t.Fatal(err)
	}
	for range 3 { // the Watch that saw it, and those after it
		if err := <-w.Errs; !errors.Is(err, errHidden) {
			t.Fatalf("Watch = %v, want %v", err, errHidden)
		}
		if got := w.identity(); got != was {
			t.Fatalf("identity = %q, was %q", got, was)
		}
	}
	if err := r.raw.conn.AddAuth("digest", []byte("other:hunter2")); err != nil {
		t.Fatal(err)
	}
	if _, err := r.raw.conn.SetACL(idPath, acl, -1); err != nil {
		t.Fatal(err)
	}
	w.Until(t, "be connected again", func(s *catalog.Snapshot) bool { return s.State(w.Origin).Connected })
}
