package etcd

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/integration/servers"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/registrytest/proxy"
	"github.com/isthmus-dns/isthmus/registry/stanza"
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

// tester is what the helpers need of a test; registrytest.T is one, too.
type tester interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(func())
	Context() context.Context
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

func (z *zone) config(t tester) registry.Config {
	t.Helper()
	return parseConfig(t, "etcd x http://"+z.link.Addr()+" {\n"+z.words+"\n}", nil)
}

func parseConfig(t tester, text string, env map[string]string) registry.Config {
	t.Helper()
	c, err := tryConfig(text, env)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return c
}

func tryConfig(text string, env map[string]string) (registry.Config, error) {
	all, err := stanza.Parse("conf", []byte(text))
	if err != nil {
		return nil, err
	}
	return Type().Parse(all[0], func(name string) string { return env[name] })
}

func (z *zone) reader(t tester) *etcd {
	t.Helper()
	r, err := z.config(t).Reader(slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatalf("%v", err)
	}
	return r.(*etcd)
}

func (z *zone) writer(t tester, owner string) *etcd {
	t.Helper()
	w, err := z.config(t).Writer(owner, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatalf("%v", err)
	}
	return w.(*etcd)
}

// put writes lines of "key value" below the zone, past everything.
func (z *zone) put(t tester, lines string) {
	t.Helper()
	for line := range strings.Lines(lines) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if _, err := z.raw.Put(t.Context(), z.layout.base+key, value); err != nil {
			t.Fatalf("put %q: %v", key, err)
		}
	}
}

// all returns every key of the zone and of its fences, with its revision.
func (z *zone) all(t tester) []item {
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
	catalog *catalog.Catalog
	origin  catalog.Origin
	errs    chan error // of each Watch that returned, as far as there is room
}

func watch(t testing.TB, e *etcd) *watched {
	w := &watched{etcd: e, catalog: catalog.New(catalog.Policy{}), origin: e.config.Origin(), errs: make(chan error, 100)}
	feed := w.catalog.Feed(w.origin)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			err := e.Watch(ctx, feed)
			feed.Connected(err)
			select {
			case w.errs <- err:
			default:
			}
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
		if err := e.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return w
}

// until waits until ok holds of a snapshot.
func (w *watched) until(t testing.TB, what string, ok func(*catalog.Snapshot) bool) *catalog.Snapshot {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		s := w.catalog.Snapshot()
		if ok(s) {
			return s
		}
		select {
		case <-s.Changed():
		case <-deadline:
			t.Fatalf("%s: not within 20 s; state %+v\n%s", what, s.State(w.origin), w.text(s))
		}
	}
}

func (w *watched) synced(t testing.TB) *catalog.Snapshot {
	t.Helper()
	return w.until(t, "first report", func(s *catalog.Snapshot) bool { return s.Synced(w.origin) })
}

func (w *watched) text(s *catalog.Snapshot) string {
	var all []*catalog.Service
	for svc := range s.From(w.origin) {
		c := *svc
		c.Version = ""
		all = append(all, &c)
	}
	var b strings.Builder
	_ = catalog.WriteText(&b, all)
	return b.String()
}

func (w *watched) hosts(s *catalog.Snapshot, key string) string {
	k, _ := catalog.ParseKey(key)
	svc := s.Get(w.origin, catalog.Ref{Key: k})
	if svc == nil {
		return "none"
	}
	var all []string
	for _, e := range svc.Endpoints {
		all = append(all, e.Host.String())
	}
	return strings.Join(all, " ")
}
