package mirror

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

const (
	purgeTries = 5   // in a row that remove nothing
	maxSaid    = 10  // failures that an error names
	purgeBatch = 256 // removed between two looks at the catalog
)

// Purge removes what list returns, by the conditions of every write: the owner's
// fence, which is claimed for the sources first, and each mirror's version. With
// takeOver a bridge of this owner that still runs writes nothing more.
//
// list is asked again after every batch and says what is left, so that what
// changed meanwhile is removed as it is now; gone is told how many went. Purge
// returns when nothing is left, and with an error when ctx ended, the fence is
// another's, or what is left cannot be removed.
func (t *Target) Purge(ctx context.Context, sources []catalog.Identity, takeOver bool, list func() []*catalog.Service, gone func(int)) error {
	if err := t.writer.Claim(ctx, registry.Fence{Owner: t.owner, Sources: sources}, takeOver); err != nil {
		return fmt.Errorf("claim the fence of owner %q: %w", t.owner, err)
	}
	var failed []error
	for tries := 0; tries < purgeTries; tries++ {
		if err := pauseFor(ctx, tries); err != nil {
			return err
		}
		all := list()
		if len(all) == 0 {
			return nil
		}
		n, errs := t.remove(ctx, all)
		gone(n)
		if failed = errs; t.Lost() != nil {
			break
		}
		if n > 0 {
			tries = -1
		}
	}
	return joined(failed)
}

// remove tries everything once, batch by batch.
func (t *Target) remove(ctx context.Context, all []*catalog.Service) (n int, errs []error) {
	for len(all) > 0 && ctx.Err() == nil && t.may() {
		batch := all[:min(len(all), purgeBatch)]
		all = all[len(batch):]
		for i, o := range t.write(ctx, t.writer.Delete, asDeletions(batch)) {
			if o.Err == nil {
				n++
				continue
			}
			errs = append(errs, fmt.Errorf("remove %q: %w", batch[i].Key, o.Err))
		}
	}
	return n, errs
}

func asDeletions(all []*catalog.Service) []Change {
	changes := make([]Change, len(all))
	for i, m := range all {
		changes[i] = Change{Found: m}
	}
	return changes
}

// pauseFor waits before another try; ever longer.
func pauseFor(ctx context.Context, tries int) error {
	if tries == 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(pause(tries, nil))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// joined is one error of many, the first few by name.
func joined(errs []error) error {
	if more := len(errs) - maxSaid; more > 0 {
		errs = append(errs[:maxSaid:maxSaid], fmt.Errorf("and %d more", more))
	}
	return errors.Join(errs...)
}
