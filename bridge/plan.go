package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/isthmus-dns/isthmus/bridge/mirror"
	"github.com/isthmus-dns/isthmus/catalog"
)

// patience is how long Plan waits before it says what it waits for.
const patience = 500 * time.Millisecond

// Plan reads every registry once and returns what the rules would write now, in
// their order. It writes nothing. Where it takes a while, waiting is told which
// registries are not read yet, and again whenever that changes. An error names
// those that could not be read before ctx ended.
func (b *Bridge) Plan(ctx context.Context, waiting func([]catalog.Origin)) ([]*mirror.Plan, error) {
	watching, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	b.watch(watching, &wg)
	s, err := b.synced(ctx, waiting)
	if err != nil {
		return nil, err
	}
	at := func(o catalog.Origin) mirror.Place { return b.targets[o] }
	names := mirror.NewResolver(mirror.SystemLookup, b.log)
	names.Keep(mirror.Names(s, b.config.Rules))
	return mirror.Plans(s, b.config.Rules, at, names.Resolve(ctx)), nil
}

// synced waits until every registry reported everything.
func (b *Bridge) synced(ctx context.Context, waiting func([]catalog.Origin)) (*catalog.Snapshot, error) {
	late := time.NewTimer(patience)
	defer late.Stop()
	var told []catalog.Origin
	for isLate := false; ; {
		s := b.catalog.Snapshot()
		if s.Synced() {
			return s, nil
		}
		if now := unread(s); isLate && !slices.Equal(now, told) {
			told = now
			waiting(now)
		}
		select {
		case <-ctx.Done():
			return nil, missing(s)
		case <-s.Changed():
		case <-late.C:
			isLate = true
		}
	}
}

// unread are the origins that did not report everything yet.
func unread(s *catalog.Snapshot) []catalog.Origin {
	var all []catalog.Origin
	for _, st := range s.Origins() {
		if !st.Synced {
			all = append(all, st.Origin)
		}
	}
	return all
}

func missing(s *catalog.Snapshot) error {
	var all []error
	for _, st := range s.Origins() {
		switch {
		case st.Synced:
		case st.Err != nil:
			all = append(all, fmt.Errorf("read %q: %w", st.Origin, st.Err))
		default:
			all = append(all, fmt.Errorf("read %q: no answer in time", st.Origin))
		}
	}
	return errors.Join(all...)
}
