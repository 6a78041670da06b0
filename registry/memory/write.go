package memory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// Canon returns a sorted copy with the TTL in whole seconds; an endpoint with
// an address that no other host can reach is refused. Endpoints that are not ready
// are left out by the Server's Ways.
func (c *client) Canon(s *catalog.Service) (*catalog.Service, error) {
	if err := check(s); err != nil {
		return nil, fmt.Errorf("service %q: %w", s.Key, err)
	}
	k := clone(s)
	k.Origin, k.Version = "", ""
	k.TTL = k.TTL.Truncate(time.Second)
	if c.server.ways.ReadyOnly {
		k.Endpoints = slices.DeleteFunc(k.Endpoints, func(e catalog.Endpoint) bool { return !e.Ready })
		if len(k.Endpoints) == 0 && k.Alias == "" {
			return nil, nil
		}
	}
	return k, nil
}

// Beside returns nil: services of all owners stand under one key.
func (c *client) Beside(_, _ *catalog.Service) error { return nil }

func check(s *catalog.Service) error {
	if _, err := catalog.ParseKey(s.Key.String()); err != nil {
		return fmt.Errorf("%w: %w", err, registry.ErrInvalid)
	}
	for _, e := range s.Endpoints {
		if !e.Host.Addr.IsValid() && e.Host.Name != "" {
			continue
		}
		if err := registry.CheckAddr(e.Host.Addr); err != nil {
			return fmt.Errorf("endpoint %q: %w", e.ID, err)
		}
	}
	return nil
}

// Claim makes the owner's fence this Writer's.
func (c *client) Claim(ctx context.Context, f registry.Fence, bump bool) error {
	if err := c.claim(ctx, f, bump); err != nil {
		return fmt.Errorf("memory: claim the fence of %q: %w", f.Owner, err)
	}
	return nil
}

func (c *client) claim(ctx context.Context, f registry.Fence, bump bool) error {
	read := c.identity()
	fate, err := c.reach(ctx, Request{Verb: Claim})
	if err != nil {
		return err
	}
	defer c.server.mu.Unlock()
	if read != "" && read != c.server.headLocked().identity {
		return errOther
	}
	last := c.epoch
	if is := c.server.fences[f.Owner]; last != 0 && c.holdsLocked(is) {
		last = is.epoch
	}
	epoch, err := c.server.claimLocked(f, bump, last)
	if err != nil {
		return err
	}
	c.claimed()
	if fate == Unanswered {
		return registry.ErrUnknownOutcome
	}
	c.epoch, c.unsure = epoch, c.unsure && epoch == c.epoch
	return nil
}

// claimLocked returns the epoch of the fence after it was claimed. Who claims
// had it at the epoch last; 0: never. No epoch comes twice, also where the fence
// was lost or is that of a backup.
func (s *Server) claimLocked(f registry.Fence, bump bool, last int) (int, error) {
	is, known := s.fences[f.Owner]
	if last != 0 && known && is.epoch > last && !bump {
		return 0, registry.ErrFenced
	}
	ours := func(id catalog.Identity) bool { return slices.Contains(f.Sources, id) }
	if known && len(is.sources) > 0 && !slices.ContainsFunc(is.sources, ours) {
		return 0, registry.ErrForeignFence
	}
	all := slices.Concat(is.sources, f.Sources)
	slices.Sort(all)
	all = slices.Compact(all)
	bump = bump || !known || is.epoch < last
	if !bump && slices.Equal(all, is.sources) {
		return is.epoch, nil
	}
	if bump {
		is = s.movedLocked(is, last)
	} else {
		s.changedLocked(catalog.Ref{})
	}
	is.sources, is.version = all, s.version
	s.fences[f.Owner] = is
	return is.epoch, nil
}

// movedLocked is a fence at an epoch that none was at before, also none that the one
// who moves it had last.
func (s *Server) movedLocked(is fence, last int) fence {
	s.epoch = max(is.epoch, last, s.version, s.epoch) + 1
	s.changedLocked(catalog.Ref{})
	is.epoch, is.version = s.epoch, s.version
	return is
}

