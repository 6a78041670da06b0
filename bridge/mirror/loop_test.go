package mirror

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/catalog"
)

// pass lets an amount of fake time go by, and all that it wakes come to rest.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// found is how long it may take until a registry that is back is seen.
const found = 20 * time.Second

// many returns n natives of two endpoints.
func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "service n/s%03d Headless\n\tendpoint 10.0.0.1 id=a ready\n\tendpoint 10.0.0.2 id=b ready\n", i)
	}
	return b.String()
}

func refs(n int) []catalog.Ref {
	all := make([]catalog.Ref, n)
	for i := range all {
		all[i] = catalog.Ref{Key: catalog.Key{Namespace: "n", Name: fmt.Sprintf("s%03d", i)}}
	}
	return all
}

func webRef(owner string) catalog.Ref {
	return catalog.Ref{Key: catalog.Key{Namespace: "shop", Name: "web"}, Owner: owner}
}

func wantText(t *testing.T, st *store, want string) {
	t.Helper()
	if diff := cmp.Diff(strings.TrimSpace(want), strings.TrimSpace(st.text(t))); diff != "" {
		t.Errorf("%s: -want +got\n%s", st.origin, diff)
	}
}

func wantCount(t *testing.T, what string, got, want int) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %d, want %d", what, got, want)
	}
}

const webMirror = `service shop/web Headless
	mark owner=me of=id:kubernetes/src key=shop/web format=1
	endpoint 10.1.0.1 id=a ready serving
`

func TestLoopFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newStore(t, src, plain), newStore(t, dst, "")
		p := start(t, nil, []*Rule{rule()}, a, b)
		defer p.stop()
		pass(time.Second)
		wantText(t, b, webMirror)

		a.set(parse(t, strings.ReplaceAll(plain, "10.1.0.1", "10.1.0.7"))...)
		pass(time.Second)
		wantText(t, b, strings.ReplaceAll(webMirror, "10.1.0.1", "10.1.0.7"))

		a.remove(webRef(""))
		pass(time.Second)
		wantText(t, b, "")
		wantCount(t, "writes", b.written(), 3)

		st := p.loops[rule().String()].Status()
		if !st.Settled() || st.Puts != 2 || st.Deletes != 1 {
			t.Errorf("status: %+v", st)
		}
		wantCount(t, "lines of the log", strings.Count(p.log.String(), "level=INFO msg=put"), 2)
	})
}

// TestLoopSettles holds that a burst is two writes, of its first change and of
// all others, and is not waited for longer than maxBurst.
func TestLoopSettles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newStore(t, src, plain), newStore(t, dst, "")
		defer start(t, nil, []*Rule{rule()}, a, b).stop()
		pass(time.Second)
		before := b.called()
		for i := range 10 {
			a.set(parse(t, strings.ReplaceAll(plain, "10.1.0.1", fmt.Sprintf("10.1.1.%d", i+1)))...)
			pass(time.Millisecond)
		}
		pass(quiet + time.Millisecond)
		wantCount(t, "writes of a burst", b.called()-before, 2)
		wantText(t, b, strings.ReplaceAll(webMirror, "10.1.0.1", "10.1.1.10"))

		before = b.called()
		for i := range 100 {
			a.set(parse(t, strings.ReplaceAll(plain, "10.1.0.1", fmt.Sprintf("10.1.2.%d", i+1)))...)
			pass(time.Millisecond)
		}
		if n := b.called() - before; n < 2 || n > 3 {
			t.Errorf("%d writes while changes never ended for %s, want 2 or 3", n, 100*time.Millisecond)
		}
	})
}

func TestLoopRestartWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newStore(t, src, many(200)), newStore(t, dst, "")
		start := func() { p := start(t, nil, []*Rule{rule()}, a, b); pass(time.Second); p.stop() }
		start()
		wantCount(t, "writes", b.written(), 200)
		wantCount(t, "claims", b.claimed(), 1)
		calls := b.called()
		start()
		wantCount(t, "writes after a restart", b.written(), 200)
		wantCount(t, "calls after a restart", b.called(), calls)
		wantCount(t, "claims after a restart", b.claimed(), 1)
	})
}

