package etcd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/registrytest"
)

// TestRights holds that a role with what is printed can do all that a bridge does,
// and that one without any part of it meets an error.
func TestRights(t *testing.T) {
	own := serverstest.Etcd(t)
	z := newZoneOn(t, own.Endpoint())
	grant(t, z, nil)
	root := z.rootOf(t, own.Endpoint())
	use := registry.Use{Owner: "prod", Reads: true, Mirrors: []registry.Naming{{Namespace: "shop", Name: "k8s-{service}"}}, Elects: true, Place: "/isthmus/lead/prod"}
	file := filepath.Join(t.TempDir(), "user")
	all := z.config(t).(*config).permissions(use)
	for i := -1; i < len(all); i++ {
		some, name := all, "all"
		if i >= 0 {
			some, name = append(append([]permission{}, all[:i]...), all[i+1:]...), "without "+all[i].key
			if all[i].kind == "readwrite" && all[i].prefix && strings.HasPrefix(all[i].key, z.layout.base) {
				name += " to write"
			}
		}
		t.Run(name, func(t *testing.T) {
			who := fmt.Sprintf("user-%d", i+1)
			role(t, root, who, some)
			if err := os.WriteFile(file, []byte(who+":secret\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			c := registrytest.Parse(t, Type(), "etcd x http://"+z.link.Addr()+" {\nzone "+z.name+"\nuser_file "+file+"\n}", nil).(*config)
			err := works(t, c, use)
			denied := err != nil && strings.Contains(err.Error(), "permission denied")
			if i < 0 && err != nil || i >= 0 && !denied {
				t.Errorf("error %v", err)
			}
		})
	}
}

// role makes a user with permissions.
func role(t *testing.T, root *clientv3.Client, who string, all []permission) {
	t.Helper()
	_, err := root.RoleAdd(t.Context(), who)
	for _, p := range all {
		kind, end := clientv3.PermRead, ""
		if p.kind == "readwrite" {
			kind = clientv3.PermReadWrite
		}
		if p.prefix {
			end = clientv3.GetPrefixRangeEnd(p.key)
		}
		if err == nil {
			_, err = root.RoleGrantPermission(t.Context(), who, p.key, end, clientv3.PermissionType(kind))
		}
	}
	if err == nil {
		_, err = root.UserAdd(t.Context(), who, "secret")
	}
	if err == nil {
		_, err = root.UserGrantRole(t.Context(), who, who)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// works reads, claims, writes, deletes and elects, and returns what it met.
func works(t *testing.T, c *config, use registry.Use) error {
	t.Helper()
	var said bytes.Buffer
	opened, err := c.Writer("prod", slog.New(slog.NewTextHandler(&said, nil)))
	if err != nil {
		return err
	}
	defer opened.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cat := catalog.New(catalog.Policy{})
	watched := make(chan error, 1)
	go func() { watched <- opened.Watch(ctx, cat.Feed("etcd/x")) }()
	for s := cat.Snapshot(); !s.Synced("etcd/x"); s = cat.Snapshot() {
		select {
		case <-s.Changed():
		case err := <-watched:
			return err
		}
	}
	defer func() { cancel(); <-watched }()
	if strings.Contains(said.String(), "permission denied") { // Watch says it before it is synced
		return errors.New(said.String())
	}
	if err := opened.Claim(ctx, registry.Fence{Owner: "prod", Sources: []catalog.Identity{"x:1"}}, true); err != nil {
		return err
	}
	m := mirror("prod", "k8s-web", 2)
	r := opened.Put(ctx, []*catalog.Service{m})[0]
	if r.Err != nil {
		return r.Err
	}
	m.Version = r.Version
	if r := opened.Delete(ctx, []*catalog.Service{m})[0]; r.Err != nil {
		return r.Err
	}
	e, err := c.Election("prod", use.Place, registry.DefaultLeaseTimes(), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	elected, stop := context.WithCancel(ctx)
	led := false
	err = e.Elect(elected, registry.Candidate{Name: "a", Seen: func(string) {}, Lead: func(context.Context, func() bool) { led = true; stop() }})
	stop()
	if led {
		return nil
	}
	return err
}
