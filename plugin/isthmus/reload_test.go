package isthmus

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

// counts are what was done with fake registries, which are all unreachable
// while they are down.
type counts struct {
	opened, watched, closed atomic.Int32
	down, other             atomic.Bool // other: they are other registries than before
	consul                  atomic.Bool // a consul can be reached, too
}

func (c *counts) identity() catalog.Identity {
	if c.other.Load() {
		return ":other"
	}
	return ":1"
}

// counted is a fake that counts; feeds hands the feeds of its watches out.
type counted struct {
	fakeConfig
	on    *counts
	feeds chan *catalog.Feed
}

func (c counted) Reader(*slog.Logger) (registry.Registry, error) {
	c.on.opened.Add(1)
	return countedRegistry{c}, nil
}

type countedRegistry struct{ counted }

func (r countedRegistry) Watch(ctx context.Context, feed *catalog.Feed) error {
	r.on.watched.Add(1)
	if r.on.down.Load() || r.origin.Type() == "consul" && !r.on.consul.Load() {
		return errors.New("connection refused")
	}
	feed.Identify(catalog.Identity(r.origin) + r.on.identity())
	if slices.ContainsFunc(r.stanza.Block, func(s stanza.Stanza) bool { return s.Name() == "directory" }) {
		lists(feed)
	}
	r.report(nil, feed)
	r.feeds <- feed
	<-ctx.Done()
	return ctx.Err()
}

// countedImporter is a cluster that imports, too.
type countedImporter struct{ counted }

func (c countedImporter) Imports(*slog.Logger) (registry.Registry, error) {
	return countedImports{countedRegistry(c)}, nil
}

type countedImports struct{ countedRegistry }

func (r countedImports) Watch(ctx context.Context, feed *catalog.Feed) error {
	if r.on.down.Load() {
		return errors.New("connection refused")
	}
	feed.Identify(catalog.Identity(r.origin) + r.on.identity())
	reportExported(feed)
	r.feeds <- feed
	<-ctx.Done()
	return ctx.Err()
}

func (r countedRegistry) Close() error {
	r.on.closed.Add(1)
	return nil
}

// countedBlock is block with registries that count.
func countedBlock(t *testing.T, on *counts, feeds chan *catalog.Feed, inside string) *config {
	t.Helper()
	return countedZones(t, on, feeds, "cluster.local in-addr.arpa", inside)
}

func countedZones(t *testing.T, on *counts, feeds chan *catalog.Feed, zones, inside string) *config {
	t.Helper()
	var types []registry.Type
	for _, typ := range fakeTypes() {
		parse := typ.Parse
		typ.Parse = func(s stanza.Stanza, env func(string) string) (registry.Config, error) {
			conf, err := parse(s, env)
			if err != nil {
				return nil, err
			}
			c := counted{conf.(fakeConfig), on, feeds}
			if conf.Origin().Type() == "kubernetes" {
				return countedImporter{c}, nil
			}
			return c, nil
		}
		types = append(types, typ)
	}
	all, err := stanza.Parse("Corefile", []byte("isthmus "+zones+" {\n"+inside+"\n}\n"))
	if err != nil {
		t.Fatal(err)
	}
	conf, err := parse(all[0], nil, types, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	return conf
}

// started starts a process beside others.
func started(t *testing.T, conf *config, others ...*process) *process {
	t.Helper()
	p := newProcess(conf, slog.New(slog.DiscardHandler))
	p.kin = func() []*process { return others }
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	return p
}

func ended(t *testing.T, p *process) {
	t.Helper()
	for range 2 { // as often as one likes
		if err := p.stop(); err != nil {
			t.Error(err)
		}
	}
}

// TestHandOver has a block replaced by another with the same registries, with
// one more and one less: what is the same is neither opened nor watched again,
// and what is known is answered at once.
func TestHandOver(t *testing.T) {
	for _, tt := range []struct {
		name, old, new          string
		opened, watched, closed int32 // once both run, or once the old one ended
	}{
		{"the same", "kubernetes\nmanifests", "kubernetes\nmanifests\nttl 60", 2, 2, 0},
		{"another policy", "kubernetes\nmanifests", "manifests\nkubernetes\nmerge union\ntrust prod", 2, 2, 0},
		{"one more", "kubernetes", "kubernetes\nmanifests", 2, 2, 0},
		{"one less", "kubernetes\nmanifests", "kubernetes", 2, 2, 1},
		{"other words", "kubernetes\nmanifests", "kubernetes {\nqps 5\n}\nmanifests", 3, 3, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				on, feeds := new(counts), make(chan *catalog.Feed, 10)
				old := started(t, countedBlock(t, on, feeds, tt.old))
				began, serial := time.Now(), old.views.newest.Load().serial.number
				next := started(t, countedBlock(t, on, feeds, tt.new), old)
				if took := time.Since(began); took != 0 {
					t.Errorf("the start took %v", took)
				}
				if got := next.views.newest.Load().serial.number; got < serial {
					t.Errorf("the serial went from %d to %d", serial, got)
				}
				ended(t, old)
				synctest.Wait()
				if o, w, c := on.opened.Load(), on.watched.Load(), on.closed.Load(); o != tt.opened || w != tt.watched || c != tt.closed {
					t.Errorf("opened %d, watched %d, closed %d; want %d, %d, %d", o, w, c, tt.opened, tt.watched, tt.closed)
				}
				stands := old.catalog.Snapshot()
				followsStill(t, next, feeds)
				if old.catalog.Snapshot() != stands && tt.opened == 2 { // with its own watch it has its own feed
					t.Error("a block that ended is told of changes")
				}
				ended(t, next)
				if c := on.closed.Load(); c != tt.opened {
					t.Errorf("%d registries are open still", tt.opened-c)
				}
			})
		})
	}
}

