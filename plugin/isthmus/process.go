package isthmus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// process is all that runs behind one block of the Corefile: a watcher for
// each registry, and the one that makes views of what they report. It owns
// their goroutines; start and stop are called once each, in this order.
type process struct {
	conf    *config
	catalog *catalog.Catalog
	views   *views
	log     *slog.Logger
	notify  notifier // nil: nobody is told of changes; set before start

	opened  []registry.Registry
	cancel  context.CancelFunc
	running sync.WaitGroup
}

func newProcess(conf *config, log *slog.Logger) *process {
	p := &process{conf: conf, catalog: catalog.New(conf.policy()), views: new(views), log: log}
	p.views.newest.Store(newView(conf, p.catalog.Snapshot(), time.Now()))
	return p
}

// start begins to watch and waits until the registries that the server is
// ready with are synced, at most for the startup time-out. A registry that
// cannot be reached is no error; one that cannot be opened is.
func (p *process) start() error {
	for _, conf := range p.conf.registries {
		r, err := conf.Reader(p.log.With("origin", conf.Origin()))
		if err != nil {
			return errors.Join(fmt.Errorf("open %q: %w", conf.Origin(), err), p.close())
		}
		p.opened = append(p.opened, r)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	p.running.Go(func() { p.views.follow(ctx, p.catalog) })
	if p.notify != nil {
		p.running.Go(func() { p.views.notify(ctx, p.notify, p.log) })
	}
	for i, r := range p.opened {
		origin := p.conf.registries[i].Origin()
		feed := p.catalog.Feed(origin)
		p.running.Go(func() { registry.Supervise(ctx, r, feed, p.log) })
	}
	p.awaitSync(ctx)
	return nil
}

func (p *process) awaitSync(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, p.conf.startupTimeout)
	defer cancel()
	if !p.views.await(ctx, (*view).ready) {
		p.log.Warn("starting before the first sync", "missing", p.views.newest.Load().missing(), "waited", p.conf.startupTimeout)
	}
}

// stop ends everything that start began, and waits for it.
func (p *process) stop() error {
	if p.cancel != nil {
		p.cancel()
	}
	p.running.Wait()
	return p.close()
}

func (p *process) close() error {
	var errs []error
	for i, r := range p.opened {
		if err := r.Close(); err != nil {
			errs = append(errs, fmt.Errorf("close %q: %w", p.conf.registries[i].Origin(), err))
		}
	}
	p.opened = nil
	return errors.Join(errs...)
}

// ready reports whether every origin that the server waits for is synced.
func (v *view) ready() bool { return len(v.missing()) == 0 }

// missing names the origins that the server waits for, separated by spaces.
func (v *view) missing() string {
	var all []string
	for _, o := range v.conf.awaited() {
		if !v.snap.Synced(o) {
			all = append(all, string(o))
		}
	}
	return strings.Join(all, " ")
}
