package zookeeper

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-zookeeper/zk"
	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/integration/servers"
	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/registrytest"
)

// TestRightsText has the commands for a stanza, which hold nothing of its auth_file.
func TestRightsText(t *testing.T) {
	prod := registry.Use{Owner: "prod", Reads: true, Mirrors: []registry.Naming{{Namespace: "zookeeper", Name: "{service}-{namespace}"}}}
	file := userFile(t, "bridge:hunter2")
	for _, tt := range []struct {
		name, words string
		use         registry.Use
		want        string
	}{
		{"both", "auth_file " + file, prod, `addauth digest ADMIN:PASSWORD
create /isthmus "" auth::cdrwa
create /isthmus/id ID auth::cdrwa,digest:USER:HASH:r,world:anyone:r
create /isthmus/%2Fservices "" auth::cdrwa,digest:USER:HASH:r,world:anyone:r
create /isthmus/%2Fservices/prod "" auth::cdrwa,digest:USER:HASH:cr,world:anyone:r
create /services "" auth::cdrwa,digest:USER:HASH:cr,world:anyone:r
`},
		{"read", "path \"/x y/z\"\nacl private\nauth_file " + file, registry.Use{Owner: "prod", Reads: true}, `addauth digest ADMIN:PASSWORD
create /isthmus "" auth::cdrwa
create /isthmus/id ID auth::cdrwa,digest:USER:HASH:r
create "/isthmus/%2Fx y%2Fz" "" auth::cdrwa,digest:USER:HASH:r
create "/x y" "" auth::cdrwa
create "/x y/z" "" auth::cdrwa,digest:USER:HASH:r
`},
		{"nobody", "", registry.Use{Owner: "prod", Reads: true}, `addauth digest ADMIN:PASSWORD
create /isthmus "" auth::cdrwa
create /isthmus/id ID auth::cdrwa,world:anyone:r
create /isthmus/%2Fservices "" auth::cdrwa,world:anyone:r
create /services "" auth::cdrwa,world:anyone:r
`},
		{"nobody who may write", "", prod, `addauth digest ADMIN:PASSWORD
create /isthmus "" auth::cdrwa
create /isthmus/id ID auth::cdrwa,world:anyone:r
create /isthmus/%2Fservices "" auth::cdrwa,world:anyone:r
create /services "" auth::cdrwa,world:anyone:r
`},
		{"world", "acl world", prod, `addauth digest ADMIN:PASSWORD
create /isthmus "" auth::cdrwa
create /isthmus/id ID auth::cdrwa,world:anyone:r
create /isthmus/%2Fservices "" auth::cdrwa,world:anyone:r
create /isthmus/%2Fservices/prod "" auth::cdrwa,world:anyone:cr
create /services "" auth::cdrwa,world:anyone:cr
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := registrytest.Parse(t, Type(), "zookeeper x {\n"+tt.words+"\n}", nil).(*config)
			if diff := cmp.Diff(tt.want, c.Rights(tt.use).Text); diff != "" {
				t.Errorf("Text (-want +got):\n%s", diff)
			}
		})
	}
}

// lesser is a bridge that lacks one of the rights that are printed for it.
type lesser struct {
	config *config
	use    registry.Use
	at     grant
	lacks  string // one of at's; "": it has all
}

// lessers are a bridge with all rights and, for each of them, one without, on paths
// of their own.
func lessers(t *testing.T, address string) []lesser {
	t.Helper()
	file := filepath.Join(t.TempDir(), "user")
	rewrite(t, file, "bridge:hunter2\n")
	use := registry.Use{Owner: "prod", Reads: true, Mirrors: []registry.Naming{{Namespace: "zookeeper", Name: "{service}"}}}
	next := func() *config {
		return registrytest.Parse(t, Type(), "zookeeper x "+address+" {\npath "+newPath()+"/x\nacl private\nauth_file "+file+"\n}", nil).(*config)
	}
	all := []lesser{{config: next(), use: use}}
	for i, g := range all[0].config.grants(use) {
		for _, lacks := range strings.Split(g.perms, "") {
			c := next()
			all = append(all, lesser{c, use, c.grants(use)[i], lacks})
		}
	}
	return all
}

// TestRightsPrinted holds that with what is printed, typed at ZooKeeper's own client, a bridge
// can do all that it does, and that without any part of it it meets an error.
func TestRightsPrinted(t *testing.T) {
	own := serverstest.ZooKeeper(t)
	admin := administrator(t, own.Address())
	all := lessers(t, own.Address())
	user := zk.DigestACL(zk.PermAll, "bridge", "hunter2")[0].ID
	var lines []string
	for _, l := range all {
		text := strings.NewReplacer("ADMIN:PASSWORD", "admin:secret", "USER:HASH", user, " ID ", " d2f1c0a8 ").Replace(l.config.Rights(l.use).Text)
		lines = append(lines, strings.Split(strings.TrimSpace(text), "\n")...)
	}
	said, err := servers.TypeZooKeeper(t.Context(), own.Address(), lines...)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range all {
		name := "all"
		if l.lacks != "" {
			name = "without " + l.lacks + " on " + l.at.path
		}
		t.Run(name, func(t *testing.T) {
			l.take(t, admin, user)
			id, err := l.works(t)
			switch {
			case l.lacks == "" && (err != nil || !strings.HasSuffix(string(id), ":d2f1c0a8")):
				t.Errorf("with all rights: identity %q, error %v\n%s", id, err, said)
			case l.at.path == idPath:
				if err != nil || id != identityOf(l.config.path, "") {
					t.Errorf("identity = %q, error %v; want one without the id", id, err)
				}
			case l.lacks != "" && !l.names(err):
				t.Errorf("error %v, want that %q is named and not allowed", err, l.at.path)
			}
		})
	}
}

// administrator is the session of a user who alone may write at the root.
func administrator(t *testing.T, address string) *session {
	t.Helper()
	admin := rawSession(t, address)
	if err := admin.conn.AddAuth("digest", []byte("admin:secret")); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.conn.SetACL("/", zk.DigestACL(zk.PermAll, "admin", "secret"), -1); err != nil {
		t.Fatal(err)
	}
	return admin
}

// TestBelowOthers holds that a bridge which may write at one node of the bridges' own
// state and at one of the path's, and nowhere above, makes all that it needs below.
func TestBelowOthers(t *testing.T) {
	own := serverstest.ZooKeeper(t)
	admin := administrator(t, own.Address())
	words := "acl private\nauth_file " + userFile(t, "bridge:hunter2")
	use := registry.Use{Owner: "prod", Reads: true}
	for depth := 1; depth <= 3; depth++ {
		c := registrytest.Parse(t, Type(), fmt.Sprintf("zookeeper x %s {\npath %s/x/y\n%s\n}", own.Address(), newPath(), words), nil).(*config)
		sides := newLayout(c.path, curator, "zookeeper").sides()
		state := []string{stateRoot, sides, sides + "/" + use.Owner}[:depth]
		for _, path := range append([]string{parent(parent(c.path))}, state...) {
			admin.let(t, path, zk.PermRead)
		}
		at := state[depth-1]
		admin.let(t, at, zk.PermRead|zk.PermCreate)
		admin.let(t, parent(c.path), zk.PermRead|zk.PermCreate)
		id, err := lesser{config: c, use: use}.works(t)
		if err != nil || id == identityOf(c.path, "") {
			t.Errorf("a bridge that may write at %q and %q: identity %q, error %v", at, parent(c.path), id, err)
		}
	}
}

// let makes an administrator's node, at which the bridge has perms and no others.
func (s *session) let(t *testing.T, path string, perms int32) {
	t.Helper()
	acl := append(zk.DigestACL(zk.PermAll, "admin", "secret"), zk.DigestACL(perms, "bridge", "hunter2")...)
	err := s.create(t.Context(), path, nil, acl)
	if err == nil {
		_, err = s.conn.SetACL(path, acl, -1)
	}
	if err != nil {
		t.Fatalf("make %q: %v", path, err)
	}
}

// take takes the right that l is to lack, until the end of the test.
func (l lesser) take(t *testing.T, admin *session, user string) {
	t.Helper()
	if l.lacks == "" {
		return
	}
	was, _, err := admin.conn.GetACL(l.at.path)
	if err != nil {
		t.Fatal(err)
	}
	bits := map[string]int32{"c": zk.PermCreate, "d": zk.PermDelete, "r": zk.PermRead, "w": zk.PermWrite}
	var less []zk.ACL
	for _, a := range was {
		if a.ID == user {
			a.Perms &^= bits[l.lacks]
		}
		if a.Perms != 0 {
			less = append(less, a)
		}
	}
	if _, err := admin.conn.SetACL(l.at.path, less, -1); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := admin.conn.SetACL(l.at.path, was, -1); err != nil {
			t.Error(err)
		}
	})
}

// names reports whether an error says which node may not be used.
func (l lesser) names(err error) bool {
	return errors.Is(err, zk.ErrNoAuth) && strings.Contains(err.Error(), l.at.path)
}

// works watches, claims twice, puts, changes and deletes, and returns what it met
// first, and the identity that it saw.
func (l lesser) works(t *testing.T) (catalog.Identity, error) {
	t.Helper()
	opened, err := l.config.Writer(l.use.Owner, discard())
	if err != nil {
		return "", err
	}
	w := watch(t, opened.(*zookeeper))
	for s := w.Catalog.Snapshot(); !s.Synced(w.Origin); s = w.Catalog.Snapshot() {
		select {
		case <-s.Changed():
		case err := <-w.Errs:
			return "", err
		}
	}
	state := w.Catalog.Snapshot().State(w.Origin)
	if state.Partial != nil {
		return state.Identity, state.Partial
	}
	for range 2 {
		if err := w.Claim(t.Context(), registry.Fence{Owner: l.use.Owner, Sources: []catalog.Identity{source}}, true); err != nil {
			return state.Identity, err
		}
	}
	m := mirrorOf(l.use.Owner, "web", 2)
	for n := range 2 {
		m.Endpoints = mirrorOf(l.use.Owner, "web", 2+n).Endpoints
		r := w.Put(t.Context(), []*catalog.Service{m})[0]
		if r.Err != nil {
			return state.Identity, fmt.Errorf("put: %w", r.Err)
		}
		m.Version = r.Version
	}
	if r := w.Delete(t.Context(), []*catalog.Service{m})[0]; r.Err != nil {
		return state.Identity, fmt.Errorf("delete: %w", r.Err)
	}
	return state.Identity, nil
}
