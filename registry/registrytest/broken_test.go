package registrytest

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/memory"
)

// breakage is a way in which a registry may be wrong: each field that is set
// takes the place of what the reference implementation does.
type breakage struct {
	name   string
	reds   []string // the cases that it turns red; "x*" are all that begin with x
	report func(c *brokenClient, r *report)
	watch  func(c *brokenClient, ctx context.Context, feed *catalog.Feed) error
	closed func(c *brokenClient) error
	canon  func(c *brokenClient, s *catalog.Service) (*catalog.Service, error)
	claim  func(c *brokenClient, ctx context.Context, f registry.Fence, bump bool) error
	put    func(c *brokenClient, ctx context.Context, all []*catalog.Service) []registry.Result
	delete func(c *brokenClient, ctx context.Context, all []*catalog.Service) []registry.Result
	lazy   bool // writes do not wait for the feed
}

// report is what a client is about to tell its feed. A breakage edits it.
type report struct {
	first      bool // it is a Replace
	skip       bool // say nothing at all
	identity   catalog.Identity
	namespaces []string // nil: say nothing of them
	set        []*catalog.Service
	gone       []catalog.Ref
	refused    map[string]error // nil: it is well now
}

// brokenPlace opens memory with a breakage between it and the case.
type brokenPlace struct {
	*memoryPlace
	breakage breakage
	opened   atomic.Int32
	stalled  atomic.Bool        // the link was stalled at least once
	ghosts   []*catalog.Service // what a breakage remembers of the report before
}

func (p *brokenPlace) Reader(t T) registry.Registry { return p.Writer(t, "") }

func (p *brokenPlace) Writer(_ T, owner string) registry.Writer {
	return &brokenClient{Writer: p.server.Writer(owner), place: p, owner: owner, number: int(p.opened.Add(1)), told: map[catalog.Ref]*catalog.Service{}, refused: map[string]error{}, memo: map[string]int{}}
}

func (p *brokenPlace) Link() Link { return brokenLink{p.server.Link(), p} }

type brokenLink struct {
	memory.Link
	place *brokenPlace
}

func (l brokenLink) Stall() {
	l.place.stalled.Store(true)
	l.Link.Stall()
}

// brokenClient passes on what memory reports, feed to feed, at once.
type brokenClient struct {
	registry.Writer
	place  *brokenPlace
	owner  string
	number int // of the clients that were opened, from 1

	mu      sync.Mutex // guards what follows
	inner   *catalog.Catalog
	outer   *catalog.Feed // nil while no Watch runs
	first   bool          // the next report is the first of its Watch
	watches int
	claims  int
	learned []catalog.Identity               // in the order of the reports
	told    map[catalog.Ref]*catalog.Service // what outer shows, as inner has it
	refused map[string]error
	memo    map[string]int // what a breakage remembers
}

func (c *brokenClient) Watch(ctx context.Context, feed *catalog.Feed) error {
	if c.place.breakage.watch != nil {
		return c.place.breakage.watch(c, ctx, feed)
	}
	return c.relay(ctx, feed)
}

// relay is Watch with the breakage's reports.
func (c *brokenClient) relay(ctx context.Context, feed *catalog.Feed) error {
	inner := catalog.New(catalog.Policy{})
	in := inner.Feed(origin)
	c.mu.Lock()
	c.inner, c.outer, c.first = inner, feed, true
	c.watches++
	c.mu.Unlock()
	ended := make(chan error, 1)
	go func() { ended <- c.Writer.Watch(ctx, in) }()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.outer = nil
	}()
	for {
		changed := inner.Snapshot().Changed()
		c.flush()
		select {
		case err := <-ended:
			return err
		case <-changed:
		}
	}
}

// flush brings outer up to date with inner.
func (c *brokenClient) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.outer == nil || !c.inner.Snapshot().Synced(origin) {
		return
	}
	r := c.nextLocked(c.inner.Snapshot())
	if c.place.breakage.report != nil {
		c.place.breakage.report(c, &r)
	}
	if !r.skip {
		c.tellLocked(r)
	}
}

// nextLocked returns what s says that outer was not told.
func (c *brokenClient) nextLocked(s *catalog.Snapshot) report {
	r := report{first: c.first, identity: s.State(origin).Identity, namespaces: []string{}, refused: map[string]error{}}
	if s.HoldsNamespace(origin, "quiet") {
		r.namespaces = append(r.namespaces, "quiet")
	}
	if c.first {
		clear(c.told)
	}
	is := map[catalog.Ref]*catalog.Service{}
	for svc := range s.From(origin) {
		is[svc.Ref()] = svc
		if c.told[svc.Ref()] != svc {
			r.set = append(r.set, changed(svc, func(*catalog.Service) {}))
		}
	}
	for ref := range c.told {
		if is[ref] == nil {
			r.gone = append(r.gone, ref)
		}
	}
	for record := range c.refused {
		r.refused[record] = nil
	}
	maps.Insert(r.refused, s.Refused(origin))
	c.told, c.first = is, false
	return r
}

func (c *brokenClient) tellLocked(r report) {
	c.outer.Identify(r.identity)
	if r.namespaces != nil {
		c.outer.ReplaceNamespaces(r.namespaces)
	}
	if r.first {
		c.outer.Replace(r.set)
	} else if len(r.set)+len(r.gone) > 0 {
		c.outer.Update(r.set, r.gone)
	}
	for record, err := range r.refused {
		c.outer.Refuse(record, err)
		delete(c.refused, record)
		if err != nil {
			c.refused[record] = err
		}
	}
}

func (c *brokenClient) Close() error {
	if c.place.breakage.closed != nil {
		return c.place.breakage.closed(c)
	}
	return c.Writer.Close()
}

func (c *brokenClient) Canon(s *catalog.Service) (*catalog.Service, error) {
	if c.place.breakage.canon != nil {
		return c.place.breakage.canon(c, s)
	}
	return c.Writer.Canon(s)
}

func (c *brokenClient) Claim(ctx context.Context, f registry.Fence, bump bool) error {
	c.mu.Lock()
	c.claims++
	c.mu.Unlock()
	if c.place.breakage.claim != nil {
		return c.place.breakage.claim(c, ctx, f, bump)
	}
	return c.Writer.Claim(ctx, f, bump)
}

func (c *brokenClient) Put(ctx context.Context, all []*catalog.Service) []registry.Result {
	if !c.place.breakage.lazy {
		defer c.flush()
	}
	if c.place.breakage.put != nil {
		return c.place.breakage.put(c, ctx, all)
	}
	return c.Writer.Put(ctx, all)
}

func (c *brokenClient) Delete(ctx context.Context, all []*catalog.Service) []registry.Result {
	if !c.place.breakage.lazy {
		defer c.flush()
	}
	if c.place.breakage.delete != nil {
		return c.place.breakage.delete(c, ctx, all)
	}
	return c.Writer.Delete(ctx, all)
}

// held returns what the server holds under the ref of s.
func (c *brokenClient) held(s *catalog.Service) *catalog.Service {
	return c.place.server.Get(s.Ref())
}
