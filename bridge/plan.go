package bridge

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/isthmus-dns/isthmus/bridge/mirror"
	"github.com/isthmus-dns/isthmus/catalog"
)

// Plan reads every registry once and returns what the rules would write now, in
// their order. It writes nothing. An error names the registries that could not
// be read before ctx ended.
func (b *Bridge) Plan(ctx context.Context) ([]*mirror.Plan, error) {
	watching, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	b.watch(watching, &wg)
	s, err := b.synced(ctx)
	if err != nil {
		return nil, err
	}
	canon := func(o catalog.Origin) mirror.Derive { return b.targets[o].Canon }
	return mirror.Plans(s, b.config.Rules, canon), nil
}

// synced waits until every registry reported everything.
func (b *Bridge) synced(ctx context.Context) (*catalog.Snapshot, error) {
	for {
		s := b.catalog.Snapshot()
		if s.Synced() {
			return s, nil
		}
		select {
		case <-ctx.Done():
			return nil, missing(s)
		case <-s.Changed():
		}
	}
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