// Put writes each service on condition of its version and the fence.
func (c *client) Put(ctx context.Context, all []*catalog.Service) []registry.Result {
	return c.each(ctx, Put, all, func(svc *catalog.Service, epoch int) (string, error) {
		canon, err := c.Canon(svc)
		if err != nil {
			return "", err
		}
		if err := c.mayWriteLocked(svc, epoch); err != nil {
			return "", err
		}
		c.landed(c.server.records[svc.Ref()], canon, svc.Version)
		if canon == nil {
			c.server.removeLocked(svc.Ref())
			return "", nil
		}
		c.server.setLocked(canon)
		return canon.Version, nil
	})
}

// Delete removes each service on condition of its version and the fence.
func (c *client) Delete(ctx context.Context, all []*catalog.Service) []registry.Result {
	return c.each(ctx, Delete, all, func(svc *catalog.Service, epoch int) (string, error) {
		if err := c.mayWriteLocked(svc, epoch); err != nil {
			return "", err
		}
		c.landed(c.server.records[svc.Ref()], nil, svc.Version)
		c.server.removeLocked(svc.Ref())
		return "", nil
	})
}

// writer does one write; it needs the server's lock.
type writer func(svc *catalog.Service, epoch int) (version string, err error)

// each writes one service after the other and shows the feed what came of it.
func (c *client) each(ctx context.Context, verb Verb, all []*catalog.Service, write writer) []registry.Result {
	results := make([]registry.Result, len(all))
	stop := c.settle(ctx)
	for i, svc := range all {
		version, err := "", stop
		if stop == nil {
			version, err = c.one(ctx, verb, svc, write)
		}
		if c.server.ways.Unsure && stop == nil && errors.Is(err, registry.ErrUnknownOutcome) {
			stop = fmt.Errorf("not tried: %w", err)
		}
		if err != nil {
			err = fmt.Errorf("memory: write service %q: %w", svc.Key, err)
		}
		results[i] = registry.Result{Ref: svc.Ref(), Version: version, Err: err}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server.ways.Follows {
		c.wroteLocked(results)
		return results
	}
	if err := c.catchUpLocked(); err != nil {
		return results // the Watch meets the same error and ends by it
	}
	return results
}

func (c *client) one(ctx context.Context, verb Verb, svc *catalog.Service, write writer) (string, error) {
	fate, err := c.reach(ctx, Request{Verb: verb, Ref: svc.Ref()})
	if err != nil {
		return "", c.lost(fate, err)
	}
	defer c.server.mu.Unlock()
	epoch := c.epoch // also if it was claimed anew since the others of its batch
	if fate == Late {
		c.server.late = append(c.server.late, func() bool { _, err := write(svc, epoch); return err == nil })
		return "", c.unknownLocked()
	}
	version, err := write(svc, epoch)
	if fate == Unanswered || c.server.link == deaf {
		return "", c.unknownLocked()
	}
	return version, err
}

// mayWriteLocked compares what a write of svc depends on.
func (c *client) mayWriteLocked(svc *catalog.Service, epoch int) error {
	is := c.server.records[svc.Ref()]
	fence, claimed := c.server.fences[c.owner]
	switch {
	case epoch != 0 && !claimed:
		return registry.ErrNoFence
	case epoch == 0 || fence.epoch != epoch:
		return registry.ErrFenced
	case svc.Mark == nil || svc.Mark.Owner != c.owner:
		return registry.ErrNotOwned
	case is == nil && svc.Version == "":
		return nil
	case is != nil && svc.Version != "" && c.server.comparesLocked(svc.Version) == c.server.comparesLocked(is.Version) && is.Mark.Format <= catalog.MarkFormat:
		return nil
	case is != nil && is.Mark.Format > catalog.MarkFormat:
		return registry.ErrNotOwned
	}
	return registry.ErrConflict
}
