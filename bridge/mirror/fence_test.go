package mirror

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

func TestLoopFenced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newStore(t, src, plain), newStore(t, dst, "")
		p := start(t, nil, []*Rule{rule()}, a, b)
		defer p.stop()
		pass(time.Second)
		if err := b.Writer("me").Claim(t.Context(), registry.Fence{Owner: "me", Sources: []catalog.Identity{id(src)}}, true); err != nil {
			t.Fatal(err)
		}
		a.set(parse(t, many(3))...)
		pass(time.Minute)
		wantText(t, b, webMirror)
		calls := b.called()
		a.remove(webRef(""))
		pass(time.Hour)
		wantText(t, b, webMirror)
		wantCount(t, "calls once fenced off", b.called(), calls)
		if st := p.loops[rule().String()].Status(); !strings.Contains(st.Blocked, "took over") || st.Settled() {
			t.Errorf("status: %+v", st)
		}
		b.Link().Cut()
		pass(time.Minute)
		b.Link().Heal()
		pass(time.Minute)
		wantCount(t, "said", strings.Count(p.log.String(), `level=ERROR msg="nothing is written"`), 1)
		wantCount(t, "said at any level", strings.Count(p.log.String(), "nothing is written"), 1)
	})
}

// TestLoopFencedLeader holds that a leader which was shut out says so at once and
// writes nothing more in that term, writes again in the next, and claims nothing
// without the lease.
func TestLoopFencedLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newStore(t, src, plain), newStore(t, dst, "")
		var ended atomic.Bool
		var out atomic.Int32
		by := Term{Holds: func() bool { return !ended.Load() }, ShutOut: func() { out.Add(1) }}
		p := startWith(t, func(l *Loop) { l.target.TakeOver(by) }, nil, []*Rule{rule()}, a, b)
		defer p.stop()
		pass(time.Second)
		l, says := p.loops[rule().String()], func(addr string) {
			a.set(parse(t, strings.ReplaceAll(plain, "10.1.0.1", addr))...)
			pass(time.Minute)
		}
		if err := b.Writer("me").Claim(t.Context(), registry.Fence{Owner: "me", Sources: []catalog.Identity{id(src)}}, true); err != nil {
			t.Fatal(err)
		}
		wantCount(t, "shut out before a write", int(out.Load()), 0)
		says("10.1.0.2")
		wantText(t, b, webMirror)
		wantCount(t, "shut out", int(out.Load()), 1)
		if st := l.Status(); !strings.Contains(st.Blocked, "until it is elected again") {
			t.Errorf("shut out: %+v", st)
		}

		l.target.TakeOver(by)
		says("10.1.0.3")
		wantText(t, b, strings.ReplaceAll(webMirror, "10.1.0.1", "10.1.0.3"))

		ended.Store(true)
		l.target.TakeOver(by)
		claims := b.claimed()
		says("10.1.0.4")
		wantText(t, b, strings.ReplaceAll(webMirror, "10.1.0.1", "10.1.0.3"))
		wantCount(t, "claims without the lease", b.claimed()-claims, 0)
		if st := l.Status(); !strings.Contains(st.Blocked, "not leading") {
			t.Errorf("without the lease: %+v", st)
		}
	})
}

// TestLoopMoved holds that what was claimed of one registry does not count for another
// at its address: nothing is written there before a claim, nor at the first once it is
// back.
func TestLoopMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newStore(t, src, plain), newStore(t, dst, "")
		p := start(t, nil, []*Rule{rule()}, a, b)
		defer p.stop()
		pass(time.Second)
		wantText(t, b, webMirror)
		calls := b.called()
		b.Link().Mislead()
		pass(time.Minute)
		wantCount(t, "writes to another registry", b.called()-calls, 0)
		if st := p.loops[rule().String()].Status(); !strings.Contains(st.Blocked, "claim the fence") {
			t.Errorf("another registry: %+v", st)
		}
		b.Link().Heal()
		pass(time.Minute)
		a.set(parse(t, strings.ReplaceAll(plain, "10.1.0.1", "10.1.0.2"))...)
		pass(time.Minute)
		wantText(t, b, strings.ReplaceAll(webMirror, "10.1.0.1", "10.1.0.2"))
	})
}

