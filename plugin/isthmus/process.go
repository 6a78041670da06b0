package isthmus

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
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
	imports *process          // behind multicluster zones; nil if there are none

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
	if z := conf.zones.multicluster(); z != "" && !conf.imported {
		p.imports = newProcess(conf.imports(), log.With("zone", z))
		if p.saver != nil {
			p.saver.imports = p.imports.views
		}
	}
	return p
}

// start begins to watch and waits until the registries that the server is
// ready with are synced, at most for the startup time-out. A registry that
// cannot be reached is no error; one that cannot be opened is.
func (p *process) start() error {
	err := p.open()
	if err == nil && p.imports != nil {
		err = p.openImports()
	}
	if err != nil {
		return errors.Join(err, p.stop())
	}
	now := time.Now()
	file := p.recall(now)
	if file == nil {
		file = new(saved)
	}
	p.begin(file.own.serial, now)
	if p.imports != nil {
		p.imports.begin(file.imports.serial, now)
	}
	p.awaitSync()
	return nil
}

// begin begins to watch, after a run that came to the serial before.
func (p *process) begin(before uint32, now time.Time) {
	p.views.newest.Store(p.firstView(before, now))
	for _, w := range p.watches {
		w.begin()
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	p.running.Go(func() { p.views.follow(ctx, p.catalog) })
	p.running.Go(func() { p.views.giveBack(ctx, debug.FreeOSMemory) })
	if p.notify != nil {
		p.running.Go(func() { p.views.notify(ctx, p.notify, p.log) })
	}
	if p.saver != nil {
		p.running.Go(func() { p.saver.keep(ctx) })
	}
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

// awaitSync waits for what the server is ready with and, in what is left of the
// time, for news of what is imported. That it cannot be read is news enough:
// the names of the cluster are not to wait for it.
func (p *process) awaitSync() {
	ctx, cancel := context.WithTimeout(context.Background(), p.conf.startupTimeout)
	defer cancel()
	p.await(ctx, (*view).synced)
	if p.imports != nil {
		p.imports.await(ctx, (*view).told)
	}
}

// await waits for cond, and says if ctx ends before.
func (p *process) await(ctx context.Context, cond func(*view) bool) {
	if p.views.await(ctx, cond) {
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
	err := p.close()
	if p.imports != nil {
		err = errors.Join(err, p.imports.stop())
	}
	return err
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
