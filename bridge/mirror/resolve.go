package mirror

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

const (
	refresh   = 30 * time.Second // between two lookups of a name that has an answer
	askAgain  = 5 * time.Second  // after a lookup that failed
	lookupIn  = 5 * time.Second  // what one may take
	lookupsAt = 8                // under way at a time
)

// Lookup returns the addresses of a name, which is a whole one. It ends with ctx.
type Lookup func(ctx context.Context, name string) ([]netip.Addr, error)

// SystemLookup asks as the host is set up to, without its search domains: the
// same name has to mean the same wherever a bridge runs.
func SystemLookup(ctx context.Context, name string) ([]netip.Addr, error) {
	return new(net.Resolver).LookupNetIP(ctx, "ip", name+".")
}

// Answers are the addresses of names, as they are known. It is immutable, and
// nil knows none.
type Answers struct {
	of      map[string]answer
	changed chan struct{} // closed when there are newer ones
}

// answer is what is known of one name: addresses, sorted, or why there are none.
type answer struct {
	addrs []netip.Addr
	err   error
}

var errUnasked = errors.New("not looked up yet")

func (a *Answers) get(name string) answer {
	if a != nil {
		if known, ok := a.of[name]; ok {
			return known
		}
	}
	return answer{err: errUnasked}
}

// newer is closed once there are newer ones; nil if nobody asks.
func (a *Answers) newer() <-chan struct{} {
	if a == nil {
		return nil
	}
	return a.changed
}

// places returns instances with addresses in the place of those with names,
// where the rule's mirrors want addresses:
//
//	it is the only one, and mirrors are headless   as it is: it becomes an alias
//	the name has addresses                         one instance for each
//	there is no such name                          without it, which lacks says
//	it is not known                                err: what is there stands
func (a *Answers) places(r *Rule, all []catalog.Endpoint) (placed []catalog.Endpoint, lacks, err error) {
	if !r.Inward || len(all) == 1 && !r.Virtual || !slices.ContainsFunc(all, isNamed) {
		return all, nil, nil
	}
	var lost []error
	for _, e := range all {
		if !isNamed(e) {
			placed = append(placed, e)
			continue
		}
		known := a.get(e.Host.Name)
		if known.err != nil {
			why := fmt.Errorf("address %q of instance %q: %w", e.Host.Name, e.ID, known.err)
			if !isAbsent(known.err) {
				return nil, nil, why
			}
			lost = append(lost, why)
		}
		for _, addr := range known.addrs {
			one := e
			one.ID, one.Host = e.ID+"@"+addr.String(), catalog.Host{Addr: addr}
			placed = append(placed, one)
		}
	}
	if lacks = errors.Join(lost...); len(placed) == 0 {
		return nil, nil, lacks
	}
	return placed, lacks, nil
}

func isNamed(e catalog.Endpoint) bool { return !e.Host.Addr.IsValid() }

func isAbsent(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}

// namesOf returns the names that the instances of r's sources have.
func namesOf(s *catalog.Snapshot, r *Rule) map[string]bool {
	names := map[string]bool{}
	to, joins := s.State(r.To).Identity, false
	r.asking(s, func(asked) { joins = true })
	for e := range s.Entries(r.From) {
		if !joins && (!r.copies(e.Mark(), to) || !r.selects(keyOf(e.Ref().Key, e.Mark()))) {
			continue
		}
		src := e.Service()
		alone := len(src.Endpoints) == 1 && !r.of(src).Virtual
		if !joins && alone {
			continue
		}
		for i := range src.Endpoints {
			if e := &src.Endpoints[i]; isNamed(*e) {
				names[e.Host.Name] = true
			}
		}
	}
	return names
}

// Resolver keeps the addresses of names known, while Run runs. What was answered
// last stands while a name cannot be looked up.
type Resolver struct {
	lookup Lookup
	log    *slog.Logger
	newest atomic.Pointer[Answers]
	news   chan struct{} // has room for one: there are names to look up

	mu    sync.Mutex // guards names
	names map[string]*name
}

// name is one name that is wanted.
type name struct {
	due time.Time // of the next lookup
	answer
	failed bool // the last lookup; it was said
}

