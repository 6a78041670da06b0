package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// place is what a registry in the test holds; all who open it share it.
type place struct {
	mu       sync.Mutex // guards following
	services map[catalog.Ref]*catalog.Service
	feeds    map[*catalog.Feed]bool
	opened   map[string]int // by owner
	closed   int
	down     bool
}

// places are all registries of a test.
type places map[catalog.Origin]*place

func newPlaces(t *testing.T, texts map[catalog.Origin]string) places {
	t.Helper()
	all := places{}
	for o, text := range texts {
		p := &place{services: map[catalog.Ref]*catalog.Service{}, feeds: map[*catalog.Feed]bool{}, opened: map[string]int{}}
		services, err := catalog.ParseText(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range services {
			p.services[s.Ref()] = s
		}
		all[o] = p
	}
	return all
}

func (all places) open(o catalog.Origin, owner string) registry.Writer {
	p := all[o]
	p.mu.Lock()
	defer p.mu.Unlock()
	p.opened[owner]++
	return &client{place: p, origin: o}
}

type client struct {
	*place
	origin catalog.Origin
}

func (c *client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed++
	return nil
}

func (c *client) Watch(ctx context.Context, f *catalog.Feed) error {
	if err := c.list(f); err != nil {
		return err
	}
	<-ctx.Done()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.feeds, f)
	return ctx.Err()
}

func (c *client) list(f *catalog.Feed) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		return errors.New("down")
	}
	f.Identify(catalog.Identity("id:" + string(c.origin)))
	f.ReplaceNamespaces([]string{"consul", "shop"})
	var all []*catalog.Service
	for _, s := range c.services {
		told := *s
		all = append(all, &told)
	}
	f.Replace(all)
	c.feeds[f] = true
	return nil
}

func (c *client) Canon(s *catalog.Service) (*catalog.Service, error) { return s, nil }
func (c *client) Claim(context.Context, registry.Fence, bool) error  { return nil }

func (c *client) Put(_ context.Context, all []*catalog.Service) []registry.Result {
	return c.each(all, func(f *catalog.Feed, s *catalog.Service) {
		told := *s
		c.services[s.Ref()] = s
		f.Update([]*catalog.Service{&told}, nil)
	})
}

func (c *client) Delete(_ context.Context, all []*catalog.Service) []registry.Result {
	return c.each(all, func(f *catalog.Feed, s *catalog.Service) {
		delete(c.services, s.Ref())
		f.Update(nil, []catalog.Ref{s.Ref()})
	})
}

func (c *client) each(all []*catalog.Service, do func(*catalog.Feed, *catalog.Service)) []registry.Result {
	c.mu.Lock()
	defer c.mu.Unlock()
	results := make([]registry.Result, len(all))
	for i, s := range all {
		results[i].Ref = s.Ref()
		for f := range c.feeds {
			do(f, s)
		}
	}
	return results
}

func (p *place) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.services)
}

const twoWays = `
bridge prod {
    kubernetes prod
    consul dc1
    consul spare
    mirror kubernetes/prod consul/dc1
    mirror consul/dc1 kubernetes/prod {
        namespace consul
    }
    mirror consul/spare consul/dc1
    lead none
}
`

func twoWaysPlaces(t *testing.T) places {
	return newPlaces(t, map[catalog.Origin]string{
		"kubernetes/prod": "service shop/web ClusterIP\n\tendpoint 10.0.0.1 id=a ready\n",
		"consul/dc1":      "service consul/db Headless\n\tendpoint 10.0.0.2 id=a ready\n",
		"consul/spare":    "",
	})
}

