package bridge

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/isthmus-dns/isthmus/bridge/mirror"
	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// Bridge is a configuration with its registries open. Make one with Open, use
// it by one Run or one Plan, and Close it.
type Bridge struct {
	config     *Config
	log        *slog.Logger
	catalog    *catalog.Catalog
	registries map[catalog.Origin]registry.Registry
	targets    map[catalog.Origin]*mirror.Target
	loops      []*mirror.Loop    // in the order of the rules
	election   registry.Election // nil: nobody is elected
	leader     leadership
}

// Open opens every registry: those that a rule writes to as the owner's, the
// others for reading only. It connects to none. An error names the place in the
// file of a rule to a registry that cannot be written to.
func Open(c *Config, log *slog.Logger) (*Bridge, error) {
	b := newBridge(c, log)
	for _, rc := range c.Registries {
		if err := b.open(c.detailed(rc)); err != nil {
			return nil, errors.Join(err, b.Close())
		}
	}
	for _, r := range c.Rules {
		if r.Naming.Namespace == "" {
			err := c.places[r].Errorf("the rule to %q wants a namespace for its mirrors: add %q to its block", r.To, "namespace NAME")
			return nil, errors.Join(err, b.Close())
		}
		b.loops = append(b.loops, mirror.NewLoop(r, c.others(r), b.catalog, b.targets[r.To], b.recheck, log))
	}
	if err := b.openElection(); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

func newBridge(c *Config, log *slog.Logger) *Bridge {
	return &Bridge{
		config:     c,
		log:        log,
		catalog:    catalog.New(policy(c)),
		registries: map[catalog.Origin]registry.Registry{},
		targets:    map[catalog.Origin]*mirror.Target{},
	}
}

func policy(c *Config) catalog.Policy {
	p := catalog.Policy{Packed: true}
	for _, rc := range c.Registries {
		p.Origins = append(p.Origins, rc.Policy())
	}
	return p
}

// others are the other rules to r's target.
func (c *Config) others(r *mirror.Rule) []*mirror.Rule {
	var all []*mirror.Rule
	for _, o := range c.Rules {
		if o != r && o.To == r.To {
			all = append(all, o)
		}
	}
	return all
}

func (b *Bridge) open(rc registry.Config) error {
	for _, r := range b.config.Rules {
		if r.To != rc.Origin() {
			continue
		}
		err := b.openToWrite(rc)
		if errors.Is(err, errors.ErrUnsupported) {
			return b.config.places[r].Errorf("%q cannot be mirrored to, it is read-only: %w", rc.Origin(), errors.Unwrap(err))
		}
		return err
	}
	return b.openToRead(rc)
}

func (b *Bridge) openToWrite(rc registry.Config) error {
	o := rc.Origin()
	w, err := rc.Writer(b.config.Owner, b.log.With("origin", string(o)))
	if err != nil {
		return fmt.Errorf("open %q: %w", o, err)
	}
	b.registries[o], b.targets[o] = w, mirror.NewTarget(b.config.Owner, w)
	return nil
}

func (b *Bridge) openToRead(rc registry.Config) error {
	o := rc.Origin()
	r, err := rc.Reader(b.log.With("origin", string(o)))
	if err != nil {
		return fmt.Errorf("open %q: %w", o, err)
	}
	b.registries[o] = r
	return nil
}

// Close gives up all registries. It is called after Run or Plan returned.
func (b *Bridge) Close() error {
	var all []error
	for o, r := range b.registries {
		if err := r.Close(); err != nil {
			all = append(all, fmt.Errorf("close %q: %w", o, err))
		}
	}
	if b.election != nil {
		if err := b.election.Close(); err != nil {
			all = append(all, fmt.Errorf("close the election: %w", err))
		}
	}
	return errors.Join(all...)
}
