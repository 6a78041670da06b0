package bridge

import (
	"slices"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// RightsAt are the rights that a bridge wants in one registry.
type RightsAt struct {
	Origin catalog.Origin `json:"origin"`
	registry.Rights
}

// Rights returns what a bridge with this configuration wants, and no more, in the
// order of the file; registries without a system of rights are left out. It does
// no I/O.
func (c *Config) Rights() []RightsAt {
	all := []RightsAt{}
	for _, rc := range c.Registries {
		if g, ok := c.detailed(rc).(registry.Granter); ok {
			all = append(all, RightsAt{rc.Origin(), g.Rights(c.use(rc.Origin()))})
		}
	}
	if g, ok := c.Lead.Elector.(registry.Granter); ok && !slices.ContainsFunc(all, func(r RightsAt) bool { return r.Origin == g.Origin() }) {
		all = append(all, RightsAt{g.Origin(), g.Rights(registry.Use{Owner: c.Owner, Elects: true, Place: c.Lead.Place})})
	}
	return all
}

// use is what the rules and the election do with a registry.
func (c *Config) use(o catalog.Origin) registry.Use {
	u := registry.Use{Owner: c.Owner, Reads: true}
	if c.Lead.at() == o {
		u.Elects, u.Place = true, c.Lead.Place
	}
	for _, r := range c.Rules {
		u.Tells = u.Tells || r.From == o || r.To == o
		if r.To != o {
			continue
		}
		u.Mirrors = append(u.Mirrors, r.Namings()...)
		u.Makes = u.Makes || r.Make
	}
	return u
}
