package memory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// compareIn is how often everything is read again: a watch is a hint.
const compareIn = 5 * time.Minute

// errRestored ends a Watch of a server that is not what it was.
var errRestored = errors.New("restored from a backup, list again")

// client is a Reader or, with an owner, a Writer.
type client struct {
	server *Server
	wire   Wire // nil: only the server's Link is in the way
	owner  string

	mu   sync.Mutex    // guards what follows; taken before Server.mu
	feed *catalog.Feed // nil while no Watch runs
	seen listing       // what the feed was last told, without its services
	lull lull

	synced bool // the server that the Watch reads from caught up; the Watch's own

	// Server.mu guards what follows.
	epoch  int  // of the fence as last claimed; 0: never
	drawn  int  // what it moved the fence to, be it that nobody answered
	unsure bool // a write's outcome is unknown, and it may be on its way
}

var _ registry.Writer = (*client)(nil)

// Reader opens the server for reading.
func (s *Server) Reader() registry.Registry { return &client{server: s} }

// Writer opens the server for owner to write to.
func (s *Server) Writer(owner string) registry.Writer { return &client{server: s, owner: owner} }

// Close does nothing: there is no connection to give up.
func (c *client) Close() error { return nil }

// Watch reports everything, then what changes, until ctx ends or the
// connection breaks or the server forgot where it was. It reads everything again
// now and then, and counts what it was not told of.
func (c *client) Watch(ctx context.Context, feed *catalog.Feed) error {
	defer c.unfeed()
	if err := c.list(ctx, feed); err != nil {
		return fmt.Errorf("memory: list: %w", err)
	}
	compare := time.NewTicker(compareIn)
	defer compare.Stop()
	for {
		moved, err := c.next(ctx)
		if err != nil {
			return fmt.Errorf("memory: watch: %w", err)
		}
		select {
		case <-ctx.Done():
		case <-moved:
		case <-c.lapsing():
			c.lapse(feed)
		case <-compare.C:
			if err := c.compare(ctx, feed); err != nil {
				return fmt.Errorf("memory: compare: %w", err)
			}
		}
	}
}

func (c *client) unfeed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.feed = nil
}

func (c *client) list(ctx context.Context, feed *catalog.Feed) error {
	c.synced = false
	id, err := c.sync(ctx)
	if err != nil {
		return err
	}
	feed.Identify(id)
	return c.read(ctx, func(l listing) error {
		if l.identity != id {
			return errOther
		}
		feed.ReplaceNamespaces(l.namespaces)
		feed.Partial(l.partial)
		feed.Replace(c.keepAllLocked(l, feed).set)
		c.feed = feed
		return nil
	})
}

// identity is that of what was read last; "" if nothing ever was.
func (c *client) identity() catalog.Identity {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen.identity
}

// compare reports what the Watch missed.
func (c *client) compare(ctx context.Context, feed *catalog.Feed) error {
	return c.read(ctx, func(l listing) error {
		if l.identity != c.seen.identity {
			return errOther
		}
		missed, gone := 0, feed.State().Services
		for _, svc := range l.set {
			was := feed.Get(svc.Ref())
			if was != nil {
				gone--
			}
			if was == nil || was.Version != svc.Version {
				missed++
			}
		}
		if missed += gone; missed > 0 {
			feed.Missed(missed)
		}
		feed.ReplaceNamespaces(l.namespaces)
		feed.Partial(l.partial)
		feed.Replace(c.keepAllLocked(l, feed).set)
		return nil
	})
}

// read has tell report everything. What a server says that is behind one which
// was heard before is not reported.
func (c *client) read(ctx context.Context, tell func(listing) error) error {
	fate, err := c.reach(ctx, Request{Verb: List})
	if err != nil {
		return err
	}
	c.server.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	l, err := c.answered(fate)
	if err != nil {
		return err
	}
	if err := tell(l); err != nil {
		return err
	}
	c.refuse(l.malformed)
	c.saw(l)
	return nil
}

var errBehind = errors.New("answered by a server that is behind, list again")

// answered is what a list returns, as of now or as its fate is.
func (c *client) answered(fate Fate) (listing, error) {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	l := c.server.listLocked()
	if c.server.link == astray {
		return l, nil
	}
	switch fate {
	case Empty:
		l.set = nil
	case Older:
		return c.olderLocked(l)
	}
	return l, nil
}

// next brings the feed up to date and returns what is closed when there is
// more.
func (c *client) next(ctx context.Context) (<-chan struct{}, error) {
	fate, err := c.reach(ctx, Request{Verb: Watch})
	if err != nil {
		return nil, err
	}
	moved, lost, is := c.server.moved, c.server.link == deaf, c.server.headLocked()
	c.server.mu.Unlock()
	if lost {
		return nil, errCut
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if fate == Unseen && is.identity == c.seen.identity && is.restored == c.seen.restored && is.version > c.seen.version {
		is.malformed, is.partial, is.namespaces = c.seen.malformed, c.seen.partial, c.seen.namespaces
		c.saw(is)
	}
	return moved, c.catchUpLocked()
}

// catchUpLocked tells the feed, if there is one, what changed since it was
// last told.
func (c *client) catchUpLocked() error {
	if c.feed == nil {
		return nil
	}
	c.server.mu.Lock()
	l, err := c.server.sinceLocked(c.seen.version)
	c.server.mu.Unlock()
	if err != nil {
		return err
	}
	if l.identity != c.seen.identity {
		return errOther
	}
	if l.restored != c.seen.restored {
		return errRestored
	}
	if l.version == c.seen.version {
		return nil
	}
	c.feed.Partial(l.partial)
	if !slices.Equal(l.namespaces, c.seen.namespaces) {
		c.feed.ReplaceNamespaces(l.namespaces)
	}
	l = c.keepLocked(l)
	c.feed.Update(l.set, l.gone)
	c.refuse(l.malformed)
	c.saw(l)
	return nil
}

// wroteLocked tells the feed, if there is one, what became of what this client wrote.
func (c *client) wroteLocked(all []registry.Result) {
	if c.feed == nil {
		return
	}
	c.server.mu.Lock()
	var l listing
	for _, r := range all {
		switch is := c.server.records[r.Ref]; {
		case r.Err != nil:
		case is == nil:
			l.gone = append(l.gone, r.Ref)
		default:
			l.set = append(l.set, read(is))
		}
	}
	c.server.mu.Unlock()
	c.feed.Update(l.set, l.gone)
}

// refuse tells the feed of the records that are malformed now and of those
// that are no more.
func (c *client) refuse(now map[string]error) {
	for record := range c.seen.malformed {
		if now[record] == nil {
			c.feed.Refuse(record, nil)
		}
	}
	for record, err := range now {
		c.feed.Refuse(record, err)
	}
}

func (c *client) saw(l listing) {
	l.set, l.gone = nil, nil
	c.seen = l
}
