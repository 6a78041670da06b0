package mirror

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/memory"
)

// store is a registry of the test that counts what is asked of it.
type store struct {
	*memory.Server
	origin catalog.Origin

	mu     sync.Mutex // guards following
	calls  int        // of Put and Delete
	writes int        // services written
	claims int
	fail   func(catalog.Ref) error // asked before each service is written
	refuse error                   // what a claim fails with
	spaces error                   // what making a namespace fails with
	spaced int                     // namespaces made
}

func newStore(t testing.TB, o catalog.Origin, text string) *store {
	st := &store{Server: memory.NewServer(id(o)), origin: o}
	st.set(parse(t, text)...)
	return st
}

// set is what the registry's own users do.
func (st *store) set(all ...*catalog.Service) {
	for _, s := range all {
		st.Set(s)
	}
}

func (st *store) remove(refs ...catalog.Ref) {
	for _, ref := range refs {
		st.Remove(ref)
	}
}

// holds reads all that the store holds.
func (st *store) holds(t testing.TB) []*catalog.Service {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	c := catalog.New(catalog.Policy{})
	feed, ended := c.Feed(st.origin), make(chan error, 1)
	go func() { ended <- st.Reader().Watch(ctx, feed) }()
	synced(c, st.origin)
	cancel()
	<-ended
	return slices.Collect(c.Snapshot().From(st.origin))
}

func synced(c *catalog.Catalog, o catalog.Origin) {
	for s := c.Snapshot(); !s.Synced(o); s = c.Snapshot() {
		<-s.Changed()
	}
}

// text is all that the store holds, without versions.
func (st *store) text(t testing.TB) string {
	t.Helper()
	var all []*catalog.Service
	for _, s := range st.holds(t) {
		c := *s
		c.Version = ""
		all = append(all, &c)
	}
	var b strings.Builder
	if err := catalog.WriteText(&b, all); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// counted returns how many calls, services written and claims there were.
func (st *store) counted() (calls, writes, claims int) {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.calls, st.writes, st.claims
}

func (st *store) called() int  { n, _, _ := st.counted(); return n }
func (st *store) written() int { _, n, _ := st.counted(); return n }
func (st *store) claimed() int { _, _, n := st.counted(); return n }

// failing sets what is asked before each service is written.
func (st *store) failing(fail func(catalog.Ref) error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.fail = fail
}

// refusing sets what a claim fails with.
func (st *store) refusing(err error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.refuse = err
}

// writer counts, and refuses services whose name begins with "bad".
type writer struct {
	registry.Writer
	store *store
}

func (st *store) open(owner string) *writer { return &writer{st.Writer(owner), st} }

func (w *writer) Canon(s *catalog.Service) (*catalog.Service, error) {
	if strings.HasPrefix(s.Name, "bad") {
		return nil, registry.ErrInvalid
	}
	return w.Writer.Canon(s)
}

func (w *writer) Claim(ctx context.Context, f registry.Fence, bump bool) error {
	w.store.mu.Lock()
	w.store.claims++
	refuse := w.store.refuse
	w.store.mu.Unlock()
	if refuse != nil {
		return refuse
	}
	return w.Writer.Claim(ctx, f, bump)
}

func (w *writer) CreateNamespace(_ context.Context, ns string) error {
	w.store.mu.Lock()
	err := w.store.spaces
	if err == nil {
		w.store.spaced++
	}
	w.store.mu.Unlock()
	if err != nil {
		return err
	}
	w.store.AddNamespace(ns)
	return nil
}

// allow lets namespaces be made from now on.
func (st *store) allow() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.spaces = nil
}

// made is how many namespaces were.
func (st *store) made() int {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.spaced
}

func (w *writer) Put(ctx context.Context, all []*catalog.Service) []registry.Result {
	return w.count(ctx, all, w.Writer.Put)
}

func (w *writer) Delete(ctx context.Context, all []*catalog.Service) []registry.Result {
	return w.count(ctx, all, w.Writer.Delete)
}

func (w *writer) count(ctx context.Context, all []*catalog.Service, do func(context.Context, []*catalog.Service) []registry.Result) []registry.Result {
	w.store.mu.Lock()
	fail := w.store.fail
	w.store.calls++
	w.store.mu.Unlock()
	results := make([]registry.Result, 0, len(all))
	for _, s := range all {
		if fail != nil {
			if err := fail(s.Ref()); err != nil {
				results = append(results, registry.Result{Ref: s.Ref(), Err: err})
				continue
			}
		}
		r := do(ctx, []*catalog.Service{s})[0]
		if r.Err == nil {
			w.store.mu.Lock()
			w.store.writes++
			w.store.mu.Unlock()
		}
		results = append(results, r)
	}
	return results
}

// process is one bridge in the test: supervisors and loops on a catalog.
type process struct {
	catalog *catalog.Catalog
	loops   map[string]*Loop
	log     *strings.Builder
	stop    func() // waits for the end of all
}

// start runs a bridge over the stores. All are synced before the loops begin.
func start(t *testing.T, recheck Recheck, rules []*Rule, stores ...*store) *process {
	t.Helper()
	return startWith(t, func(*Loop) {}, recheck, rules, stores...)
}

func startWith(t *testing.T, before func(*Loop), recheck Recheck, rules []*Rule, stores ...*store) *process {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	p := &process{catalog: catalog.New(catalog.Policy{}), loops: map[string]*Loop{}, log: &strings.Builder{}}
	p.stop = func() { cancel(); wg.Wait() }
	log := quietLog(io.MultiWriter(&lockedWriter{w: p.log}, t.Output()))
	targets := map[catalog.Origin]*Target{}
	for _, st := range stores {
		w, feed := st.open(rules[0].Owner), p.catalog.Feed(st.origin)
		targets[st.origin] = NewTarget(rules[0].Owner, w)
		wg.Go(func() { registry.Supervise(ctx, w, feed, log) })
		synced(p.catalog, st.origin)
	}
	for _, r := range rules {
		others := slices.DeleteFunc(slices.Clone(rules), func(o *Rule) bool { return o == r || o.To != r.To })
		l := NewLoop(r, others, p.catalog, targets[r.To], recheck, log)
		p.loops[r.String()] = l
		before(l)
		wg.Go(func() { l.Run(ctx) })
	}
	return p
}

// quietLog is a log without times.
func quietLog(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

// lockedWriter lets goroutines share a builder.
type lockedWriter struct {
	mu sync.Mutex // guards w
	w  io.Writer
}

func (w *lockedWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, err := w.w.Write(b)
	if err != nil {
		return n, fmt.Errorf("write the log: %w", err)
	}
	return n, nil
}
