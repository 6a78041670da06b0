package memory

import (
	"context"

	"github.com/isthmus-dns/isthmus/registry"
)

// lost is why a request that did not reach the server failed, as far as can be told.
func (c *client) lost(fate Fate, err error) error {
	if fate != Lost || !c.server.ways.Unsure {
		return err
	}
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	return c.unknownLocked()
}

// unknownLocked takes note of a write of which the outcome is unknown.
func (c *client) unknownLocked() error {
	c.unsure = true
	return registry.ErrUnknownOutcome
}

// settle has those writes refused that may still be on their way: it moves the fence,
// if that is this client's.
func (c *client) settle(ctx context.Context) error {
	c.server.mu.Lock()
	unsure := c.unsure && c.server.ways.Unsure
	c.server.mu.Unlock()
	if !unsure {
		return nil
	}
	fate, err := c.reach(ctx, Request{Verb: Renew})
	if err != nil {
		return c.lost(fate, err)
	}
	defer c.server.mu.Unlock()
	is, claimed := c.server.fences[c.owner]
	switch {
	case !claimed:
		return registry.ErrNoFence
	case c.epoch == 0 || !c.holdsLocked(is):
		return registry.ErrFenced
	}
	is = c.server.movedLocked(is, c.epoch)
	c.server.fences[c.owner], c.drawn = is, is.epoch
	if fate == Unanswered || c.server.link == deaf {
		return registry.ErrUnknownOutcome
	}
	c.epoch, c.unsure = is.epoch, false
	return nil
}

// holdsLocked reports whether this client moved the fence last, be it that nobody
// answered.
func (c *client) holdsLocked(is fence) bool {
	return is.epoch != 0 && (is.epoch == c.epoch || is.epoch == c.drawn)
}