// followsStill holds that what any watch reports now is answered by p, and that
// its serial moves.
func followsStill(t *testing.T, p *process, feeds chan *catalog.Feed) {
	t.Helper()
	h := &Isthmus{conf: p.conf, views: p.views, up: fakeUpstream{}}
	if m, _ := ask(t, h, "web.shop.svc.cluster.local.", dns.TypeA); len(m.Answer) != 1 {
		t.Errorf("what was known is not answered: %v", m)
	}
	for range len(feeds) {
		if feed := <-feeds; feed.Origin() == "kubernetes/cluster" {
			feed.Update(services(t, "service shop/late ClusterIP\n\taddr 10.0.0.99\n"), nil)
		}
	}
	serial := p.views.newest.Load().serial.number
	time.Sleep(time.Second)
	synctest.Wait()
	if m, _ := ask(t, h, "late.shop.svc.cluster.local.", dns.TypeA); len(m.Answer) != 1 {
		t.Errorf("what came after the old block is not answered: %v", m)
	}
	if got := p.views.newest.Load().serial.number; got <= serial {
		t.Errorf("the serial did not move: %d, then %d", serial, got)
	}
}

// TestHandOverUnsynced holds that a registry which was never read is not taken
// for one that was.
func TestHandOverUnsynced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on, feeds := new(counts), make(chan *catalog.Feed, 10)
		old := started(t, countedBlock(t, on, feeds, "consul\nstartup_timeout 0s"))
		next := started(t, countedBlock(t, on, feeds, "consul\nstartup_timeout 0s\nttl 60"), old)
		ended(t, old)
		h := &Isthmus{conf: next.conf, views: next.views}
		if m, _ := ask(t, h, "web.consul.svc.cluster.local.", dns.TypeA); m.Rcode != dns.RcodeServerFailure || h.Ready() {
			t.Errorf("ready %v, answer %v", h.Ready(), m)
		}
		ended(t, next)
		if on.opened.Load() != 1 || on.closed.Load() != 1 {
			t.Errorf("opened %d times, closed %d times", on.opened.Load(), on.closed.Load())
		}
	})
}

// TestSerialAfterReload holds that the serial goes on where the clock stood or
// went back.
func TestSerialAfterReload(t *testing.T) {
	conf := block(t, "kubernetes")
	old := newProcess(conf, slog.New(slog.DiscardHandler))
	v := *old.views.newest.Load()
	v.setSerial(serial{number: uint32(start.Unix()) + 100, stepped: start.Unix()})
	old.views.newest.Store(&v)
	p := newProcess(conf, slog.New(slog.DiscardHandler))
	p.kin = func() []*process { return []*process{old} }
	for _, tt := range []struct {
		later time.Duration
		want  uint32
	}{
		{0, 100}, // and it owes a step
		{time.Second, 101},
		{200 * time.Second, 200},
	} {
		if got := p.firstView(0, start.Add(tt.later)).serial.number - uint32(start.Unix()); got != tt.want {
			t.Errorf("%v later the serial is %d, want %d", tt.later, got, tt.want)
		}
	}
	if s := p.firstView(0, start).serial; !s.owed {
		t.Error("the serial does not move after a reload within its second")
	}
	if got := p.firstView(uint32(start.Unix())+500, start).serial.number - uint32(start.Unix()); got != 501 {
		t.Errorf("after a run that came to 500 the serial is %d, want 501", got)
	}
}

