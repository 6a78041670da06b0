package isthmus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// watch is one registry that is being watched, for every block that names it
// with the same words: those of one server, and for a moment those of the
// server that a reload replaces. It ends with the last of them.
type watch struct {
	key      fingerprint
	registry registry.Registry
	feed     *catalog.Feed
	cancel   context.CancelFunc
	begin    func() // starts watching; once
	running  sync.WaitGroup

	mu    sync.Mutex // guards users
	users int        // 0: it ended
}

// newWatch opens a registry that reports to c, and its requests to m unless that
// is nil. It is not watched yet.
func newWatch(conf registry.Config, key fingerprint, c *catalog.Catalog, m *meters, log *slog.Logger) (*watch, error) {
	r, err := conf.Reader(log.With("origin", conf.Origin()))
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", conf.Origin(), err)
	}
	if recorded, is := r.(registry.Recorded); is && m != nil {
		recorded.Record(m)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := &watch{key: key, registry: r, feed: c.Feed(conf.Origin()), cancel: cancel, users: 1}
	w.begin = sync.OnceFunc(func() {
		w.running.Go(func() { registry.Supervise(ctx, r, w.feed, log) })
	})
	return w, nil
}

// join lets w report to c, too. It is false for a watch that ended.
func (w *watch) join(c *catalog.Catalog) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.users == 0 {
		return false
	}
	w.users++
	w.feed.Join(c)
	return true
}

// leave ends what join or newWatch began for c; the last to leave ends the
// watch and waits for that.
func (w *watch) leave(c *catalog.Catalog) error {
	w.mu.Lock()
	w.users--
	last := w.users == 0
	w.mu.Unlock()
	if !last {
		w.feed.Leave(c)
		return nil
	}
	w.cancel()
	w.running.Wait()
	if err := w.registry.Close(); err != nil {
		return fmt.Errorf("close %q: %w", w.feed.Origin(), err)
	}
	return nil
}

// open has every registry of the block watched: by a watch that runs already
// or by a new one, which begins when the process does.
func (p *process) open() error {
	for _, conf := range p.conf.registries {
		key := p.conf.wordsAndFiles(conf.Origin())
		w := p.inherit(key)
		if w == nil {
			var err error
			if w, err = newWatch(conf, key, p.catalog, p.views.meters, p.log); err != nil {
				return err
			}
		}
		p.watches = append(p.watches, w)
	}
	return nil
}

// inherit joins the watch of another block, or returns nil.
func (p *process) inherit(key fingerprint) *watch {
	for _, other := range p.kin() {
		for _, w := range other.watches {
			if w.key == key && w.join(p.catalog) {
				return w
			}
		}
	}
	return nil
}

func (p *process) close() error {
	var errs []error
	for _, w := range p.watches {
		errs = append(errs, w.leave(p.catalog))
	}
	return errors.Join(errs...)
}
