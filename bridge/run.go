package bridge

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/isthmus-dns/isthmus/bridge/mirror"
	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// Run watches every registry and keeps every rule's target as the rule wants
// it, until ctx ends. It returns nil then, with no goroutine left and no write
// under way; an error before that means that it could not begin.
func (b *Bridge) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	if err := b.serveMetrics(ctx, &wg); err != nil {
		return err
	}
	b.watch(ctx, &wg)
	for _, l := range b.loops {
		wg.Go(func() { l.Run(ctx) })
	}
	b.log.Info("bridge running", "owner", b.config.Owner, "registries", len(b.registries), "rules", len(b.loops))
	<-ctx.Done()
	return nil
}

// watch starts a supervisor for every registry.
func (b *Bridge) watch(ctx context.Context, wg *sync.WaitGroup) {
	for o, r := range b.registries {
		feed, log := b.catalog.Feed(o), b.log.With("origin", string(o))
		wg.Go(func() { supervise(ctx, r, feed, log) })
	}
}

// Status is what a bridge last knew of everything.
type Status struct {
	Owner   string
	Origins []catalog.State
	Rules   []*mirror.Status
}

// Status may be called at any time, from any goroutine; it never blocks.
func (b *Bridge) Status() Status {
	st := Status{Owner: b.config.Owner, Origins: b.catalog.Snapshot().Origins()}
	for _, l := range b.loops {
		st.Rules = append(st.Rules, l.Status())
	}
	return st
}

// supervise stands in for the supervisor of package registry.
func supervise(ctx context.Context, r registry.Registry, feed *catalog.Feed, log *slog.Logger) {
	said := ""
	for ctx.Err() == nil {
		err := r.Watch(ctx, feed)
		if ctx.Err() != nil {
			return
		}
		if err.Error() != said {
			log.Warn("not readable", "error", err)
			said = err.Error()
		}
		feed.Connected(err)
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}