// TestLoopConflict holds that a record which changed unseen is read and planned
// again.
func TestLoopConflict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newStore(t, src, plain), newStore(t, dst, "")
		p := start(t, nil, []*Rule{rule()}, a, b)
		defer p.stop()
		pass(time.Second)

		// Somebody is faster, twice.
		races := 0
		b.failing(func(catalog.Ref) error {
			if races++; races <= 2 {
				b.set(parse(t, strings.ReplaceAll(webMirror, "10.1.0.1", fmt.Sprintf("10.1.0.6%d", races)))...)
			}
			return nil
		})
		calls, writes, _ := b.counted()
		a.set(parse(t, strings.ReplaceAll(plain, "10.1.0.1", "10.1.0.7"))...)
		pass(time.Second)
		wantText(t, b, strings.ReplaceAll(webMirror, "10.1.0.1", "10.1.0.7"))
		wantCount(t, "calls", b.called()-calls, 3)
		wantCount(t, "writes", b.written()-writes, 1)
		if strings.Contains(p.log.String(), "write failed") {
			t.Error("a conflict was logged as a failure")
		}
	})
}

func TestLoopSourceGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newStore(t, src, plain), newStore(t, dst, "")
		p := start(t, nil, []*Rule{rule()}, a, b)
		defer p.stop()
		pass(time.Second)

		// What the target gets back from a backup waits for the source.
		a.Link().Cut()
		b.set(parse(t, renamed)...)
		pass(time.Hour)
		wantText(t, b, strings.Replace(renamed, " version=6", "", 1)+webMirror)
		a.Link().Heal()
		pass(found)
		wantText(t, b, webMirror)

		// Down for long, with a service less when it is back.
		a.Link().Cut()
		a.remove(webRef(""))
		pass(time.Hour)
		wantText(t, b, webMirror)
		a.Link().Heal()
		pass(found)
		wantText(t, b, "")
	})
}

func TestLoopTargetGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newStore(t, src, plain), newStore(t, dst, "")
		p := start(t, nil, []*Rule{rule()}, a, b)
		defer p.stop()
		pass(time.Second)
		b.Link().Cut()
		pass(time.Second)
		calls := b.called()
		a.set(parse(t, strings.ReplaceAll(plain, "10.1.0.1", "10.1.0.7"))...)
		pass(time.Hour)
		wantCount(t, "calls while it is gone", b.called(), calls)
		b.Link().Heal()
		pass(found)
		wantText(t, b, strings.ReplaceAll(webMirror, "10.1.0.1", "10.1.0.7"))
	})
}

func TestLoopMassDeletion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newStore(t, src, many(50)), newStore(t, dst, "")
		p := start(t, nil, []*Rule{rule()}, a, b)
		defer p.stop()
		pass(time.Second)
		a.remove(refs(40)...)
		pass(time.Hour)
		wantCount(t, "mirrors while held", len(b.holds(t)), 50)
		l := p.loops[rule().String()]
		if st := l.Status(); len(st.Held) != 40 || st.Budget == "" {
			t.Errorf("status: %+v", st)
		}
		wantCount(t, "said", strings.Count(p.log.String(), `msg="deletions held"`), 1)
		wantCount(t, "said what lets them go", strings.Count(p.log.String(), `until="the source has them again, or they are approved: isthmus approve kubernetes/src:consul/dst"`), 1)

		shown := l.Plan().overBudget()[:20] // what came later was not approved
		l.granted.Store(&shown)
		l.approved <- struct{}{}
		pass(time.Second)
		wantCount(t, "mirrors once some are approved", len(b.holds(t)), 30)

		wantCount(t, "approved", l.Approve(), 20)
		pass(time.Second)
		wantCount(t, "mirrors once approved", len(b.holds(t)), 10)
		wantCount(t, "approved with nothing held", l.Approve(), 0)
		if st := l.Status(); !st.Settled() || len(st.Held) != 0 || st.Budget != "" {
			t.Errorf("status: %+v", st)
		}
	})
}

