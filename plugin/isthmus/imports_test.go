package isthmus

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

// importer is a cluster that imports the services above.
type importer struct{ fakeConfig }

func (i importer) Imports(*slog.Logger) (registry.Registry, error) {
	for _, line := range i.stanza.Block {
		if line.Name() == "importless" {
			return nil, errors.New("read file: no such file")
		}
	}
	return &fakeImports{undefined: slices.ContainsFunc(i.stanza.Block, func(s stanza.Stanza) bool { return s.Name() == "undefined" })}, nil
}

// fakeImports reports its world once, or is not defined for the first minute.
type fakeImports struct {
	undefined bool
	began     time.Time
}

func (r *fakeImports) Watch(ctx context.Context, feed *catalog.Feed) error {
	if r.began.IsZero() {
		r.began = time.Now()
	}
	if r.undefined && time.Since(r.began) < time.Minute {
		return errors.New("the server could not find the requested resource")
	}
	reportExported(feed)
	<-ctx.Done()
	return ctx.Err()
}

func (r *fakeImports) Close() error { return nil }

func reportExported(feed *catalog.Feed) {
	all, err := catalog.ParseText(exported)
	if err != nil {
		panic(err)
	}
	feed.ReplaceNamespaces([]string{"shop", "empty"})
	feed.Replace(all)
}

func importerTypes() []registry.Type {
	all := fakeTypes()
	for i := range all {
		if all[i].Name == "kubernetes" {
			all[i].Parse = func(s stanza.Stanza, _ func(string) string) (registry.Config, error) {
				c, err := newFake(s)
				if err != nil {
					return nil, err
				}
				return importer{c.(fakeConfig)}, nil
			}
		}
	}
	return all
}

// TestMulticlusterNotify holds that each process tells of its own zones.
func TestMulticlusterNotify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(clusters(t, ""), slog.New(slog.DiscardHandler))
		for part, want := range map[*process][]string{p: {"cluster.local.", "in-addr.arpa."}, p.imports: {"clusterset.local."}} {
			to := &notified{told: make(chan string, 10)}
			part.catalog.Feed("kubernetes/cluster").Replace(nil)
			part.views.newest.Store(part.views.newest.Load().next(part.catalog.Snapshot(), time.Now().Add(time.Minute)))
			ctx, cancel := context.WithCancel(t.Context())
			go part.views.notify(ctx, to, part.log)
			synctest.Wait()
			cancel()
			synctest.Wait()
			close(to.told)
			var got []string
			for zone := range to.told {
				got = append(got, zone)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		}
	})
}

type notified struct{ told chan string }

func (n *notified) Notify(zone string) error { n.told <- zone; return nil }

// TestMulticlusterProcess holds that a cluster which has nothing to import
// delays and breaks nothing of its own, and takes up the imports as they come.
func TestMulticlusterProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		conf := clusters(t, "kubernetes {\nundefined\n}")
		conf.locals = mustAddrs(t, "192.0.2.53")
		p := newProcess(conf, slog.New(slog.NewTextHandler(&log, nil)))
		began := time.Now()
		if err := p.start(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("the start waited %v for what is not defined", took)
		}
		h := &Isthmus{conf: conf, views: p.views, imports: p.imports.views, up: fakeUpstream{}}
		rcode := func(name string) int { _, rcode := ask(t, h, name, dns.TypeA); return rcode }
		if got := rcode("web.shop.svc.cluster.local."); got != dns.RcodeSuccess || !h.Ready() {
			t.Errorf("the cluster's own: rcode %d, ready %v", got, h.Ready())
		}
		if got := rcode("web.shop.svc.clusterset.local."); got != dns.RcodeServerFailure {
			t.Errorf("imported: rcode %d, want SERVFAIL", got)
		}
		time.Sleep(2 * time.Minute)
		if got := rcode("web.shop.svc.clusterset.local."); got != dns.RcodeSuccess {
			t.Errorf("imported, once defined: rcode %d", got)
		}
		if m, _ := ask(t, h, "clusterset.local.", dns.TypeNS); len(m.Extra) != 1 {
			t.Errorf("the zone's servers have no address: %v", m)
		}
		if err := p.stop(); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(log.String(), "could not find the requested resource"); n != 1 || !strings.Contains(log.String(), "zone=clusterset.local.") {
			t.Errorf("what cannot be imported was said %d times, want once and with the zone:\n%s", n, &log)
		}
	})
}

// TestMulticlusterStartOpensAllOrNone holds that a start which fails leaves no
// goroutine: a bubble with one left would not end.
func TestMulticlusterStartOpensAllOrNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(clusters(t, "kubernetes {\nimportless\n}"), slog.New(slog.DiscardHandler))
		err := p.start()
		if want := `open "kubernetes/cluster": read file: no such file`; err == nil || err.Error() != want {
			t.Errorf("start() = %v, want %s", err, want)
		}
	})
}

// TestMulticlusterReload holds that a block takes over both watches of a
// registry from the block that it replaces, each for what it is.
func TestMulticlusterReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, next := newProcess(clusters(t, ""), slog.New(slog.DiscardHandler)), newProcess(clusters(t, "ttl 30"), slog.New(slog.DiscardHandler))
		if err := old.start(); err != nil {
			t.Fatal(err)
		}
		was := old.imports.views.newest.Load().serial.number
		next.kin = func() []*process { return []*process{old} }
		if err := next.start(); err != nil {
			t.Fatal(err)
		}
		if next.watches[0] != old.watches[0] || next.imports.watches[0] != old.imports.watches[0] || old.watches[0] == old.imports.watches[0] {
			t.Error("a watch was not taken over, or for something else")
		}
		if now := next.imports.views.newest.Load().serial.number; now < was {
			t.Errorf("serial %d after %d", now, was)
		}
		if err := old.stop(); err != nil {
			t.Fatal(err)
		}
		h := &Isthmus{conf: next.conf, views: next.views, imports: next.imports.views}
		if m, _ := ask(t, h, "web.shop.svc.clusterset.local.", dns.TypeA); len(m.Answer) != 1 || m.Answer[0].Header().Ttl != 30 {
			t.Errorf("after the reload: %v", m)
		}
		if err := next.stop(); err != nil {
			t.Fatal(err)
		}
	})
}
