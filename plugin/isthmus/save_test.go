package isthmus

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coredns/caddy"
	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/isthmus-dns/isthmus/catalog"
)

// restartQuestions are of every kind that a cluster's DNS is asked, and of names that
// are absent, for good or as far as is known.
var restartQuestions = []ask_{
	{"web.shop.svc.cluster.local.", "A", ""},
	{"db.shop.svc.cluster.local.", "SRV", ""},
	{"db-0.db.shop.svc.cluster.local.", "AAAA", ""},
	{"inner.shop.svc.cluster.local.", "A", ""},
	{"empty.svc.cluster.local.", "A", ""},
	{"80.0.0.10.in-addr.arpa.", "PTR", ""},
	{"10-240-0-1.shop.pod.cluster.local.", "A", ""},
	{"1-2-3-4.shop.pod.cluster.local.", "A", ""},
	{"nothing.shop.svc.cluster.local.", "A", ""},
	{"www.example.org.shop.svc.cluster.local.", "A", ""},
	{"9.9.9.10.in-addr.arpa.", "PTR", ""},
	{"web.consul.svc.cluster.local.", "A", ""},
}

// moreQuestions are asked besides where multicluster names and those of a Consul are
// served.
var moreQuestions = []ask_{
	{"web.shop.svc.clusterset.local.", "A", ""},
	{"db.shop.svc.clusterset.local.", "AAAA", ""},
	{"_sql._tcp.db.shop.svc.clusterset.local.", "SRV", ""},
	{"db-0.c2.db.shop.svc.clusterset.local.", "A", ""},
	{"empty.svc.clusterset.local.", "A", ""},
	{"nothing.shop.svc.clusterset.local.", "A", ""},
	{"web.service.consul.", "SRV", ""},
	{"v1.web.service.dc1.consul.", "A", ""},
	{"n1.node.consul.", "A", ""},
	{"n1.node.consul.", "TXT", ""},
	{"n3.node.dc1.consul.", "A", ""},
	{"n9.node.consul.", "A", ""},
	{"nothing.service.consul.", "A", ""},
	{"dc1.consul.", "A", ""},
	{"1.1.0.10.in-addr.arpa.", "PTR", ""},
	{"api.consul.svc.cluster.local.", "A", ""},
}

// answersOf asks p every question; the SOA record, whose serial moves, is left out.
func answersOf(t *testing.T, p *process) string {
	t.Helper()
	var b strings.Builder
	h := &Isthmus{conf: p.conf, views: p.views, up: fakeUpstream{}, Next: next{}}
	all := restartQuestions
	if p.imports != nil {
		h.imports = p.imports.views
		all = slices.Concat(all, moreQuestions)
	}
	for _, q := range all {
		m, _ := ask(t, h, q.name, dns.StringToType[q.types])
		for line := range strings.Lines(said(m)) {
			if !strings.Contains(line, " SOA ") {
				fmt.Fprintf(&b, "%s %s: %s", q.name, q.types, line)
			}
		}
	}
	return b.String()
}

type savedWorld struct {
	on    *counts
	feeds chan *catalog.Feed
	file  string
	log   bytes.Buffer
}

func newSavedWorld(folder string) *savedWorld {
	return &savedWorld{on: new(counts), feeds: make(chan *catalog.Feed, 100), file: filepath.Join(folder, "catalog.snap")}
}

// run starts a process with a file, a cluster, of which the stanza may say more,
// and a consul that is never there.
func (w *savedWorld) run(t *testing.T, more string) *process {
	t.Helper()
	return w.runWith(t, countedBlock(t, w.on, w.feeds, "kubernetes "+more+"\n"+w.rest()))
}

func (w *savedWorld) rest() string {
	return "consul\npods verified\nsnapshot " + w.file + " 1h\nstartup_timeout 1s"
}

// runMore starts a process that serves, besides, what the cluster imports and the
// names of the consul.
func (w *savedWorld) runMore(t *testing.T, more string) *process {
	t.Helper()
	zones, inside := "cluster.local clusterset.local in-addr.arpa", "\nmulticluster clusterset.local\ndomain consul\n"
	return w.runWith(t, countedZones(t, w.on, w.feeds, zones, "kubernetes "+more+inside+w.rest()))
}