// TestLoopTrickle holds that many small losses are one big one.
func TestLoopTrickle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newStore(t, src, many(50)), newStore(t, dst, "")
		p := start(t, nil, []*Rule{rule()}, a, b)
		defer p.stop()
		pass(time.Second)
		for _, ref := range refs(40) {
			a.remove(ref)
			pass(time.Second)
		}
		wantCount(t, "mirrors", len(b.holds(t)), 40)
		pass(DefaultHold)
		a.remove(refs(41)[40])
		pass(time.Second)
		wantCount(t, "mirrors with the window past, and a big loss still", len(b.holds(t)), 40)
	})
}

// TestLoopHoldByTime holds when a held deletion goes by itself.
func TestLoopHoldByTime(t *testing.T) {
	for _, tt := range []struct {
		name  string
		again string // what the second read finds
		err   error
		left  int // of 50 mirrors, 40 of which are not wanted
		fell  bool
	}{
		{name: "a second read agrees", again: many(50)[len(many(40)):], left: 10},
		{name: "a second read finds some", again: many(30), left: 30 + 10},
		{name: "a second read finds fewer than the limit", again: many(5), left: 5 + 10},
		{name: "a second read finds nothing", again: "", left: 50},
		{name: "no second read", err: errors.New("down"), left: 50},
		{name: "fell to nothing", again: "", left: 50, fell: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := newStore(t, src, many(50)), newStore(t, dst, "")
				var reads atomic.Int32
				recheck := func(_ context.Context, o catalog.Origin) (*catalog.Snapshot, error) {
					reads.Add(1)
					return sides(t, map[catalog.Origin]string{o: tt.again}).Snapshot(), tt.err
				}
				r := rule()
				r.Hold = DefaultHold
				p := start(t, recheck, []*Rule{r}, a, b)
				defer p.stop()
				pass(time.Second)
				n := 40
				if tt.fell {
					n = 50
				}
				a.remove(refs(n)...)
				pass(DefaultHold - 2*time.Second)
				wantCount(t, "mirrors before the time", len(b.holds(t)), 50)
				wantCount(t, "reads before the time", int(reads.Load()), 0)
				if said := strings.Contains(p.log.String(), `until="a second read of the source agrees, 5m0s from now, or `); said == tt.fell {
					t.Errorf("said that time lets the deletions go: %t", said)
				}
				f := p.catalog.Feed(src)
				f.Connected(errors.New("a blink that nobody sees"))
				f.Connected(nil)
				pass(DefaultHold - 2*time.Second)
				wantCount(t, "mirrors with the source away for a moment", len(b.holds(t)), 50)
				pass(10 * time.Second)
				wantCount(t, "mirrors after", len(b.holds(t)), tt.left)
				if tt.fell && reads.Load() > 0 {
					t.Error("a source that fell to nothing was read again")
				}
			})
		})
	}
}

// TestLoopRing holds that rules among three registries, both ways, come to
// rest, and that only natives were copied.
func TestLoopRing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names := []catalog.Origin{"a/1", "b/2", "c/3"}
		var stores []*store
		var rules []*Rule
		for i, o := range names {
			stores = append(stores, newStore(t, o, fmt.Sprintf("service n/only%d Headless\n\tendpoint 10.0.0.%d id=a ready\nservice n/all Headless\n\tendpoint 10.0.1.%d id=a ready\n", i, i, i)))
			for _, to := range names {
				if to != o {
					r := rule()
					r.From, r.To = o, to
					rules = append(rules, r)
				}
			}
		}
		stores[0].set(parse(t, "service n/two Headless")...)
		stores[1].set(parse(t, "service n/two Headless")...)
		p := start(t, nil, rules, stores...)
		defer p.stop()
		pass(time.Minute)
		total := func() (n int) {
			for _, st := range stores {
				n += st.written()
			}
			return n
		}
		wantCount(t, "writes", total(), 3*2+1)
		if m := stores[2].Get(catalog.Ref{Key: catalog.Key{Namespace: "n", Name: "two"}, Owner: "me"}); m == nil || m.Mark.Of != id("a/1") {
			t.Errorf("n/two at c/3: %v, want the mirror of a/1's", m)
		}
		pass(time.Hour)
		wantCount(t, "writes at rest", total(), 3*2+1)
		for _, l := range p.loops {
			if st := l.Status(); !st.Settled() {
				t.Errorf("%s: %+v", st.Rule, st)
			}
		}
	})
}

func TestLoopTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newStore(t, src, plain), newStore(t, dst, "")
		b.set(parse(t, native)...)
		p := start(t, nil, []*Rule{rule()}, a, b)
		defer p.stop()
		pass(time.Hour)
		wantCount(t, "calls", b.called(), 0)
		wantCount(t, "claims", b.claimed(), 0)
		wantCount(t, "said", strings.Count(p.log.String(), "name taken"), 1)
		b.remove(webRef(""))
		pass(time.Second)
		wantText(t, b, webMirror)
		wantCount(t, "said that it is over", strings.Count(p.log.String(), "no longer: name taken"), 1)
	})
}

func TestLoopTwoOwners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const src2 = catalog.Origin("kubernetes/two")
		a, a2, b := newStore(t, src, plain), newStore(t, src2, plain+"service shop/own Headless\n"), newStore(t, dst, "")
		p := start(t, nil, []*Rule{rule()}, a, b)
		pass(time.Second)
		r2 := rule()
		r2.Owner, r2.From = "you", src2
		p2 := start(t, nil, []*Rule{r2}, a2, b)
		pass(time.Second)
		own := "service shop/own Headless\n\tmark owner=you of=id:kubernetes/two key=shop/own format=1\n"
		wantText(t, b, own+webMirror)
		p.stop()
		p2.stop()

		// With one away, the other touches nothing of it.
		a2.remove(webRef(""), catalog.Ref{Key: catalog.Key{Namespace: "shop", Name: "own"}})
		defer start(t, nil, []*Rule{r2}, a2, b).stop()
		pass(time.Second)
		wantText(t, b, webMirror)
	})
}

// TestLoopPoison holds that a write which never succeeds stops nobody else and
// is tried ever more slowly.
func TestLoopPoison(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newStore(t, src, plain+"service shop/bad Headless\nservice shop/poor Headless\n"), newStore(t, dst, "")
		b.failing(func(ref catalog.Ref) error {
			if ref.Name == "poor" {
				return errors.New("out of paper")
			}
			return nil
		})
		p := start(t, nil, []*Rule{rule()}, a, b)
		defer p.stop()
		pass(time.Hour)
		wantText(t, b, webMirror)
		if n := b.called(); n < 100 || n > 150 {
			t.Errorf("%d calls in an hour, want about one in %s", n, lastRetry)
		}
		st := p.loops[rule().String()].Status()
		if len(st.Refused) != 1 || len(st.Failed) != 1 || st.Settled() {
			t.Errorf("status: %+v", st)
		}
		wantCount(t, "said", strings.Count(p.log.String(), "out of paper"), 1)

		// What wants something else is tried at once.
		b.failing(nil)
		a.set(parse(t, "service shop/poor Headless ttl=5s\n"+strings.ReplaceAll(plain, "10.1.0.1", "10.1.0.7"))...)
		pass(20 * time.Millisecond)
		poor := "service shop/poor Headless ttl=5s\n\tmark owner=me of=id:kubernetes/src key=shop/poor format=1\n"
		wantText(t, b, poor+strings.ReplaceAll(webMirror, "10.1.0.1", "10.1.0.7"))
	})
}

