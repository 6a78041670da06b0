package memory

import (
	"context"
	"fmt"
	"sync"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// client is a Reader or, with an owner, a Writer.
type client struct {
	server *Server
	owner  string

	mu    sync.Mutex    // guards what follows; taken before Server.mu
	feed  *catalog.Feed // nil while no Watch runs
	seen  listing       // what the feed was last told, without its services
	epoch int           // of the fence as last claimed; 0: never
}

var _ registry.Writer = (*client)(nil)

// Reader opens the server for reading.
func (s *Server) Reader() registry.Registry { return &client{server: s} }

// Writer opens the server for owner to write to.
func (s *Server) Writer(owner string) registry.Writer { return &client{server: s, owner: owner} }

// Close does nothing: there is no connection to give up.
func (c *client) Close() error { return nil }

// Watch reports everything, then what changes, until ctx ends or the
// connection breaks or the server forgot where it was.
func (c *client) Watch(ctx context.Context, feed *catalog.Feed) error {
	defer c.unfeed()
	if err := c.list(ctx, feed); err != nil {
		return fmt.Errorf("memory: list: %w", err)
	}
	for {
		moved, err := c.next(ctx)
		if err != nil {
			return fmt.Errorf("memory: watch: %w", err)
		}
		select {
		case <-ctx.Done():
		case <-moved:
		}
	}
}

func (c *client) unfeed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.feed = nil
}

func (c *client) list(ctx context.Context, feed *catalog.Feed) error {
	if err := c.server.reach(ctx); err != nil {
		return err
	}
	c.server.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.server.mu.Lock()
	l := c.server.listLocked()
	c.server.mu.Unlock()
	feed.Identify(l.identity)
	feed.ReplaceNamespaces(l.namespaces)
	feed.Replace(l.set)
	c.feed = feed
	c.refuse(l.malformed)
	c.saw(l)
	return nil
}

// next brings the feed up to date and returns what is closed when there is
// more.
func (c *client) next(ctx context.Context) (<-chan struct{}, error) {
	if err := c.server.reach(ctx); err != nil {
		return nil, err
	}
	moved, lost := c.server.moved, c.server.link == deaf
	c.server.mu.Unlock()
	if lost {
		return nil, errCut
	}
	c.mu.Lock()
	defer c.mu.Unlock()
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
	if l.version == c.seen.version {
		return nil
	}
	c.feed.ReplaceNamespaces(l.namespaces)
	c.feed.Update(l.set, l.gone)
	c.refuse(l.malformed)
	c.saw(l)
	return nil
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