func (w *savedWorld) runWith(t *testing.T, conf *config) *process {
	t.Helper()
	w.log.Reset()
	p := newProcess(conf, slog.New(slog.NewTextHandler(&w.log, nil)))
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// end ends a process and the server with it.
func (w *savedWorld) end(t *testing.T, p *process) {
	t.Helper()
	if err := errors.Join(p.stop(), p.finish()); err != nil {
		t.Error(err)
	}
}

// TestSnapshotFile restarts a process while nothing can be reached: it is ready,
// answers as before, says that it is stale and hands no zone out; and takes the
// registry's word as soon as there is one.
func TestSnapshotFile(t *testing.T) {
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newSavedWorld(folder)
		p := w.run(t, "")
		want, serial := answersOf(t, p), p.views.newest.Load().serial.number
		w.end(t, p)
		if at, err := os.Stat(w.file); err != nil || at.Mode() != 0o600 {
			t.Fatalf("file: %v, %v", at, err)
		}

		w.on.down.Store(true)
		time.Sleep(10 * time.Minute)
		began := time.Now()
		p = w.run(t, "")
		if took := time.Since(began); took != time.Second {
			t.Errorf("the start waited %v, want the startup_timeout", took)
		}
		if diff := cmp.Diff(want, answersOf(t, p)); diff != "" {
			t.Errorf("answers from the file (-before +now):\n%s", diff)
		}
		h := &Isthmus{conf: p.conf, views: p.views}
		st := p.catalog.Snapshot().State("kubernetes/cluster")
		if !h.Ready() || st.Synced || time.Since(st.Stale).Round(time.Minute) != 10*time.Minute {
			t.Errorf("ready: %v, state: %+v", h.Ready(), st)
		}
		if _, err := h.Transfer("cluster.local.", 0); !errors.Is(err, errNotSynced) {
			t.Errorf("Transfer of what is stale: %v", err)
		}
		for _, line := range []string{`level=INFO msg="snapshot is used until the origin is read" origin=kubernetes/cluster`, `level=WARN msg="starting with what was known before" missing=kubernetes/cluster`} {
			if !strings.Contains(w.log.String(), line) {
				t.Errorf("the log does not say %s:\n%s", line, &w.log)
			}
		}
		if got := p.views.newest.Load().serial.number; got <= serial {
			t.Errorf("the serial went from %d to %d", serial, got)
		}

		// Again, with the file as it is: still the age of the first.
		w.end(t, p)
		time.Sleep(10 * time.Minute)
		p = w.run(t, "")
		if st := p.catalog.Snapshot().State("kubernetes/cluster"); time.Since(st.Stale).Round(time.Minute) != 20*time.Minute {
			t.Errorf("state after a second start: %+v", st)
		}

		w.on.down.Store(false)
		time.Sleep(time.Minute)
		if st := p.catalog.Snapshot().State("kubernetes/cluster"); !st.Synced || !st.Stale.IsZero() {
			t.Errorf("state once the registry is back: %+v", st)
		}
		if diff := cmp.Diff(want, answersOf(t, p)); diff != "" {
			t.Errorf("answers once the registry is back (-before +now):\n%s", diff)
		}
		w.end(t, p)
	})
}

// TestSnapshotOfAnother holds that a registry which turns out to be another one
// is not answered for by the past of the first.
func TestSnapshotOfAnother(t *testing.T) {
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newSavedWorld(folder)
		w.end(t, w.run(t, ""))
		w.on.other.Store(true)
		p := w.run(t, "")
		if st := p.catalog.Snapshot().State("kubernetes/cluster"); !st.Synced || st.Identity != "kubernetes/cluster:other" {
			t.Errorf("state: %+v", st)
		}
		w.end(t, p)
	})
}