// TestLoopTriesAgainWhatFailed holds that what failed for long is written as soon as
// its target was away and is back, however rarely it was tried by then.
func TestLoopTriesAgainWhatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newStore(t, src, plain), newStore(t, dst, "")
		b.failing(func(catalog.Ref) error { return errors.New("too slow") })
		defer start(t, nil, []*Rule{rule()}, a, b).stop()
		pass(time.Hour)
		calls := b.called()
		for n := calls; n == calls; n = b.called() { // a try, so that the next one is far
			pass(time.Second)
		}
		b.failing(nil)
		b.Link().Cut()
		pass(time.Second)
		b.Link().Heal()
		pass(5 * time.Second)
		wantText(t, b, webMirror)
	})
}

// TestLoopFight holds that with somebody who undoes each write at once, writes
// become rare.
func TestLoopFight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newStore(t, src, plain), newStore(t, dst, "")
		p := start(t, nil, []*Rule{rule()}, a, b)
		defer p.stop()
		edited := parse(t, strings.ReplaceAll(webMirror, "10.1.0.1", "10.1.0.66"))
		for range 3600 {
			pass(time.Second)
			b.set(edited...)
		}
		if n := b.written(); n < 100 || n > 200 {
			t.Errorf("%d writes in an hour", n)
		}
	})
}

// TestLoopMany holds that a big first sync is written in parts.
func TestLoopMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newStore(t, src, many(2*maxWrites+1)), newStore(t, dst, "")
		defer start(t, nil, []*Rule{rule()}, a, b).stop()
		pass(time.Second)
		wantCount(t, "mirrors", len(b.holds(t)), 2*maxWrites+1)
		wantCount(t, "calls", b.called(), 3)
	})
}

// TestCreatesNamespaces holds that a missing namespace is made before the first
// mirror in it, that one which cannot be made is tried again, and that nobody
// is asked where it is there.
func TestCreatesNamespaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newStore(t, src, "service a/x Headless\nservice a/y Headless\nservice b/x Headless"), newStore(t, dst, "")
		b.AddNamespace("b")
		b.spaces = errors.New("forbidden")
		r := rule()
		r.Inward, r.Make = true, true
		p := start(t, nil, []*Rule{r}, a, b)
		defer p.stop()
		time.Sleep(time.Second)
		st := p.loops[r.String()].Status()
		if len(st.Failed) != 2 || !strings.Contains(st.Failed[0].Why, "forbidden") || st.Same != 1 {
			t.Errorf("status = %+v, want two that failed", st)
		}
		b.allow()
		time.Sleep(time.Minute)
		if st := p.loops[r.String()].Status(); !st.Settled() || st.Same != 3 || b.made() != 1 {
			t.Errorf("status = %+v with %d namespaces made, want 3 mirrors and 1 namespace", st, b.made())
		}
	})
}

// TestTold holds what a mirror says of itself.
func TestTold(t *testing.T) {
	e := func(meta map[string]string, tags ...string) catalog.Endpoint {
		return catalog.Endpoint{Meta: meta, Tags: tags}
	}
	for _, tt := range []struct {
		name string
		meta map[string]string
		all  []catalog.Endpoint
		want map[string]string
	}{
		{name: "nothing"},
		{name: "no instances", meta: map[string]string{"a": "b"}, want: map[string]string{"a": "b"}},
		{
			name: "what all have, and every tag once", meta: map[string]string{"team": "blue"},
			all:  []catalog.Endpoint{e(map[string]string{"v": "1", "dc": "x"}, "b", "a,c"), e(map[string]string{"v": "2", "dc": "x"}, "b")},
			want: map[string]string{"team": "blue", "dc": "x", MetaTags: `a\,c,b`},
		},
		{
			name: "the service's own counts", meta: map[string]string{"dc": "y"},
			all: []catalog.Endpoint{e(map[string]string{"dc": "x"})}, want: map[string]string{"dc": "y"},
		},
	} {
		if diff := cmp.Diff(tt.want, told(tt.meta, tt.all)); diff != "" {
			t.Errorf("%s: -want +got\n%s", tt.name, diff)
		}
		if tt.all != nil && tt.all[0].Meta["dc"] != "x" {
			t.Errorf("%s: an endpoint was changed", tt.name)
		}
	}
}