func opened(t *testing.T, text string, all places, log io.Writer) *Bridge {
	t.Helper()
	c, err := Parse("isthmus.conf", []byte(text), kinds(all.open), noEnv)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Open(c, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRun(t *testing.T) {
	before := runtime.NumGoroutine()
	synctest.Test(t, func(t *testing.T) {
		all := twoWaysPlaces(t)
		all["consul/spare"].down = true
		b := opened(t, twoWays, all, t.Output())
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- b.Run(ctx) }()
		time.Sleep(time.Second)
		synctest.Wait()
		if n, m := all["kubernetes/prod"].count(), all["consul/dc1"].count(); n != 2 || m != 2 {
			t.Errorf("%d and %d services, want 2 and 2", n, m)
		}
		st := b.Status()
		for i, want := range []string{"", "", "consul/spare is not known yet"} {
			if got := st.Rules[i].Blocked; got != want {
				t.Errorf("rule %s: blocked by %q, want %q", st.Rules[i].Rule, got, want)
			}
		}
		if _, err := json.Marshal(st.Rules); err != nil {
			t.Error(err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if err := b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		for o, p := range all {
			if p.closed != 1 {
				t.Errorf("%s: closed %d times", o, p.closed)
			}
		}
		if spare := all["consul/spare"].opened; spare["prod"] != 0 || spare[""] != 1 {
			t.Errorf("a registry that is nobody's target was opened %v", spare)
		}
	})
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines before, %d after", before, after)
	}
}

func TestPlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := twoWaysPlaces(t)
		plan := func() (puts []int, err error) {
			b := opened(t, twoWays, all, t.Output())
			defer b.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			plans, err := b.Plan(ctx)
			for _, p := range plans {
				puts = append(puts, len(p.Puts))
			}
			return puts, err
		}
		puts, err := plan()
		if err != nil || len(puts) != 3 || puts[0] != 1 || puts[1] != 1 || puts[2] != 0 {
			t.Errorf("puts %v, %v; want [1 1 0]", puts, err)
		}
		if n := all["consul/dc1"].count(); n != 1 {
			t.Errorf("a plan wrote: %d services", n)
		}
		all["consul/spare"].down = true
		if _, err := plan(); err == nil || err.Error() != `read "consul/spare": down` {
			t.Errorf("with one down: %v", err)
		}
	})
}

func TestRecheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := twoWaysPlaces(t)
		b := opened(t, twoWays, all, t.Output())
		defer b.Close()
		s, err := b.recheck(t.Context(), "kubernetes/prod")
		if err != nil || s.State("kubernetes/prod").Services != 1 || s.State("kubernetes/prod").Identity != "id:kubernetes/prod" {
			t.Errorf("recheck: %+v, %v", s, err)
		}
		if p := all["kubernetes/prod"]; p.closed != 1 || len(p.feeds) != 0 {
			t.Errorf("closed %d, %d feeds", p.closed, len(p.feeds))
		}
		all["kubernetes/prod"].down = true
		if _, err := b.recheck(t.Context(), "kubernetes/prod"); err == nil {
			t.Error("recheck of a registry that is down: no error")
		}
	})
}

func TestPages(t *testing.T) {
	all := twoWaysPlaces(t)
	b := opened(t, twoWays, all, t.Output())
	defer b.Close()
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		b.handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}
	if code, body := get("/healthz"); code != 200 {
		t.Errorf("/healthz: %d %s", code, body)
	}
	if code, _ := get("/readyz"); code != 503 {
		t.Errorf("/readyz before the first sync: %d, want 503", code)
	}
	for o := range all {
		b.catalog.Feed(o).Replace(nil)
	}
	if code, body := get("/readyz"); code != 200 {
		t.Errorf("/readyz: %d %s", code, body)
	}
	code, body := get("/metrics")
	for _, want := range []string{`isthmus_rule_blocked{rule="kubernetes/prod:consul/dc1"} 1`, `isthmus_origin_synced{origin="consul/spare"} 1`} {
		if code != 200 || !strings.Contains(body, want) {
			t.Errorf("/metrics: %d without %s:\n%s", code, want, body)
		}
	}
}

// TestMetricsAddress holds that an address that cannot be had ends Run at once.
func TestMetricsAddress(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	text := strings.Replace(twoWays, "lead none", "metrics "+l.Addr().String(), 1)
	b := opened(t, text, twoWaysPlaces(t), t.Output())
	defer b.Close()
	if err := b.Run(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "serve metrics: ") {
		t.Errorf("Run: %v", err)
	}
}