// TestLoopUnheard holds that who was elected while the source is away writes nothing by
// what it heard before, neither over what stands nor what does not.
func TestLoopUnheard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newStore(t, src, plain), newStore(t, dst, "")
		p := startWith(t, func(l *Loop) {
			l.target.TakeOver(Term{Holds: func() bool { return true }, ShutOut: func() { t.Error("shut out") }})
			a.Link().Cut()
			pass(time.Second)
		}, nil, []*Rule{rule()}, a, b)
		defer p.stop()
		pass(time.Minute)
		wantText(t, b, "")
		wantCount(t, "moved the fence all the same", b.claimed(), 1)
		if st := p.loops[rule().String()].Status(); !strings.Contains(st.Blocked, "was not heard") {
			t.Errorf("status: %+v", st)
		}
		a.Link().Heal()
		pass(found)
		wantText(t, b, webMirror)
		a.Link().Cut()
		pass(time.Second)
		b.Remove(webRef("me"))
		pass(time.Minute)
		wantText(t, b, webMirror) // what was heard while it leads is put again
	})
}

// TestLoopClaimFenced holds that a claim by which somebody is found to have
// taken over ends all writing, too.
func TestLoopClaimFenced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newStore(t, src, plain), newStore(t, dst, "")
		b.refusing(registry.ErrFenced)
		p := start(t, nil, []*Rule{rule()}, a, b)
		defer p.stop()
		pass(time.Second)
		b.refusing(nil)
		a.set(parse(t, many(3))...)
		pass(time.Hour)
		wantText(t, b, "")
		wantCount(t, "claims", b.claimed(), 1)
		if st := p.loops[rule().String()].Status(); !strings.Contains(st.Blocked, "took over") {
			t.Errorf("status: %+v", st)
		}
	})
}

// TestLoopFenceGone holds that a fence which somebody deleted is claimed anew,
// ever more slowly if it goes again and again.
func TestLoopFenceGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newStore(t, src, plain), newStore(t, dst, "")
		p := start(t, nil, []*Rule{rule()}, a, b)
		defer p.stop()
		pass(time.Second)
		claims := b.claimed()
		b.failing(func(catalog.Ref) error {
			if b.claimed() == claims {
				return fmt.Errorf("put: %w", registry.ErrNoFence)
			}
			return nil
		})
		a.set(parse(t, strings.ReplaceAll(plain, "10.1.0.1", "10.1.0.7"))...)
		pass(time.Second)
		wantText(t, b, strings.ReplaceAll(webMirror, "10.1.0.1", "10.1.0.7"))
		wantCount(t, "claims", b.claimed()-claims, 1)
		if st := p.loops[rule().String()].Status(); !st.Settled() {
			t.Errorf("status: %+v", st)
		}

		b.failing(func(catalog.Ref) error { return registry.ErrNoFence })
		claims = b.claimed()
		a.remove(webRef(""))
		pass(time.Hour)
		if n := b.claimed() - claims; n < 100 || n > 150 {
			t.Errorf("%d claims in an hour, want about one in %s", n, lastRetry)
		}
		if st := p.loops[rule().String()].Status(); len(st.Failed) != 1 || st.Blocked != "" {
			t.Errorf("status: %+v", st)
		}
	})
}

func TestLoopForeignFence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newStore(t, src, plain), newStore(t, dst, "")
		if err := b.Writer("me").Claim(t.Context(), registry.Fence{Owner: "me", Sources: []catalog.Identity{"id:kubernetes/another"}}, false); err != nil {
			t.Fatal(err)
		}
		p := start(t, nil, []*Rule{rule()}, a, b)
		defer p.stop()
		pass(time.Minute)
		wantText(t, b, "")
		wantCount(t, "calls", b.called(), 0)
		if st := p.loops[rule().String()].Status(); !strings.Contains(st.Blocked, "in use for other sources") {
			t.Errorf("status: %+v", st)
		}
	})
}

// TestLoopClaimFails holds that a claim which failed is tried again, and
// forgotten once there is nothing to write.
func TestLoopClaimFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newStore(t, src, plain), newStore(t, dst, "")
		b.refusing(errors.New("out of ink"))
		p := start(t, nil, []*Rule{rule()}, a, b)
		defer p.stop()
		l := p.loops[rule().String()]
		pass(time.Minute)
		if st := l.Status(); !strings.Contains(st.Blocked, "out of ink") || b.called() > 0 {
			t.Errorf("status: %+v, %d calls", st, b.called())
		}
		a.remove(webRef(""))
		pass(time.Second)
		if st := l.Status(); !st.Settled() {
			t.Errorf("with nothing to write: %+v", st)
		}
		b.refusing(nil)
		a.set(parse(t, plain)...)
		pass(time.Second)
		wantText(t, b, webMirror)
		if st := l.Status(); !st.Settled() {
			t.Errorf("once claimed: %+v", st)
		}
	})
}