// TestSnapshotUnused has the files that are ignored, and what is said of them.
func TestSnapshotUnused(t *testing.T) {
	bend := func(at int) func([]byte) []byte {
		return func(b []byte) []byte {
			if at < 0 {
				at += len(b)
			}
			b[at] ^= 1
			return b
		}
	}
	for _, tt := range []struct {
		name string
		do   func([]byte) []byte
		mode os.FileMode
		wait time.Duration
		more string
		want string
	}{
		{"empty", func([]byte) []byte { return nil }, 0o600, 0, "", "not a snapshot of this format"},
		{"something else", func([]byte) []byte { return []byte(strings.Repeat("x", 1000)) }, 0o600, 0, "", "not a snapshot of this format"},
		{"another version", func(b []byte) []byte { return bytes.Replace(b, []byte("snapshot 3\n"), []byte("snapshot 4\n"), 1) }, 0o600, 0, "", "not a snapshot of this format"},
		{"bent magic", bend(0), 0o600, 0, "", "not a snapshot of this format"},
		{"bent time", bend(20), 0o600, 0, "", "damaged: its checksum is wrong"},
		{"bent body", bend(300), 0o600, 0, "", "damaged: its checksum is wrong"},
		{"bent checksum", bend(-1), 0o600, 0, "", "damaged: its checksum is wrong"},
		{"cut", func(b []byte) []byte { return b[:len(b)/2] }, 0o600, 0, "", "damaged: its checksum is wrong"},
		{"cut to its magic", func(b []byte) []byte { return b[:20] }, 0o600, 0, "", "damaged: its checksum is wrong"},
		{"longer", func(b []byte) []byte { return append(b, 0) }, 0o600, 0, "", "damaged: its checksum is wrong"},
		{"writable by all", func(b []byte) []byte { return b }, 0o602, 0, "", "everybody may write to it"},
		{"too old", func(b []byte) []byte { return b }, 0o600, 61 * time.Minute, "", "snapshot is too old to be used"},
		{"other words", func(b []byte) []byte { return b }, 0o600, 0, "{\nqps 5\n}", "snapshot of another registry is not used"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			folder := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				w := newSavedWorld(folder)
				w.end(t, w.run(t, ""))
				file, err := os.ReadFile(w.file)
				if err != nil {
					t.Fatal(err)
				}
				file = tt.do(file)
				if err := errors.Join(os.WriteFile(w.file, file, 0o600), os.Chmod(w.file, tt.mode)); err != nil {
					t.Fatal(err)
				}
				w.on.down.Store(true)
				time.Sleep(tt.wait)
				p := w.run(t, tt.more)
				if !strings.Contains(w.log.String(), tt.want) {
					t.Errorf("the log does not say %q:\n%s", tt.want, &w.log)
				}
				if h := (&Isthmus{conf: p.conf, views: p.views}); h.Ready() {
					t.Error("ready")
				}
				if got := answersOf(t, p); !strings.HasPrefix(got, "web.shop.svc.cluster.local. A: SERVFAIL\n") {
					t.Errorf("answers:\n%s", got)
				}
				w.end(t, p)
				if after, err := os.ReadFile(w.file); err != nil || !bytes.Equal(after, file) {
					t.Error("a file that is not used is overwritten by one that holds nothing")
				}
			})
		})
	}
}

// TestSnapshotIsWritten holds how often the file is written, and that nothing
// is left beside it.
func TestSnapshotIsWritten(t *testing.T) {
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newSavedWorld(folder)
		p := w.run(t, "")
		feed := <-w.feeds
		var writes []int // in seconds from the start
		var last time.Time
		for s := range 3600 {
			if s < 60 || s == 1000 {
				feed.Update(services(t, fmt.Sprintf("service shop/s%d ClusterIP\n", s)), nil)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if f, err := os.Open(w.file); err == nil {
				at, _ := f.Stat()
				got, err := readSaved(f, at.Size())
				f.Close()
				if err != nil {
					t.Fatal(err)
				}
				if got.at != last {
					writes, last = append(writes, s+1), got.at
				}
			}
		}
		for i := range writes[1:] {
			if d := writes[i+1] - writes[i]; d < 10 || d > 461 {
				t.Errorf("written %d s after the last time", d)
			}
		}
		if len(writes) < 12 || writes[0] != 10 || writes[4] != 50 || !slices.ContainsFunc(writes, func(s int) bool { return s >= 1000 && s <= 1011 }) {
			t.Errorf("written at %v", writes)
		}
		w.end(t, p)
		if all, _ := os.ReadDir(folder); len(all) != 1 {
			t.Errorf("the folder holds %v", all)
		}
	})
}

