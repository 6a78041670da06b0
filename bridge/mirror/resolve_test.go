package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

var errNoName = &net.DNSError{Err: "no such host", IsNotFound: true}

func known(addrs ...string) answer {
	var a answer
	for _, text := range addrs {
		a.addrs = append(a.addrs, netip.MustParseAddr(text))
	}
	return a
}

// TestPlaces is the table of Answers.places.
func TestPlaces(t *testing.T) {
	answers := &Answers{of: map[string]answer{
		"two.example": known("10.1.0.1", "10.1.0.2"), "none.example": {err: errNoName}, "down.example": {err: errors.New("time-out")},
	}}
	for _, tt := range []struct {
		name       string
		hosts      string
		outward    bool
		virtual    bool
		want       string
		lacks, err string
	}{
		{name: "addresses", hosts: "10.0.0.1 10.0.0.2", want: "10.0.0.1 10.0.0.2"},
		{name: "outward", hosts: "two.example 10.0.0.1", outward: true, want: "two.example 10.0.0.1"},
		{name: "the only one", hosts: "down.example", want: "down.example"},
		{name: "the only one, and a virtual address", hosts: "two.example", virtual: true, want: "10.1.0.1 10.1.0.2"},
		{name: "beside others", hosts: "10.0.0.1 two.example", want: "10.0.0.1 10.1.0.1 10.1.0.2"},
		{name: "no such name", hosts: "10.0.0.1 none.example", want: "10.0.0.1", lacks: "none.example"},
		{name: "no such names", hosts: "none.example none.example", err: "none.example"},
		{name: "unknown", hosts: "10.0.0.1 down.example", err: "time-out"},
		{name: "not asked for", hosts: "10.0.0.1 new.example", err: "not looked up yet"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var all []catalog.Endpoint
			for i, h := range strings.Fields(tt.hosts) {
				all = append(all, catalog.Endpoint{ID: fmt.Sprint(i), Host: catalog.ParseHost(h), Ready: true})
			}
			got, lacks, err := answers.places(&Rule{Inward: !tt.outward, Virtual: tt.virtual}, all)
			var hosts []string
			for _, e := range got {
				hosts = append(hosts, e.Host.String())
				if !e.Ready {
					t.Errorf("instance %s is not ready", e.ID)
				}
			}
			if strings.Join(hosts, " ") != tt.want || !says(lacks, tt.lacks) || !says(err, tt.err) {
				t.Errorf("places = %q, %v, %v", hosts, lacks, err)
			}
		})
	}
}

func says(err error, want string) bool {
	return (err == nil) == (want == "") && (err == nil || strings.Contains(err.Error(), want))
}

// zone is a name server in the test.
type zone struct {
	mu    sync.Mutex // guards what follows
	of    map[string]answer
	asked int
}

func (z *zone) set(name string, a answer) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.of[name] = a
}

func (z *zone) lookup(_ context.Context, name string) ([]netip.Addr, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.asked++
	a := z.of[name]
	return a.addrs, a.err
}

func (z *zone) count() int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.asked
}

// TestResolverKeepsLastAnswer holds that a name is looked up again and again,
// that what was known stands while that fails, that addresses nobody reaches
// are left out, and that what is not wanted is forgotten.
func TestResolverKeepsLastAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := &zone{of: map[string]answer{"a.example": known("127.0.0.1", "10.0.0.2", "10.0.0.1", "::ffff:10.0.0.1")}}
		r := NewResolver(z.lookup, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { r.Run(ctx) })
		has := func(want answer) {
			t.Helper()
			synctest.Wait()
			got := r.Answers().get("a.example")
			if fmt.Sprint(got.addrs) != fmt.Sprint(want.addrs) || fmt.Sprint(got.err) != fmt.Sprint(want.err) {
				t.Errorf("answer = %v, want %v", got, want)
			}
		}
		has(answer{err: errUnasked})
		r.Keep(map[string]bool{"a.example": true})
		has(known("10.0.0.1", "10.0.0.2"))
		before := r.Answers()
		z.set("a.example", answer{err: errNoName})
		time.Sleep(10 * refresh)
		has(known("10.0.0.1", "10.0.0.2"))
		if r.Answers() != before {
			t.Error("there are newer answers, and they are the same")
		}
		z.set("a.example", known("10.0.0.3"))
		time.Sleep(refresh)
		has(known("10.0.0.3"))
		select {
		case <-before.newer():
		default:
			t.Error("nobody was told of newer answers")
		}
		r.Keep(nil)
		time.Sleep(2 * refresh)
		n := z.count()
		time.Sleep(time.Hour)
		has(answer{err: errUnasked})
		if z.count() != n {
			t.Errorf("%d lookups of a name that nobody wants", z.count()-n)
		}
		cancel()
		wg.Wait()
	})
}

// TestLoopResolves holds that instances with names stand at the target by
// their addresses, that these follow the names, and that a restart while
// nothing can be looked up writes nothing and deletes nothing.
func TestLoopResolves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newStore(t, src, "service shop/db Headless\n\tendpoint one.example id=a ready\n\tendpoint 10.0.0.9 id=b ready")
		b := newStore(t, dst, "")
		b.AddNamespace("shop")
		z := &zone{of: map[string]answer{"one.example": known("10.0.0.1")}}
		run := func() (l *Loop, stop func()) { return startNaming(t, z.lookup, a, b) }
		_, stop := run()
		time.Sleep(time.Second)
		hosts(t, b, "10.0.0.1 10.0.0.9")
		z.set("one.example", known("10.0.0.1", "10.0.0.2"))
		time.Sleep(refresh)
		hosts(t, b, "10.0.0.1 10.0.0.2 10.0.0.9")
		stop()

		z.set("one.example", answer{err: errors.New("time-out")})
		before := b.written()
		l, stop := run()
		time.Sleep(time.Minute)
		if st := l.Status(); len(st.Refused) != 1 || !strings.Contains(st.Refused[0].Why, "time-out") {
			t.Errorf("refused: %v", st.Refused)
		}
		z.set("one.example", known("10.0.0.1", "10.0.0.2"))
		time.Sleep(time.Minute)
		if st := l.Status(); !st.Settled() || len(st.Refused) > 0 || b.written() != before {
			t.Errorf("%d services written after a restart; status %+v", b.written()-before, st)
		}
		stop()
	})
}

func startNaming(t *testing.T, lookup Lookup, a, b *store) (l *Loop, stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	c := catalog.New(catalog.Policy{})
	log := quietLog(io.Discard)
	w := b.open("me")
	for o, st := range map[catalog.Origin]registry.Registry{src: a.Reader(), dst: w} {
		feed := c.Feed(o)
		wg.Go(func() { registry.Supervise(ctx, st, feed, log) })
		synced(c, o)
	}
	r := rule()
	r.Inward = true
	l = NewLoop(r, nil, c, NewTarget("me", w), nil, log)
	l.names.lookup = lookup
	wg.Go(func() { l.Run(ctx) })
	return l, func() { cancel(); wg.Wait() }
}

// hosts holds that the one mirror in the store is reached at these.
func hosts(t *testing.T, st *store, want string) {
	t.Helper()
	var got []string
	for _, s := range st.holds(t) {
		for _, e := range s.Endpoints {
			got = append(got, e.Host.String())
		}
	}
	if diff := cmp.Diff(want, strings.Join(got, " ")); diff != "" {
		t.Errorf("hosts: -want +got\n%s", diff)
	}
}
