package zookeeper

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

const beatEvery = time.Second // between two questions of a watch whether the server is there

// zookeeper is one opened registry; it implements registry.Writer. A Watch has a
// session of its own, so that nothing of it is left when it returns.
type zookeeper struct {
	config *config
	layout layout
	table  *table

	claiming sync.Mutex // held while a Claim is under way
	drawn    string     // the holder that the last one tried to become
	writes   writeState
}

// Watch reads everything, reports it, and reports what changes from there on. It
// returns when the session is lost, since then nobody knows what was missed, or when
// the ensemble turns out to be another one. The last report stands until the next
// Watch has read everything again.
func (z *zookeeper) Watch(ctx context.Context, feed *catalog.Feed) error {
	err := z.watch(ctx, feed)
	if ctx.Err() != nil {
		err = fmt.Errorf("watch: %w", ctx.Err())
	}
	return fmt.Errorf("zookeeper %q: %w", z.config.name, err)
}

func (z *zookeeper) watch(ctx context.Context, feed *catalog.Feed) error {
	s, err := z.config.dial(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	id, err := z.begin(ctx, s)
	if err != nil {
		return err
	}
	feed.Identify(identityOf(z.layout.path, id))
	defer z.table.detach()
	w := newWalk(s, z.table, feed)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return w.run(ctx) })
	g.Go(func() error { return z.beat(ctx, s, w, id) })
	g.Go(func() error { return z.compare(ctx, w) })
	g.Go(func() error { return z.keep(ctx) })
	return g.Wait()
}

// begin makes the table ready for a session, and returns the id of the ensemble. The
// server may have been behind the others that were asked before.
func (z *zookeeper) begin(ctx context.Context, s *session) (id string, err error) {
	z.table.turn()
	syncing, cancel := context.WithTimeoutCause(ctx, dialTime, errSlow)
	defer cancel()
	if err := s.sync(syncing); err != nil {
		return "", fmt.Errorf("sync: %w", err)
	}
	if id, err = z.identify(ctx, s); err != nil {
		return "", err
	}
	z.table.begin(id)
	return id, nil
}

var errOther = fmt.Errorf("another ensemble, or the id at %q was changed", idPath)

// beat asks for the id again and again. A server that is cut off without a word is
// found earlier that way than by the library.
func (z *zookeeper) beat(ctx context.Context, s *session, w *walk, id string) error {
	for {
		if err := registry.Pause(ctx, beatEvery); err != nil {
			return err
		}
		now, hidden, err := probe(ctx, s)
		switch {
		case err != nil:
			return err
		case hidden && id != "":
			return errHidden
		case now != id:
			return errOther
		}
		w.alive()
	}
}
