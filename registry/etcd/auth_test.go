package etcd

import (
	"context"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/registrytest"
)

// TestAccess holds that a user with no more than the zone and the bridges' own
// state can do everything, that a service outside what it may write is refused
// alone, and that a wrong password is said and not shown.
func TestAccess(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	own := serverstest.Etcd(t)
	z := newZoneOn(t, own.Endpoint())
	grant(t, z, map[string]clientv3.PermissionType{
		z.layout.base:                clientv3.PermissionType(clientv3.PermRead),
		z.layout.base + "svc/shop/w": clientv3.PermissionType(clientv3.PermReadWrite),
		"/" + stateRoot + "/":        clientv3.PermissionType(clientv3.PermReadWrite),
	})
	user := filepath.Join(t.TempDir(), "user")
	if err := os.WriteFile(user, []byte("bridge:hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	open := func() *etcd {
		u, _ := url.Parse("http://" + z.link.Addr())
		c := registrytest.Parse(t, Type(), "etcd x "+u.String()+" {\nzone "+z.name+"\nuser_file "+user+"\n}", nil)
		e, err := c.Writer("prod", slog.New(slog.NewTextHandler(io.Discard, nil)))
		if err != nil {
			t.Fatal(err)
		}
		return e.(*etcd)
	}
	w := watch(t, open())
	w.Synced(t)
	claimed(t, w.etcd)
	claims := open()
	defer claims.Close()
	claimed(t, claims)
	var all []*catalog.Service
	for _, name := range []string{"w1", "w2", "x", "w3"} {
		all = append(all, mirror("prod", name, 2))
	}
	for i, r := range w.Put(t.Context(), all) {
		if denied := r.Err != nil && strings.Contains(r.Err.Error(), "permission denied"); denied != (i == 2) || i != 2 && r.Err != nil {
			t.Errorf("Put of %s = %v", all[i].Key, r.Err)
		}
	}
	if err := os.WriteFile(user, []byte("bridge:hunter3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := z.rootOf(t, own.Endpoint()).UserChangePassword(ctx, "bridge", "hunter4"); err != nil {
		t.Fatal(err)
	}
	if r := w.Put(ctx, []*catalog.Service{mirror("prod", "w4", 1)}); r[0].Err == nil || strings.Contains(r[0].Err.Error(), "hunter") {
		t.Errorf("Put by an old password = %v", r[0].Err)
	}
	fence := registry.Fence{Owner: "prod", Sources: []catalog.Identity{"x:1"}}
	if err := claims.Claim(ctx, fence, true); err == nil || strings.Contains(err.Error(), "hunter") {
		t.Errorf("Claim by an old password = %v", err)
	}
	other := open()
	err := other.Watch(ctx, catalog.New(catalog.Policy{}).Feed("etcd/x"))
	if err == nil || !strings.Contains(err.Error(), "authentication failed") || strings.Contains(err.Error(), "hunter3") {
		t.Errorf("Watch with a wrong password = %v", err)
	}
	if err := os.WriteFile(user, []byte("bridge:hunter4\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := w.Put(ctx, []*catalog.Service{mirror("prod", "w5", 1)}); r[0].Err != nil {
		t.Errorf("Put by the new password = %v", r[0].Err)
	}
	if err := claims.Claim(ctx, fence, true); err != nil {
		t.Errorf("Claim by the new password = %v", err)
	}
}

// TestRestoredAccess holds that a bridge goes on to write to an etcd that was
// restored from a backup. A token names the count of all requests when it was
// given, and the server keeps waiting who comes with one from after its own.
func TestRestoredAccess(t *testing.T) {
	w, restore := restorable(t)
	claimed(t, w)
	restore()
	var err error
	again := []*catalog.Service{mirror("prod", "w1", 1)}
	for range 3 {
		if r := w.Put(t.Context(), again); r[0].Err == nil {
			return
		}
		if err = w.Claim(t.Context(), registry.Fence{Owner: "prod", Sources: []catalog.Identity{"x:1"}}, false); err == nil {
			return
		}
	}
	t.Errorf("after three tries: %v", err)
}

// TestRestoredWhileWatching holds that what a watch finds restored is written to without
// the token from before, which the server would keep waiting.
func TestRestoredWhileWatching(t *testing.T) {
	w, restore := restorable(t)
	seen := watch(t, w)
	seen.Synced(t)
	claimed(t, w)
	age := w.table.age()
	restore()
	seen.Until(t, "restored", func(s *catalog.Snapshot) bool { return w.table.age() > age && s.State(seen.Origin).Connected })
	if err := w.Claim(t.Context(), registry.Fence{Owner: "prod", Sources: []catalog.Identity{"x:1"}}, true); err != nil {
		t.Errorf("the first request: %v", err)
	}
}

// restorable returns a writer for an etcd with users, and what makes that what it was
// before a hundred requests.
func restorable(t *testing.T) (w *etcd, restore func()) {
	ctx := t.Context()
	own := serverstest.Etcd(t)
	z := newZoneOn(t, own.Endpoint())
	grant(t, z, map[string]clientv3.PermissionType{"/": clientv3.PermissionType(clientv3.PermReadWrite)})
	backup := filepath.Join(t.TempDir(), "backup")
	do := func(steps ...func() error) {
		for _, step := range steps {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
	}
	start := func() error { return own.Restart(ctx) }
	do(own.Halt, func() error { return os.CopyFS(backup, os.DirFS(own.Dir())) }, start)
	root := z.rootOf(t, own.Endpoint())
	for range 100 {
		do(func() error { _, err := root.Put(ctx, "/others", "count"); return err })
	}
	c := registrytest.Parse(t, Type(), "etcd x "+own.Endpoint()+" {\nzone "+z.name+"\n}", map[string]string{"ETCDCTL_USER": "bridge:hunter2"})
	opened, err := c.Writer("prod", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = opened.Close() })
	return opened.(*etcd), func() {
		do(own.Halt, func() error { return os.RemoveAll(own.Dir()) }, func() error { return os.CopyFS(own.Dir(), os.DirFS(backup)) }, start)
	}
}

// rootOf returns a client who may do everything.
func (z *zone) rootOf(t *testing.T, endpoint string) *clientv3.Client {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, Username: "root", Password: "root", Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// grant makes a user "bridge" who may read or write below some prefixes, and
// turns access control on.
func grant(t *testing.T, z *zone, may map[string]clientv3.PermissionType) {
	t.Helper()
	ctx := t.Context()
	_, err := z.raw.UserAdd(ctx, "root", "root")
	steps := []error{err}
	_, err = z.raw.UserGrantRole(ctx, "root", "root")
	steps = append(steps, err)
	_, err = z.raw.RoleAdd(ctx, "bridge")
	steps = append(steps, err)
	for prefix, p := range may {
		_, err = z.raw.RoleGrantPermission(ctx, "bridge", prefix, clientv3.GetPrefixRangeEnd(prefix), p)
		steps = append(steps, err)
	}
	_, err = z.raw.UserAdd(ctx, "bridge", "hunter2")
	steps = append(steps, err)
	_, err = z.raw.UserGrantRole(ctx, "bridge", "bridge")
	steps = append(steps, err)
	_, err = z.raw.AuthEnable(ctx)
	for i, err := range append(steps, err) {
		if err != nil {
			t.Fatalf("step %d: %v", i+1, err)
		}
	}
}
