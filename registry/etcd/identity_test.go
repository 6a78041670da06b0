package etcd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
	"github.com/isthmus-dns/isthmus/registry/registrytest"
)

func TestIdentityForm(t *testing.T) {
	long := strings.Repeat("x", 600)
	for _, tc := range []struct {
		name       string
		self       self
		path, zone string
		want       catalog.Identity
	}{
		{"without an id", self{0xcdf818194e3a8c32, ""}, "skydns", "cluster.local", "etcd:cdf818194e3a8c32:/skydns/local/cluster"},
		{"with one", self{1, "abc"}, "skydns", "cluster.local", "etcd:1:/skydns/local/cluster:abc"},
		{"another zone", self{1, "abc"}, "skydns", "edge.local", "etcd:1:/skydns/local/edge:abc"},
		{"another path", self{1, "abc"}, "a b/c", "local", "etcd:1:/a%20b/c/local:abc"},
		{"an id by hand", self{1, "A: b\n"}, "skydns", "local", "etcd:1:/skydns/local:x6c57cc480c07606b"},
		{"a long one", self{1, long}, "skydns", "local", "etcd:1:/skydns/local:x52f0fda255b8036c"},
	} {
		if got := tc.self.identity(newLayout(tc.path, tc.zone, "etcd")); got != tc.want {
			t.Errorf("%s: identity = %q, want %q", tc.name, got, tc.want)
		}
	}
}

func (w *watched) identity() catalog.Identity { return w.Catalog.Snapshot().State(w.Origin).Identity }

// TestIdentity holds that all who read one zone of one etcd see one identity,
// whoever was first, that another zone has another, that the id is written once,
// and that a new id is noticed.
func TestIdentity(t *testing.T) {
	own := serverstest.Etcd(t)
	a, b := newZoneOn(t, own.Endpoint()), newZoneOn(t, own.Endpoint())
	all := []*watched{watch(t, a.reader(t)), watch(t, a.writer(t, "prod")), watch(t, a.reader(t)), watch(t, b.reader(t))}
	for _, w := range all {
		w.Synced(t)
	}
	id := idOf(t, a)
	for i, z := range []*zone{a, a, a, b} {
		want := self{clusterOf(t, z), string(id.value)}.identity(z.layout)
		if got := all[i].identity(); got != want || id.value == nil {
			t.Errorf("client %d: identity = %q, want %q", i+1, got, want)
		}
	}
	again := watch(t, a.writer(t, "prod"))
	again.Synced(t)
	if got := idOf(t, a); got.mod != id.mod || again.identity() != all[0].identity() {
		t.Errorf("opened again: identity %q, id at revision %d; want %q, %d", again.identity(), got.mod, all[0].identity(), id.mod)
	}
	was := all[0].identity()
	if _, err := a.raw.Delete(t.Context(), idKey); err != nil {
		t.Fatal(err)
	}
	all[0].Until(t, "notice a new id", func(s *catalog.Snapshot) bool { return s.State("etcd/x").Identity != was })
	for _, w := range all[1:3] {
		w.Until(t, "agree on it", func(s *catalog.Snapshot) bool { return s.State("etcd/x").Identity == all[0].identity() })
	}
}

// TestIdentityByRights holds that who may not write the id, or not even read
// it, reads the zone all the same, and takes up the id as soon as it can.
func TestIdentityByRights(t *testing.T) {
	own := serverstest.Etcd(t)
	z := newZoneOn(t, own.Endpoint())
	z.put(t, `svc/shop/web/a {"host":"10.0.0.1"}`)
	bare := self{clusterOf(t, z), ""}.identity(z.layout)
	grant(t, z, map[string]clientv3.PermissionType{z.layout.base: clientv3.PermissionType(clientv3.PermRead)})
	user := filepath.Join(t.TempDir(), "user")
	if err := os.WriteFile(user, []byte("bridge:hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := registrytest.Parse(t, Type(), "etcd x http://"+z.link.Addr()+" {\nzone "+z.name+"\nuser_file "+user+"\n}", nil)
	e, err := c.(*config).open("", nil)
	if err != nil {
		t.Fatal(err)
	}
	w := watch(t, e)
	if s := w.Synced(t); w.hosts(s, "shop/web") != "10.0.0.1" || w.identity() != bare {
		t.Errorf("without a right on the id: identity %q, want %q", w.identity(), bare)
	}
	root := z.rootOf(t, own.Endpoint())
	if _, err := root.Put(t.Context(), idKey, "abc"); err != nil {
		t.Fatal(err)
	}
	if _, err := root.RoleGrantPermission(t.Context(), "bridge", idKey, "", clientv3.PermissionType(clientv3.PermRead)); err != nil {
		t.Fatal(err)
	}
	w.Until(t, "see the id", func(s *catalog.Snapshot) bool { return s.State(w.Origin).Identity == bare+":abc" })
	if _, err := root.Delete(t.Context(), idKey); err != nil {
		t.Fatal(err)
	}
	s := w.Until(t, "see that it is gone", func(s *catalog.Snapshot) bool { return s.State(w.Origin).Identity == bare })
	if w.hosts(s, "shop/web") != "10.0.0.1" {
		t.Errorf("without an id to read: shop/web has %s, want 10.0.0.1", w.hosts(s, "shop/web"))
	}
}

func idOf(t *testing.T, z *zone) item {
	t.Helper()
	resp, err := z.raw.Get(t.Context(), idKey)
	if err != nil {
		t.Fatal(err)
	}
	if len(resp.Kvs) == 0 {
		return item{}
	}
	return item{key: idKey, value: resp.Kvs[0].Value, mod: resp.Kvs[0].ModRevision}
}

func clusterOf(t *testing.T, z *zone) uint64 {
	t.Helper()
	resp, err := z.raw.Get(t.Context(), idKey)
	if err != nil {
		t.Fatal(err)
	}
	return resp.Header.ClusterId
}
