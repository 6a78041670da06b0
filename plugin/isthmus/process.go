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
	saver   *saver            // nil: nothing is kept for the next start

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
	if conf.saving.file != "" {
		p.saver = &saver{saving: conf.saving, views: p.views, log: log}
	}
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
	now := time.Now()
	p.views.newest.Store(p.firstView(p.recall(now), now))
	for _, w := range p.watches {
		w.begin()
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	p.running.Go(func() { p.views.follow(ctx, p.catalog) })
	if p.notify != nil {
		p.running.Go(func() { p.views.notify(ctx, p.notify, p.log) })
	}
	if p.saver != nil {
		p.running.Go(func() { p.saver.keep(ctx) })
	}
	p.awaitSync(ctx)
	return nil
}

// firstView returns the view of what is known at the start. Its serial is none
// that an earlier run, which came to the serial before, or a block that runs
// already has given to something else.
func (p *process) firstView(before uint32, now time.Time) *view {
	v := newView(p.conf, p.catalog.Snapshot(), now)
	last := serial{number: before}
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
	if p.views.await(ctx, (*view).synced) {
		return
	}
	what, v := "starting before the first sync", p.views.newest.Load()
	if v.ready() {
		what = "starting with what was known before"
	}
	p.log.Warn(what, "missing", strings.Join(v.lacking(isSynced), " "), "waited", p.conf.startupTimeout)
}

func (p *process) end() error {
	for _, f := range p.atStop {
		f()
	}
	p.cancel()
	p.running.Wait()
	return p.close()
}

// ready reports whether it is known of every origin that the server waits for
// what it holds.
func (v *view) ready() bool { return len(v.lacking(catalog.State.Known)) == 0 }

// synced reports whether every one of them was read.
func (v *view) synced() bool { return len(v.lacking(isSynced)) == 0 }

func isSynced(st catalog.State) bool { return st.Synced }

// lacking names the origins that the server waits for and that are not so.
func (v *view) lacking(so func(catalog.State) bool) []string {
	var all []string
	for _, o := range v.conf.awaited() {
		if !so(v.snap.State(o)) {
			all = append(all, string(o))
		}
	}
	return all
}
