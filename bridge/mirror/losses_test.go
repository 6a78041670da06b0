package mirror

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// TestLossesByPut holds that what a put takes away waits as a deletion does: the
// last instance, and a name that another original's mirror has.
func TestLossesByPut(t *testing.T) {
	const there = "service shop/web Headless\n\tmark owner=me of=id:kubernetes/src key=shop/web format=1\n\tendpoint 10.1.0.1 id=a ready\n"
	named := rule()
	named.Naming = registry.Naming{Namespace: "shop", Name: "{service}"}
	for _, tt := range []struct{ name, source string }{
		{"left empty", "service shop/web Headless\n"},
		{"another original", "service team/web Headless\n\tendpoint 10.1.0.2 id=a ready\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := sides(t, map[catalog.Origin]string{src: tt.source, dst: there})
			if p := Diff(c.Snapshot(), wanted(c.Snapshot(), named), nil, Budget{}); len(p.Puts) != 1 {
				t.Errorf("within the limit:\n%s", p.text())
			}
			none := *named
			none.Limit = Limit{}
			if p := Diff(c.Snapshot(), wanted(c.Snapshot(), &none), nil, Budget{}); len(p.Puts) != 0 || len(p.overBudget()) != 1 || p.held()[0].Original.String() != "shop/web" {
				t.Errorf("above the limit:\n%s", p.text())
			}
			c.Feed(src).Partial(errors.New("may not read all"))
			if p := Diff(c.Snapshot(), wanted(c.Snapshot(), named), nil, Budget{}); len(p.Puts) != 0 || len(p.Held) != 1 {
				t.Errorf("with a source that may hold more:\n%s", p.text())
			}
		})
	}
}

// TestSpendUnsure holds that what may have been deleted counts once.
func TestSpendUnsure(t *testing.T) {
	var l spending
	now := time.Now()
	c := Change{Found: parse(t, many(1))[0]}
	for range 3 {
		l.spend(c, true, now)
	}
	b := l.now(rule(), now)
	if b.Spent != (Loss{1, 2}) || !b.Unsure[c.try()] {
		t.Errorf("tried and not known to be done: %+v", b)
	}
	l.spend(c, false, now)
	l.spend(c, false, now)
	if b := l.now(rule(), now); b.Spent != (Loss{2, 4}) || b.Unsure[c.try()] {
		t.Errorf("done, and then done again: %+v", b)
	}
	l.spend(c, true, now)
	other := *c.Found
	other.Version = "of what was put there since"
	if b := l.now(rule(), now); b.Unsure[Change{Found: &other}.try()] {
		t.Errorf("what stands there now is taken for what was tried: %+v", b)
	}
	l.spend(Change{Found: &other}, true, now)
	if b := l.now(rule(), now); b.Spent != (Loss{4, 8}) {
		t.Errorf("tried, and something else of that name as well: %+v", b)
	}
}

// TestLoopUnsureDeletes holds that deletions whose answers are lost are within the
// limit, too.
func TestLoopUnsureDeletes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newStore(t, src, many(50)), newStore(t, dst, "")
		r := rule()
		r.Limit = Limit{Services: 5}
		defer start(t, nil, []*Rule{r}, a, b).stop()
		pass(time.Second)
		b.failing(func(ref catalog.Ref) error {
			if !slices.Contains(refs(20), catalog.Ref{Key: ref.Key}) {
				return nil
			}
			b.remove(ref)
			return registry.ErrUnknownOutcome
		})
		for _, ref := range refs(20) {
			a.remove(ref)
			pass(time.Second)
		}
		wantCount(t, "mirrors", len(b.holds(t)), 45)
	})
}

// TestLoopHoldEach holds that what goes while others are held waits as long as
// they did.
func TestLoopHoldEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newStore(t, src, many(60)), newStore(t, dst, "")
		recheck := func(_ context.Context, o catalog.Origin) (*catalog.Snapshot, error) {
			c := catalog.New(catalog.Policy{})
			c.Feed(o).Identify(id(o))
			c.Feed(o).Replace(a.holds(t))
			return c.Snapshot(), nil
		}
		r := rule()
		r.Hold = DefaultHold
		p := start(t, recheck, []*Rule{r}, a, b)
		defer p.stop()
		pass(time.Second)
		a.remove(refs(20)...)
		pass(DefaultHold - time.Second)
		a.remove(refs(40)...)
		pass(10 * time.Second)
		wantCount(t, "mirrors once the first have waited", len(b.holds(t)), 40)
		pass(DefaultHold)
		wantCount(t, "mirrors once all have", len(b.holds(t)), 20)
		wantCount(t, "second reads", strings.Count(p.log.String(), "a second read agrees"), 2)
	})
}