// TestFingerprint holds that what is named by the words counts, too.
func TestFingerprint(t *testing.T) {
	file := filepath.Join(t.TempDir(), "kubeconfig")
	seen := map[fingerprint]string{}
	for i, inside := range []string{
		"kubernetes {\nkubeconfig " + file + "\n}",
		"kubernetes {\nkubeconfig " + file + "\n}", // with the file
		"kubernetes {\nkubeconfig " + file + "\n}", // with another file
		"kubernetes {\nkubeconfig " + file + " admin\n}",
		"kubernetes {\n\"kubeconfig " + file + " admin\"\n}",
		"kubernetes {\nkubeconfig " + file + "\nlabels admin\n}",
		"kubernetes {\nkubeconfig " + file + "\n}\npods verified",
		"kubernetes prod {\nkubeconfig " + file + "\n}",
	} {
		if i > 0 && i < 3 {
			if err := os.WriteFile(file, []byte(strconv.Itoa(i)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		conf := block(t, inside)
		got := conf.wordsAndFiles(conf.registries[0].Origin())
		if was, known := seen[got]; known {
			t.Errorf("%d has the fingerprint of %s", i, was)
		}
		seen[got] = inside
		again := block(t, "ttl 60\n"+inside)
		if again.wordsAndFiles(conf.registries[0].Origin()) != got {
			t.Errorf("%d has another fingerprint with another ttl", i)
		}
	}
}

// TestReload replaces a real server whose folder of manifests is away, so that
// nobody could read it again, and fails to replace it.
func TestReload(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "manifests")
	away := folder + ".away"
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	writeManifest(t, folder, manifest)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	corefile := func(port, ttl string) string {
		return "cluster.local:" + port + " {\n bind 127.0.0.1\n isthmus {\n manifests files " + folder + "\n ttl " + ttl + "\n startup_timeout 100ms\n }\n prometheus 127.0.0.1:0\n}\n" +
			"second.local:0 {\n bind 127.0.0.1\n isthmus {\n manifests files " + folder + "\n}\n}\n"
	}
	server, addr := serve(t, corefile("0", "30"))
	defer func() { stopServer(t, server) }()
	const web = "web.shop.svc.cluster.local."
	if got := dig(t, addr, web, dns.TypeA); !strings.Contains(got, " 30 IN A 10.0.0.80") {
		t.Fatal(got)
	}
	one := runtime.NumGoroutine()
	if err := os.Rename(folder, away); err != nil {
		t.Fatal(err)
	}

	_, port, _ := net.SplitHostPort(taken.Addr().String())
	if _, err := restart(t, server, input(corefile(port, "45"))); err == nil {
		t.Fatal("a server started on a port that is taken")
	}
	waitForGoroutines(t, one)
	if got := dig(t, addr, web, dns.TypeA); !strings.Contains(got, " 30 IN A 10.0.0.80") {
		t.Errorf("after a reload that failed: %s", got)
	}
	serial := serialOf(t, addr)
	for _, ttl := range []string{"60", "90"} {
		if server, err = restart(t, server, input(corefile("0", ttl))); err != nil {
			t.Fatal(err)
		}
		addr = server.Servers()[0].LocalAddr().String()
		if got := dig(t, addr, web, dns.TypeA); !strings.Contains(got, " "+ttl+" IN A 10.0.0.80") {
			t.Errorf("after a reload: %s", got)
		}
		if got := serialOf(t, addr); got < serial {
			t.Errorf("the serial went from %d to %d", serial, got)
		}
	}
	waitForGoroutines(t, one)

	// It is watched still.
	if err := os.Rename(away, folder); err != nil {
		t.Fatal(err)
	}
	writeManifest(t, folder, strings.ReplaceAll(manifest, "10.0.0.80", "10.0.0.81"))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for !strings.Contains(dig(t, addr, web, dns.TypeA), "10.0.0.81") {
		if !wait(ctx, nil, 10*time.Millisecond) {
			t.Fatal("a changed manifest is not answered after reloads")
		}
	}
	if n := len(processes()); n != 2 {
		t.Errorf("%d blocks run, want 2", n)
	}
}

func serialOf(t *testing.T, server string) uint32 {
	t.Helper()
	words := strings.Fields(dig(t, server, "cluster.local.", dns.TypeSOA))
	n, err := strconv.ParseUint(words[7], 10, 32)
	if err != nil {
		t.Fatalf("%v in %v", err, words)
	}
	return uint32(n)
}
