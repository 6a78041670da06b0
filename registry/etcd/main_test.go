package etcd

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/integration/servers"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/registrytest"
	"github.com/isthmus-dns/isthmus/registry/registrytest/proxy"
)

var (
	server *servers.Etcd // shared; each test has a zone of its own
	zones  atomic.Int64
)

func TestMain(m *testing.M) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	var err error
	server, err = servers.StartEtcd(ctx, servers.Options{Log: func(line string) { fmt.Fprintln(os.Stderr, line) }})
	if err != nil {
		fmt.Fprintln(os.Stderr, "start etcd:", err)
		os.Exit(1)
	}
	code := m.Run()
	if err := server.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stop etcd:", err)
		code = 1
	}
	os.Exit(code)
}

// zone is a zone of its own on the shared server, reached through a link.
type zone struct {
	layout layout
	name   string
	words  string           // of the stanza's block
	raw    *clientv3.Client // past the link
	link   *proxy.Proxy
}

func newZone(t testing.TB) *zone { return newZoneOn(t, server.Endpoint()) }

func newZoneOn(t testing.TB, endpoint string) *zone {
	t.Helper()
	u, err := url.Parse(endpoint)
	if err != nil {
		t.Fatalf("%v", err)
	}
	link, err := proxy.New(u.Host)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { _ = link.Close() })
	raw, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { _ = raw.Close() })
	name := fmt.Sprintf("z%d.test", zones.Add(1))
	return &zone{layout: newLayout("skydns", name, "etcd"), name: name, words: "zone " + name, raw: raw, link: link}
}

// newReverseZone is a zone with a path of its own, which also has the addresses.
func newReverseZone(t testing.TB) *zone {
	t.Helper()
	z := newZone(t)
	path := "p-" + z.name
	z.layout = newLayout(path, z.name, "etcd").reversed(path, true)
	z.words += "\npath " + path + "\nreverse"
	return z
}

func (z *zone) config(t registrytest.T) registry.Config {
	t.Helper()
	return registrytest.Parse(t, Type(), "etcd x http://"+z.link.Addr()+" {\n"+z.words+"\n}", nil)
}

func (z *zone) reader(t registrytest.T) *etcd {
	t.Helper()
	r, err := z.config(t).Reader(slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatalf("%v", err)
	}
	return r.(*etcd)
}

func (z *zone) writer(t registrytest.T, owner string) *etcd {
	t.Helper()
	w, err := z.config(t).Writer(owner, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatalf("%v", err)
	}
	return w.(*etcd)
}

// put writes lines of "key value" below the zone, past everything.
func (z *zone) put(t registrytest.T, lines string) {
	t.Helper()
	for line := range strings.Lines(lines) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if _, err := z.raw.Put(t.Context(), z.layout.base+key, value); err != nil {
			t.Fatalf("put %q: %v", key, err)
		}
	}
}

// all returns every key of the zone and of its fences, with its revision.
func (z *zone) all(t registrytest.T) []item {
	t.Helper()
	var all []item
	watched := z.layout.watched()
	for _, prefix := range []string{watched, "/" + stateRoot + "/"} {
		items, _, err := list(t.Context(), z.raw, prefix)
		if err != nil {
			t.Fatalf("list %q: %v", prefix, err)
		}
		for _, it := range items {
			if prefix == watched || strings.HasSuffix(it.key, strings.TrimSuffix(z.layout.base, "/")) {
				all = append(all, it)
			}
		}
	}
	return all
}

// watched is a registry with a Watch that is called again whenever it returns.
type watched struct {
	*etcd
	*registrytest.Followed
}

func watch(t testing.TB, e *etcd) *watched {
	return &watched{e, registrytest.Follow(t, e, e.config.Origin())}
}

func (w *watched) hosts(s *catalog.Snapshot, key string) string {
	k, _ := catalog.ParseKey(key)
	return w.Hosts(s, k)
}