// NewResolver returns a Resolver that asks by lookup. It starts nothing.
func NewResolver(lookup Lookup, log *slog.Logger) *Resolver {
	r := &Resolver{lookup: lookup, log: log, news: make(chan struct{}, 1), names: map[string]*name{}}
	r.newest.Store(&Answers{changed: make(chan struct{})})
	return r
}

// Answers returns what is known. It never blocks.
func (r *Resolver) Answers() *Answers { return r.newest.Load() }

// Keep says which names are wanted from now on: these and no others.
func (r *Resolver) Keep(names map[string]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for n := range r.names {
		if !names[n] {
			delete(r.names, n)
		}
	}
	for n := range names {
		if r.names[n] == nil {
			r.names[n] = &name{}
			select {
			case r.news <- struct{}{}:
			default:
			}
		}
	}
}

// Run looks up what is wanted, each name again and again, until ctx ends.
func (r *Resolver) Run(ctx context.Context) {
	for ctx.Err() == nil {
		r.Resolve(ctx)
		r.wait(ctx)
	}
}

// wait blocks until there may be something to look up.
func (r *Resolver) wait(ctx context.Context) {
	var alarm <-chan time.Time
	if due := r.due(); !due.IsZero() {
		timer := time.NewTimer(time.Until(due))
		defer timer.Stop()
		alarm = timer.C
	}
	select {
	case <-ctx.Done():
	case <-alarm:
	case <-r.news:
	}
}

// due is when the first lookup is; zero: none is wanted.
func (r *Resolver) due() (due time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.names {
		due = earliest(due, n.due)
	}
	return due
}

// Resolve looks up once what is due and returns what is known then.
func (r *Resolver) Resolve(ctx context.Context) *Answers {
	var some errgroup.Group
	some.SetLimit(lookupsAt)
	for _, n := range r.dueNames(time.Now()) {
		some.Go(func() error {
			r.one(ctx, n)
			return nil
		})
	}
	_ = some.Wait() // errors are in the answers
	r.publish()
	return r.Answers()
}

func (r *Resolver) dueNames(now time.Time) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for n, is := range r.names {
		if !now.Before(is.due) {
			all = append(all, n)
		}
	}
	return all
}

// one looks up one name and takes what is answered.
func (r *Resolver) one(ctx context.Context, n string) {
	within, cancel := context.WithTimeout(ctx, lookupIn)
	addrs, err := r.lookup(within, n)
	cancel()
	if ctx.Err() != nil {
		return
	}
	if err == nil {
		addrs, err = usable(addrs)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if is := r.names[n]; is != nil {
		r.takeLocked(n, is, answer{addrs, err})
	}
}

func (r *Resolver) takeLocked(n string, is *name, a answer) {
	if a.err == nil {
		if is.failed {
			r.log.Info("name resolves again", "name", n)
		}
		is.answer, is.failed, is.due = a, false, time.Now().Add(refresh)
		return
	}
	if !is.failed {
		r.log.Warn("name does not resolve", "name", n, "known", len(is.addrs), "error", a.err)
	}
	is.failed, is.due = true, time.Now().Add(askAgain)
	if len(is.addrs) == 0 {
		is.err = a.err
	}
}

// usable returns the addresses that others can reach, sorted, each once.
func usable(all []netip.Addr) (kept []netip.Addr, err error) {
	err = errors.New("it has no address")
	for _, a := range all {
		a = a.Unmap()
		if wrong := registry.CheckAddr(a); wrong != nil {
			err = wrong
			continue
		}
		kept = append(kept, a)
	}
	if len(kept) == 0 {
		return nil, err
	}
	slices.SortFunc(kept, netip.Addr.Compare)
	return slices.Compact(kept), nil
}

// publish makes new answers known, if they are others.
func (r *Resolver) publish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.newest.Load()
	next := &Answers{of: make(map[string]answer, len(r.names)), changed: make(chan struct{})}
	same := true
	for n, is := range r.names {
		if is.addrs == nil && is.err == nil {
			continue
		}
		was, known := old.of[n]
		same = same && known && slices.Equal(was.addrs, is.addrs) && sameError(was.err, is.err)
		next.of[n] = is.answer
	}
	if same && len(next.of) == len(old.of) {
		return
	}
	r.newest.Store(next)
	close(old.changed)
}

func sameError(a, b error) bool {
	return a == nil && b == nil || a != nil && b != nil && a.Error() == b.Error()
}
