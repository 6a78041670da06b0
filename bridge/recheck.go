package bridge

import (
	"context"
	"errors"
	"fmt"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// recheck reads o once more, over a connection of its own and into a catalog of
// its own, until it reported everything.
func (b *Bridge) recheck(ctx context.Context, o catalog.Origin) (*catalog.Snapshot, error) {
	for _, rc := range b.config.Registries {
		if rc.Origin() == o {
			return readOnce(ctx, b.config.detailed(rc), b)
		}
	}
	return nil, fmt.Errorf("read %q again: no such registry", o)
}

func readOnce(ctx context.Context, rc registry.Config, b *Bridge) (s *catalog.Snapshot, err error) {
	o := rc.Origin()
	r, err := rc.Reader(b.log.With("origin", string(o)))
	if err != nil {
		return nil, fmt.Errorf("read %q again: %w", o, err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	ctx, cancel := context.WithCancel(ctx)
	c := catalog.New(catalog.Policy{Packed: true})
	feed, ended := c.Feed(o), make(chan error, 1)
	go func() { ended <- r.Watch(ctx, feed) }()
	s, err = waitSynced(ctx, c, ended, o)
	cancel()
	if err != nil {
		return nil, fmt.Errorf("read %q again: %w", o, err)
	}
	<-ended
	return s, nil
}

// waitSynced waits until o is synced in c or its watch ended.
func waitSynced(ctx context.Context, c *catalog.Catalog, ended chan error, o catalog.Origin) (*catalog.Snapshot, error) {
	for {
		s := c.Snapshot()
		if s.Synced(o) {
			return s, nil
		}
		select {
		case err := <-ended:
			return nil, err
		case <-ctx.Done():
			<-ended
			return nil, ctx.Err()
		case <-s.Changed():
		}
	}
}
