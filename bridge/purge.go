package bridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/isthmus-dns/isthmus/bridge/mirror"
	"github.com/isthmus-dns/isthmus/catalog"
)

// Purge is what to remove of an owner's mirrors, and who is asked and told.
type Purge struct {
	Orphans bool               // only those that no rule of the file wants any more
	Of      []catalog.Identity // only copies from these registries, which need not be there any more; none: all
	At      []catalog.Origin   // only at these; none: at all that can be written to
	Wait    time.Duration      // how long for the registries to be read
	// Waiting is told which registries are waited for, where that takes a while.
	Waiting func([]catalog.Origin)
	// Agree is shown what would go, which is not nothing, and says whether it does.
	Agree func([]Doomed) (bool, error)
	// Progress is told how many of all are gone.
	Progress func(gone, all int)
}

// Doomed is one mirror that a purge would remove.
type Doomed struct {
	Origin catalog.Origin
	Mirror *catalog.Service
}

// ErrDisagreed is what Run returns if Agree says no.
var ErrDisagreed = errors.New("nothing was removed")

// Run removes mirrors of the configuration's owner. Every registry of the file that
// can be written to is opened for it, whether a rule leads there or not. It writes as
// a bridge would: only mirrors of this owner, at the versions that were read, and
// by the owner's fence, which has to name a source of the rules or one of Of.
// Unless only orphans go, a bridge of this owner that still runs writes nothing more until it
// is restarted.
func (p Purge) Run(ctx context.Context, c *Config, log *slog.Logger) (err error) {
	b, err := openAll(c, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	watching, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	b.watch(watching, &wg)
	at, err := p.targets(b)
	if err != nil {
		return err
	}
	if err := p.read(ctx, b, at); err != nil {
		return err
	}
	all := p.doomed(b, at)
	if len(all) == 0 {
		return nil
	}
	if yes, err := p.Agree(all); err != nil || !yes {
		return cmp.Or(err, ErrDisagreed)
	}
	return p.remove(ctx, b, at, all)
}

// openAll opens every registry for writing that can be written to.
func openAll(c *Config, log *slog.Logger) (*Bridge, error) {
	b := newBridge(c, log)
	for _, rc := range c.Registries {
		err := b.openToWrite(rc)
		if errors.Is(err, errors.ErrUnsupported) {
			err = b.openToRead(rc)
		}
		if err != nil {
			return nil, errors.Join(err, b.Close())
		}
	}
	return b, nil
}

// targets are where mirrors may go, in the order of the file.
func (p Purge) targets(b *Bridge) ([]catalog.Origin, error) {
	for _, o := range p.At {
		if b.registries[o] == nil {
			return nil, fmt.Errorf("unknown registry %q", o)
		}
		if b.targets[o] == nil {
			return nil, fmt.Errorf("registry %q is read-only", o)
		}
	}
	var at []catalog.Origin
	for _, rc := range b.config.Registries {
		o := rc.Origin()
		if b.targets[o] != nil && (len(p.At) == 0 || slices.Contains(p.At, o)) {
			at = append(at, o)
		}
	}
	return at, nil
}

// read waits for the registries. What is an orphan shows only where all are
// known; else the targets are enough, with a source for each.
func (p Purge) read(ctx context.Context, b *Bridge, at []catalog.Origin) error {
	ctx, cancel := context.WithTimeout(ctx, p.Wait)
	defer cancel()
	_, err := b.synced(ctx, p.Waiting)
	if err == nil {
		return nil
	}
	s := b.catalog.Snapshot()
	if p.Orphans || !s.Synced(at...) {
		return err
	}
	for _, o := range at {
		if len(p.sources(b, s, o)) == 0 {
			return fmt.Errorf("no source of the rules to %q is known: %w", o, err)
		}
	}
	return nil
}

// doomed lists what would go now.
func (p Purge) doomed(b *Bridge, at []catalog.Origin) []Doomed {
	s := b.catalog.Snapshot()
	var all []Doomed
	for _, o := range at {
		for _, m := range p.list(b, s, o) {
			all = append(all, Doomed{o, m})
		}
	}
	return all
}

func (p Purge) list(b *Bridge, s *catalog.Snapshot, o catalog.Origin) []*catalog.Service {
	all := mirror.Owned(s, b.config.Owner, o)
	if p.Orphans {
		all = mirror.Orphans(s, b.config.Rules, b.config.Owner, o)
	}
	if len(p.Of) > 0 {
		all = slices.DeleteFunc(all, func(m *catalog.Service) bool {
			return !slices.Contains(p.Of, m.Mark.Of) && !slices.Contains(p.Of, mirror.ReadFrom(m.Mark))
		})
	}
	return all
}

// sources are the registries by which the owner's fence at o is known as ours:
// those that rules mirror from to there, or where no rule leads any more, all
// others of the file; or those that were named.
func (p Purge) sources(b *Bridge, s *catalog.Snapshot, o catalog.Origin) []catalog.Identity {
	if len(p.Of) > 0 {
		return slices.Compact(slices.Sorted(slices.Values(p.Of)))
	}
	var ruled, others []catalog.Identity
	for _, r := range b.config.Rules {
		if id := s.State(r.From).Identity; r.To == o && id != "" {
			ruled = append(ruled, id)
		}
	}
	for _, st := range s.Origins() {
		if st.Origin != o && st.Identity != "" {
			others = append(others, st.Identity)
		}
	}
	if len(ruled) > 0 {
		others = ruled
	}
	slices.Sort(others)
	return slices.Compact(others)
}

// remove removes what was agreed to, registry by registry; one that fails is in
// nobody's way.
func (p Purge) remove(ctx context.Context, b *Bridge, at []catalog.Origin, agreed []Doomed) error {
	gone := 0
	var failed []error
	for _, o := range at {
		refs := map[catalog.Ref]bool{}
		for _, d := range agreed {
			if d.Origin == o {
				refs[d.Mirror.Ref()] = true
			}
		}
		if len(refs) == 0 {
			continue
		}
		list := func() []*catalog.Service {
			return slices.DeleteFunc(p.list(b, b.catalog.Snapshot(), o), func(m *catalog.Service) bool { return !refs[m.Ref()] })
		}
		sources := p.sources(b, b.catalog.Snapshot(), o)
		err := b.targets[o].Purge(ctx, sources, !p.Orphans, list, func(n int) { gone += n; p.Progress(gone, len(agreed)) })
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", o, err))
		}
	}
	return errors.Join(failed...)
}
