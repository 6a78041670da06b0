package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/integration/servers"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/registrytest"
	"github.com/isthmus-dns/isthmus/registry/registrytest/proxy"
)

var (
	server *servers.ZooKeeper // shared; each test has a path of its own
	paths  atomic.Int64
)

func TestMain(m *testing.M) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	var err error
	server, err = servers.StartZooKeeper(ctx, servers.ZooKeeperOptions{
		Options:        servers.Options{Log: func(line string) { fmt.Fprintln(os.Stderr, line) }},
		ContainerCheck: time.Hour, // so that it takes no folder that a test is about to take
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "start zookeeper:", err)
		os.Exit(1)
	}
	code := m.Run()
	if err := server.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stop zookeeper:", err)
		code = 1
	}
	os.Exit(code)
}

// tree is a path of its own on a server, reached through a link.
type tree struct {
	path  string
	words string   // of the stanza's block
	raw   *session // past the link
	link  *proxy.Proxy
}

// newTree returns a tree on the shared server, where everybody may keep state.
func newTree(t testing.TB) *tree {
	t.Helper()
	r := newTreeOn(t, server.Address())
	_, err := r.raw.conn.Create(stateRoot, nil, zk.FlagPersistent, zk.WorldACL(zk.PermAll))
	if err != nil && !errors.Is(err, zk.ErrNodeExists) {
		t.Fatal(err)
	}
	return r
}

func newTreeOn(t testing.TB, address string) *tree {
	t.Helper()
	link, err := proxy.New(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = link.Close() })
	path := newPath()
	return &tree{path: path, words: "path " + path, raw: rawSession(t, address), link: link}
}

// newPath returns a path that no other test has.
func newPath() string { return fmt.Sprintf("/p%d", paths.Add(1)) }

// rawSession is one that lasts until the end of the test.
func rawSession(t testing.TB, address string) *session {
	t.Helper()
	c := registrytest.Parse(t, Type(), "zookeeper raw "+address, nil).(*config)
	s, err := c.dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

func (r *tree) config(t registrytest.T) registry.Config {
	t.Helper()
	return registrytest.Parse(t, Type(), "zookeeper x "+r.link.Addr()+" {\n"+r.words+"\n}", nil)
}

func (r *tree) reader(t registrytest.T) *zookeeper {
	t.Helper()
	z, err := r.config(t).Reader(discard())
	if err != nil {
		t.Fatalf("%v", err)
	}
	return z.(*zookeeper)
}

func discard() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// put writes lines of "path data" below the tree's path, with all nodes above.
func (r *tree) put(t registrytest.T, lines string) {
	t.Helper()
	for line := range strings.Lines(lines) {
		path, data, _ := strings.Cut(strings.TrimSpace(line), " ")
		r.write(t, strings.TrimSuffix(r.path+"/"+path, "/"), data)
	}
}

// write puts one node, with all nodes above.
func (r *tree) write(t registrytest.T, path, data string) {
	t.Helper()
	r.parents(t, parent(path))
	_, err := r.raw.conn.Create(path, []byte(data), zk.FlagPersistent, zk.WorldACL(zk.PermAll))
	if errors.Is(err, zk.ErrNodeExists) {
		_, err = r.raw.conn.Set(path, []byte(data), -1)
	}
	if err != nil {
		t.Fatalf("write %q: %v", path, err)
	}
}

// parents makes a node and all above, containers as Curator's are.
func (r *tree) parents(t registrytest.T, path string) {
	t.Helper()
	if path == "" {
		return
	}
	r.parents(t, parent(path))
	_, err := r.raw.conn.CreateContainer(path, nil, zk.FlagContainer, zk.WorldACL(zk.PermAll))
	if err != nil && !errors.Is(err, zk.ErrNodeExists) {
		t.Fatalf("create %q: %v", path, err)
	}
}

// remove deletes nodes below the tree's path, and all below them.
func (r *tree) remove(t registrytest.T, paths ...string) {
	t.Helper()
	for _, path := range paths {
		r.removeAll(t, strings.TrimSuffix(r.path+"/"+path, "/"))
	}
}

func (r *tree) removeAll(t registrytest.T, path string) {
	t.Helper()
	names, _, err := r.raw.conn.Children(path)
	if err != nil {
		t.Fatalf("list %q: %v", path, err)
	}
	var ops []any
	for _, name := range names {
		ops = append(ops, &zk.DeleteRequest{Path: path + "/" + name, Version: -1})
	}
	if !r.many(ops) {
		for _, name := range names {
			r.removeAll(t, path+"/"+name)
		}
	}
	if err := r.raw.conn.Delete(path, -1); err != nil {
		t.Fatalf("delete %q: %v", path, err)
	}
}

// many does operations of which none depends on another, and reports whether all
// were done. What a server does at once is either done or not.
func (r *tree) many(ops []any) bool {
	for len(ops) > 0 {
		n := min(len(ops), 1000)
		if _, err := r.raw.conn.Multi(ops[:n]...); err != nil {
			return false
		}
		ops = ops[n:]
	}
	return true
}

// watched is a registry with a Watch that is called again whenever it returns.
type watched struct {
	*zookeeper
	*registrytest.Followed
}

func watch(t testing.TB, z *zookeeper) *watched {
	return &watched{z, registrytest.Follow(t, z, z.config.Origin())}
}

// has waits until a service in the stanza's namespace has these hosts, or "none".
func (w *watched) has(t testing.TB, name, hosts string) *catalog.Snapshot {
	t.Helper()
	return w.Until(t, name+" has "+hosts, func(s *catalog.Snapshot) bool { return w.hosts(s, name) == hosts })
}

// hosts are those of a service in the stanza's namespace.
func (w *watched) hosts(s *catalog.Snapshot, name string) string {
	return w.Hosts(s, catalog.Key{Namespace: "zookeeper", Name: name})
}

// refusal returns why a node below the tree's path is refused.
func (w *watched) refusal(s *catalog.Snapshot, path string) error {
	for record, err := range s.Refused(w.Origin) {
		if record == w.layout.path+"/"+path {
			return err
		}
	}
	return nil
}
