package zookeeper

import (
	"context"
	"fmt"

	"github.com/isthmus-dns/isthmus/registry"
)

// doubt takes note of a write whose outcome is unknown: it may still be on its way.
func (w *writeState) doubt() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unsure = true
}

func (w *writeState) doubts() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.unsure
}

// settle returns the fence that the next write compares. After one whose outcome is
// unknown that is of another holder of ours, so that whatever of it comes later is
// refused: by the versions of nodes it might not be, since those begin again where a
// mirror was removed and made anew.
func (z *zookeeper) settle(ctx context.Context, s *session) (*fence, error) {
	if !z.writes.doubts() {
		return z.claimedFence(), nil
	}
	z.claiming.Lock()
	defer z.claiming.Unlock()
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	for z.writes.doubts() {
		f, err := z.renew(ctx, s, z.claimedFence())
		if err != nil {
			return nil, fmt.Errorf("zookeeper %q: renew the fence: %w", z.config.name, err)
		}
		if f != nil {
			z.setFence(f)
		}
	}
	return z.claimedFence(), nil
}

// renew gives the fence another holder, if it has the one that we claimed it with or
// tried to; nil, nil means that it changed meanwhile.
func (z *zookeeper) renew(ctx context.Context, s *session, claimed *fence) (*fence, error) {
	is, held, err := readFence(ctx, s, claimed.path)
	switch {
	case err != nil:
		return nil, err
	case is != nil && is.Holder != claimed.Holder && is.Holder != z.drawn:
		return nil, registry.ErrFenced
	case !held:
		return nil, registry.ErrNoFence
	}
	want, err := is.next(nil, true)
	if err != nil {
		return nil, err
	}
	return z.take(ctx, s, is, want, held)
}
