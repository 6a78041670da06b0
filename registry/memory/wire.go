package memory

import (
	"context"
	"fmt"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// Verb is what a request asks for.
type Verb int

// The requests that there are.
const (
	List Verb = iota
	Watch
	Claim
	MakeNamespace
	Put
	Delete
	Lease // to take one, renew it or give it up
	Sync  // before a list: which registry it is, and that a server which follows catches up
	Renew // to move the fence, so that writes on their way are refused
)

// Request is one request on its way to the server.
type Request struct {
	Verb Verb
	Ref  catalog.Ref // of a Put or Delete
}

// Fate is what becomes of a request.
type Fate int

// The fates that there are.
const (
	Passes     Fate = iota
	Lost            // it never reaches the server, and fails
	Unanswered      // of a write or a lease: the server takes it, and its answer is lost
	Late            // of a write: its outcome is unknown, and it reaches the server by Land
	Unseen          // of a watch: nothing is told of what changed up to now
	Older           // of a list: answered by a server that is behind: what the last Save saw
	Empty           // of a list: answered in full, by a server that lost its memory
)

// Wire is what one Reader or Writer reaches the server by. Its methods may be
// called from any goroutine.
type Wire interface {
	// Fate decides on a request before it reaches the server. It may take its
	// time, until ctx ends.
	Fate(ctx context.Context, r Request) Fate
	// Landed is told of each write that the server took, in their order: what
	// stood there and what stands there now, nil for nothing, and the version that
	// it was to stand at. It must not call the server, nor keep or change the
	// services.
	Landed(was, is *catalog.Service, at string)
	// Claimed is told of each claim of an owner's fence that the server took, in
	// order with its writes.
	Claimed()
}

// Via opens the server over a wire.
func (s *Server) Via(w Wire) Line { return Line{s, w} }

// Line is a server over a wire.
type Line struct {
	server *Server
	wire   Wire
}

// Reader opens the server for reading.
func (l Line) Reader() registry.Registry { return &client{server: l.server, wire: l.wire} }

// Writer opens the server for owner to write to.
func (l Line) Writer(owner string) registry.Writer {
	return &client{server: l.server, wire: l.wire, owner: owner}
}

// reach takes the server's lock once a request has arrived there. The caller
// unlocks after a nil error.
func (c *client) reach(ctx context.Context, r Request) (Fate, error) {
	fate := Passes
	if c.wire != nil {
		fate = c.wire.Fate(ctx, r)
	}
	if fate == Lost && ctx.Err() == nil {
		return fate, errCut
	}
	if err := c.server.reach(ctx); err != nil {
		return fate, err
	}
	if c.server.link != astray || r.Verb == List || r.Verb == Watch || r.Verb == Sync {
		return fate, nil
	}
	c.server.mu.Unlock()
	if r.Verb == Put || r.Verb == Delete {
		return fate, fmt.Errorf("%w: %w", registry.ErrNoFence, errOther)
	}
	return fate, errOther
}

func (c *client) landed(was, is *catalog.Service, at string) {
	if c.wire != nil {
		c.wire.Landed(was, is, at)
	}
}

func (c *client) claimed() {
	if c.wire != nil {
		c.wire.Claimed()
	}
}

// Land lets all writes reach the server that are on their way, each on its own
// conditions, and returns how many of them it took and how many it refused.
func (s *Server) Land() (taken, refused int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, write := range s.late {
		if write() {
			taken++
		} else {
			refused++
		}
	}
	s.late = nil
	return taken, refused
}
