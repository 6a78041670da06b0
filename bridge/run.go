package bridge

import (
	"context"
	"sync"

	"github.com/isthmus-dns/isthmus/bridge/mirror"
	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// Run watches every registry and keeps every rule's target as the rule wants
// it, until ctx ends; where a leader is elected, only while this process is the
// leader. It returns nil then, with no goroutine left and no write
// under way; an error before that means that it could not begin.
func (b *Bridge) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	if err := b.serve(ctx, &wg); err != nil {
		return err
	}
	b.watch(ctx, &wg)
	tell := b.tell(ctx, &wg)
	for _, l := range b.loops {
		l.Announce(tell)
	}
	b.log.Info("bridge running", "owner", b.config.Owner, "registries", len(b.registries), "rules", len(b.loops))
	if b.election == nil && !b.config.Alone {
		b.log.Warn(`no leader is elected: run one bridge for an owner, and write "lead none" to say so`, "owner", b.config.Owner)
	}
	wg.Go(func() { b.lead(ctx) })
	<-ctx.Done()
	b.log.Info("bridge stopping")
	return nil
}

// watch starts a supervisor for every registry.
func (b *Bridge) watch(ctx context.Context, wg *sync.WaitGroup) {
	for o, r := range b.registries {
		feed := b.catalog.Feed(o)
		wg.Go(func() { registry.Supervise(ctx, r, feed, b.log) })
	}
}

// Status is what a bridge last knew of everything.
type Status struct {
	Owner   string
	Lead    LeadStatus
	Origins []catalog.State
	Rules   []*mirror.Status
}

// Status may be called at any time, from any goroutine; it never blocks.
func (b *Bridge) Status() Status {
	st := Status{Owner: b.config.Owner, Lead: b.leadStatus(), Origins: b.catalog.Snapshot().Origins()}
	for _, l := range b.loops {
		st.Rules = append(st.Rules, st.Lead.rule(l.Status()))
	}
	return st
}
