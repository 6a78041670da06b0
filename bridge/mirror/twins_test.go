package mirror

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/memory"
)

// TestLoopTwins holds that two origins of one registry, each with a part of it,
// lose nothing at their target, whichever of them is known first.
func TestLoopTwins(t *testing.T) {
	const twin = catalog.Origin("kubernetes/twin")
	two := strings.NewReplacer("shop/web", "shop/two", "10.1.0.1", "10.1.0.2")
	for _, late := range []catalog.Origin{src, twin} {
		t.Run("late "+string(late), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first, second := newStore(t, src, plain), &store{Server: memory.NewServer(id(src)), origin: twin}
				second.set(parse(t, two.Replace(plain))...)
				if late == src {
					first, second = second, first
				}
				target := newStore(t, dst, "")
				both := two.Replace(webMirror) + webMirror
				target.set(parse(t, both)...)
				of, ofTwin := rule(), rule()
				ofTwin.From = twin

				p := start(t, nil, []*Rule{of, ofTwin}, first, target)
				defer p.stop()
				pass(time.Hour)
				wantText(t, target, both)

				defer join(t, p.catalog, second)()
				pass(time.Hour)
				wantText(t, target, both)
				wantCount(t, "calls", target.called(), 0)
				for _, l := range p.loops {
					if st := l.Status(); !strings.Contains(st.Blocked, "kubernetes/src and kubernetes/twin are the same registry") {
						t.Errorf("%s: blocked by %q", st.Rule, st.Blocked)
					}
				}
			})
		})
	}
}

// join has a registry watched, too, until the returned function is called.
func join(t *testing.T, c *catalog.Catalog, st *store) (leave func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		registry.Supervise(ctx, st.Reader(), c.Feed(st.origin), slog.New(slog.DiscardHandler))
	})
	return func() { cancel(); wg.Wait() }
}
