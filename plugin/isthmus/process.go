package isthmus

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
)

// process is all that runs behind one block of the Corefile: the watches of its
// registries, some of them shared with other blocks, and the one that makes
// views of what they report. It owns its goroutines; start is called once, and
// stop after it, any number of times.
type process struct {
	conf    *config
	catalog *catalog.Catalog
	views   *views
	log     *slog.Logger
	notify  notifier          // nil: nobody is told of changes; set before start
	kin     func() []*process // all that run already; set before start

	watches []*watch
	cancel  context.CancelFunc
	running sync.WaitGroup
	stop    func() error // ends everything that start began, and waits for it
	atStop  []func()     // called once, when stop is
}

func newProcess(conf *config, log *slog.Logger) *process {
	p := &process{conf: conf, catalog: catalog.New(conf.policy()), views: new(views), log: log, cancel: func() {}}
	p.kin = func() []*process { return nil }
	p.stop = sync.OnceValue(p.end)
	p.views.newest.Store(newView(conf, p.catalog.Snapshot(), time.Now()))
	return p
}

// start begins to watch and waits until the registries that the server is
// ready with are synced, at most for the startup time-out. A registry that
// cannot be reached is no error; one that cannot be opened is.
func (p *process) start() error {
	if err := p.open(); err != nil {
		return errors.Join(err, p.stop())
	}
	p.views.newest.Store(p.firstView(time.Now()))
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	p.running.Go(func() { p.views.follow(ctx, p.catalog) })
	if p.notify != nil {
		p.running.Go(func() { p.views.notify(ctx, p.notify, p.log) })
	}
	for _, w := range p.watches {
		w.begin()
	}
	p.awaitSync(ctx)
	return nil
}

// firstView returns the view of what is known at the start. Its serial is none
// that a block which runs already has given to something else.
func (p *process) firstView(now time.Time) *view {
	v := newView(p.conf, p.catalog.Snapshot(), now)
	var last serial
	for _, other := range p.kin() {
		if s := other.views.newest.Load().serial; s.number > last.number {
			last = s
		}
	}
	if last.number >= v.serial.number {
		v.setSerial(last.changed(now))
	}
	return v
}

func (p *process) awaitSync(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, p.conf.startupTimeout)
	defer cancel()
	if !p.views.await(ctx, (*view).ready) {
		p.log.Warn("starting before the first sync", "missing", p.views.newest.Load().missing(), "waited", p.conf.startupTimeout)
	}
}

func (p *process) end() error {
	for _, f := range p.atStop {
		f()
	}
	p.cancel()
	p.running.Wait()
	return p.close()
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