// TestSnapshotNowhere holds that a file which cannot be written is said once
// and breaks nothing, and that leftovers go.
func TestSnapshotNowhere(t *testing.T) {
	folder := t.TempDir()
	left := filepath.Join(folder, ".catalog.snap.123.tmp")
	synctest.Test(t, func(t *testing.T) {
		w := newSavedWorld(filepath.Join(folder, "missing"))
		p := w.run(t, "")
		feed := <-w.feeds
		for i := range 5 {
			feed.Update(services(t, fmt.Sprintf("service shop/s%d ClusterIP\n", i)), nil)
			time.Sleep(time.Minute)
		}
		if err := os.Mkdir(filepath.Join(folder, "missing"), 0o700); err != nil {
			t.Fatal(err)
		}
		feed.Update(services(t, "service shop/last ClusterIP\n"), nil)
		time.Sleep(time.Minute)
		w.end(t, p)
		if n := strings.Count(w.log.String(), "snapshot is not written"); n != 1 || !strings.Contains(w.log.String(), "snapshot is written again") {
			t.Errorf("said %d times:\n%s", n, &w.log)
		}
	})
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := saver{saving: saving{file: filepath.Join(folder, "catalog.snap")}, log: slog.New(slog.DiscardHandler)}
	s.load()
	if _, err := os.Stat(left); err != nil {
		t.Error("a file that is being written was removed")
	}
	if err := os.Chtimes(left, start, time.Now().Add(-2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	s.load()
	if _, err := os.Stat(left); err == nil {
		t.Error("a leftover was not removed")
	}
}

// TestSnapshotMemory holds that writing keeps no copy of what it writes.
func TestSnapshotMemory(t *testing.T) {
	conf := block(t, "kubernetes")
	v := newView(conf, catalog.New(conf.policy()).Snapshot(), start)
	var text strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&text, "service shop/s%d Headless\n", i)
		for j := range 10 {
			fmt.Fprintf(&text, "\tendpoint 10.1.%d.%d id=10.1.%d.%d ready serving node=node-%d\n\t\tport http TCP 80\n", i%250, j, i%250, j, i%100)
		}
	}
	c := catalog.New(conf.policy())
	c.Feed("kubernetes/cluster").Replace(services(t, text.String()))
	v = v.next(c.Snapshot(), start)
	var n counter
	allocs := testing.AllocsPerRun(3, func() {
		n = 0
		if err := writeSaved(&n, viewed{own: v}, start); err != nil {
			t.Fatal(err)
		}
	})
	if n < 150_000 || n > 500_000 || allocs > 30_000 {
		t.Errorf("%d bytes in %.0f allocations for 20,000 endpoints", n, allocs)
	}
}

type counter int

func (c *counter) Write(b []byte) (int, error) { *c += counter(len(b)); return len(b), nil }

// TestLastKnown holds what counts as the age of what is saved.
func TestLastKnown(t *testing.T) {
	now, hour, day := start, start.Add(-time.Hour), start.Add(-24*time.Hour)
	for _, tt := range []struct {
		name string
		st   catalog.State
		want time.Time
	}{
		{"it can be read", catalog.State{Synced: true, Connected: true, News: hour}, now},
		{"it was lost", catalog.State{Synced: true, News: hour}, hour},
		{"it is recalled", catalog.State{Stale: day, News: day}, day},
		{"it is recalled and about to be read", catalog.State{Stale: day, Connected: true, News: now}, day},
	} {
		if got := lastKnown(tt.st, now); !got.Equal(tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestSnapshotOfTwo holds that two blocks do not overwrite each other's file.
func TestSnapshotOfTwo(t *testing.T) {
	t.Chdir(t.TempDir())
	inner := func(file string) string {
		return ":0 {\n bind 127.0.0.1\n isthmus {\n manifests files .\n snapshot " + file + "\n }\n}\n"
	}
	before := runtime.NumGoroutine()
	_, err := caddy.Start(input("cluster.local" + inner("a.snap") + "second.local" + inner("./a.snap")))
	if want := `snapshot "a.snap": another block writes this file`; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("start: %v, want %s", err, want)
	}
	waitForGoroutines(t, before)
	server, _ := serve(t, "cluster.local"+inner("a.snap")+"second.local"+inner("b.snap"))
	stopServer(t, server)
	for _, file := range []string{"a.snap", "b.snap"} {
		if _, err := os.Stat(file); err != nil {
			t.Errorf("not written at the end: %v", err)
		}
	}
}
