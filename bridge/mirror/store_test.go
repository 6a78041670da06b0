package mirror

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// store is a registry in the test: what it holds, and what was done to it.
type store struct {
	origin catalog.Origin

	mu       sync.Mutex // guards following
	services map[catalog.Ref]*catalog.Service
	version  int
	watchers map[*catalog.Feed]bool
	fences   map[string]registry.Fence
	epochs   map[string]int
	writes   int // of services that succeeded
	calls    int // of Put and Delete
	claims   int // that wrote
	fail     func(catalog.Ref) error
	deaf     bool // watchers hear nothing, nor do they of their own writes
}

func newStore(t testing.TB, o catalog.Origin, text string) *store {
	st := &store{
		origin: o, services: map[catalog.Ref]*catalog.Service{}, watchers: map[*catalog.Feed]bool{},
		fences: map[string]registry.Fence{}, epochs: map[string]int{},
	}
	st.set(parse(t, text)...)
	return st
}

// set is what the registry's own users do.
func (st *store) set(all ...*catalog.Service) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, s := range all {
		st.putLocked(s)
	}
}

func (st *store) remove(refs ...catalog.Ref) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, ref := range refs {
		st.deleteLocked(ref)
	}
}

func (st *store) putLocked(s *catalog.Service) string {
	st.version++
	stored := *s
	stored.Version = strconv.Itoa(st.version)
	st.services[s.Ref()] = &stored
	for f := range st.watchers {
		if !st.deaf {
			told := stored
			f.Update([]*catalog.Service{&told}, nil)
		}
	}
	return stored.Version
}

func (st *store) deleteLocked(ref catalog.Ref) {
	delete(st.services, ref)
	for f := range st.watchers {
		if !st.deaf {
			f.Update(nil, []catalog.Ref{ref})
		}
	}
}

// text is all that the store holds, without versions.
func (st *store) text() string {
	st.mu.Lock()
	defer st.mu.Unlock()
	var all []*catalog.Service
	for _, s := range st.services {
		c := *s
		c.Version = ""
		all = append(all, &c)
	}
	var b strings.Builder
	if err := catalog.WriteText(&b, all); err != nil {
		return err.Error()
	}
	return b.String()
}

// count reads one of the counters.
func (st *store) count(n *int) int {
	st.mu.Lock()
	defer st.mu.Unlock()
	return *n
}

// writer is a store opened by an owner.
type writer struct {
	*store
	owner string
	epoch int // 0: not claimed
}

func (st *store) open(owner string) *writer { return &writer{store: st, owner: owner} }

func (w *writer) Watch(ctx context.Context, f *catalog.Feed) error {
	w.mu.Lock()
	f.Identify(id(w.origin))
	var all []*catalog.Service
	for _, s := range w.services {
		told := *s
		all = append(all, &told)
	}
	f.Replace(all)
	w.watchers[f] = true
	w.mu.Unlock()
	<-ctx.Done()
	w.mu.Lock()
	delete(w.watchers, f)
	w.mu.Unlock()
	return ctx.Err()
}

func (w *writer) Close() error { return nil }

func (w *writer) Canon(s *catalog.Service) (*catalog.Service, error) {
	if strings.HasPrefix(s.Name, "bad") {
		return nil, registry.ErrInvalid
	}
	return s, nil
}

func (w *writer) Claim(_ context.Context, f registry.Fence, bump bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	was, known := w.fences[w.owner]
	shared := slices.ContainsFunc(f.Sources, func(id catalog.Identity) bool { return slices.Contains(was.Sources, id) })
	if known && !shared {
		return registry.ErrForeignFence
	}
	all := slices.Concat(was.Sources, f.Sources)
	slices.Sort(all)
	all = slices.Compact(all)
	if len(all) > len(was.Sources) || bump {
		w.fences[w.owner] = registry.Fence{Owner: f.Owner, Sources: all}
		w.claims++
	}
	if bump || w.epochs[w.owner] == 0 {
		w.epochs[w.owner]++
	}
	w.epoch = w.epochs[w.owner]
	return nil
}

func (w *writer) Put(_ context.Context, all []*catalog.Service) []registry.Result {
	return w.each(all, func(s *catalog.Service) string { return w.putLocked(s) })
}

func (w *writer) Delete(_ context.Context, all []*catalog.Service) []registry.Result {
	return w.each(all, func(s *catalog.Service) string { w.deleteLocked(s.Ref()); return "" })
}

func (w *writer) each(all []*catalog.Service, do func(*catalog.Service) string) []registry.Result {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	results := make([]registry.Result, len(all))
	for i, s := range all {
		r := registry.Result{Ref: s.Ref()}
		if r.Err = w.checkLocked(s); r.Err == nil {
			r.Version = do(s)
			w.writes++
		}
		results[i] = r
	}
	return results
}

func (w *writer) checkLocked(s *catalog.Service) error {
	there := w.services[s.Ref()]
	switch {
	case w.epoch == 0 || w.epoch != w.epochs[w.owner]:
		return registry.ErrFenced
	case s.Ref().Owner != w.owner:
		return registry.ErrNotOwned
	case w.fail != nil && w.fail(s.Ref()) != nil:
		return w.fail(s.Ref())
	case there == nil && s.Version != "", there != nil && there.Version != s.Version:
		return fmt.Errorf("%s: %w", s.Key, registry.ErrConflict)
	}
	return nil
}

// process is one bridge in the test: watchers and loops on a catalog.
type process struct {
	catalog *catalog.Catalog
	loops   map[string]*Loop
	targets map[catalog.Origin]*Target
	log     *strings.Builder
	stop    func()
	// drop ends the watch of an origin as a lost connection does, and join
	// takes it up again.
	drop, join func(catalog.Origin)
}

// start runs a bridge over the stores until stop, which waits for its end.
func start(t *testing.T, recheck Recheck, rules []*Rule, stores ...*store) *process {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	p := &process{catalog: catalog.New(catalog.Policy{}), loops: map[string]*Loop{}, targets: map[catalog.Origin]*Target{}, log: &strings.Builder{}}
	writers, cuts := map[catalog.Origin]*writer{}, map[catalog.Origin]func(){}
	p.join = func(o catalog.Origin) {
		f := p.catalog.Feed(o)
		ctx, cancel := context.WithCancel(ctx)
		done := make(chan struct{})
		wg.Go(func() { defer close(done); _ = writers[o].Watch(ctx, f) })
		cuts[o] = func() { cancel(); <-done; f.Connected(context.DeadlineExceeded) }
		synctest.Wait()
	}
	p.drop = func(o catalog.Origin) { cuts[o](); synctest.Wait() }
	for _, st := range stores {
		writers[st.origin] = st.open(rules[0].Owner)
		p.targets[st.origin] = NewTarget(rules[0].Owner, writers[st.origin])
		p.join(st.origin)
	}
	log := slog.New(slog.NewTextHandler(io.MultiWriter(&lockedWriter{w: p.log}, t.Output()), &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	for _, r := range rules {
		rivals := slices.DeleteFunc(slices.Clone(rules), func(o *Rule) bool { return o == r || o.To != r.To })
		l := NewLoop(r, rivals, p.catalog, p.targets[r.To], recheck, log)
		p.loops[r.String()] = l
		wg.Go(func() { l.Run(ctx) })
	}
	p.stop = func() { cancel(); wg.Wait() }
	return p
}

// lockedWriter lets goroutines share a builder.
type lockedWriter struct {
	mu sync.Mutex // guards w
	w  io.Writer
}

func (w *lockedWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.w.Write(b)
}
