package isthmus

import (
	"strings"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/pkg/fall"
	"github.com/miekg/dns"

	"github.com/isthmus-dns/isthmus/registry/stanza"
)

// external is the option of that name: zones in which services are found by
// the addresses and names that they have outside of the cluster.
//
//	external ZONE... {
//	    apex LABEL
//	    ttl SECONDS
//	    headless
//	    fallthrough [ZONE...]
//	}
type external struct {
	primary  int    // the zone that names in PTR records end in
	apex     string // the label that the zones' servers stand below
	ttl      uint32
	headless bool // endpoints are found, too, of services without such addresses
	fall     fall.F
}

// defaultApex is the label below which *k8s_external* has its servers.
const defaultApex = "dns"

// external reads the option, whose zones join those that are served.
func (p *parser) external(s stanza.Stanza) error {
	if p.conf.external != nil {
		return s.Errorf("%q stands twice in one block", s.Name())
	}
	if err := s.WantArgs(1, -1, "external ZONE... {...}"); err != nil {
		return err
	}
	p.conf.external = &external{primary: -1, apex: defaultApex, ttl: defaultTTL}
	for _, line := range s.Block {
		if err := p.conf.external.read(line); err != nil {
			return err
		}
	}
	for _, name := range s.Args() {
		if err := p.externalZone(s, name); err != nil {
			return err
		}
	}
	if p.conf.external.primary < 0 || p.conf.zones.primary() < 0 {
		return s.Errorf("%q and %q each need a zone that is not a reverse one", p.within.Name(), s.Name())
	}
	return nil
}

// externalZone adds a zone, or several of a network's. One that the block has
// from the server block's own names is meant for this option alone; reverse
// zones can be shared.
func (p *parser) externalZone(s stanza.Stanza, text string) error {
	names := plugin.Host(text).NormalizeExact()
	if len(names) == 0 {
		return s.Errorf("%q is not a zone", text)
	}
	x, zs := p.conf.external, &p.conf.zones
	for _, name := range names {
		z := zone{name: name, reverse: isReverse(name), external: true, apex: x.apex}
		i := zs.find(name)
		switch {
		case i < 0:
			i = len(*zs)
			*zs = append(*zs, z)
		case z.reverse:
			(*zs)[i].external = true
		case (*zs)[i].external || (*zs)[i].multicluster || len(p.within.Args()) > 0:
			return s.Errorf("zone %q is served already", name)
		default:
			(*zs)[i] = z
		}
		if x.primary < 0 && !z.reverse {
			x.primary = i
		}
	}
	return nil
}

// read reads one line of the option's block.
func (x *external) read(s stanza.Stanza) (err error) {
	o, known := map[string]struct {
		usage    string
		min, max int
		set      func(stanza.Stanza) error
	}{
		"apex":        {"apex LABEL", 1, 1, x.setApex},
		"ttl":         {"ttl SECONDS", 1, 1, func(s stanza.Stanza) error { x.ttl, err = readTTL(s); return err }},
		"headless":    {"headless", 0, 0, func(stanza.Stanza) error { x.headless = true; return nil }},
		"fallthrough": {"fallthrough [ZONE...]", 0, -1, func(s stanza.Stanza) error { x.fall.SetZonesFromArgs(s.Args()); return nil }},
	}[s.Name()]
	if !known {
		return s.Errorf("unknown word %q", s.Name())
	}
	if err := s.WantArgs(o.min, o.max, o.usage); err != nil {
		return err
	}
	if err := s.NoBlock(); err != nil {
		return err
	}
	return o.set(s)
}

func (x *external) setApex(s stanza.Stanza) error {
	label := s.Args()[0]
	if n, ok := dns.IsDomainName(label); !ok || n != 1 || strings.Contains(label, ".") {
		return s.Errorf("apex %q is not one label", label)
	}
	x.apex = strings.ToLower(label)
	return nil
}

// namingIn is how names and lifetimes are made in z.
func (c *config) namingIn(z zone) naming {
	n := c.naming
	if z.apex != "" {
		n.ttl = c.external.ttl
	}
	return n
}

// fallOf says which absent names of a forward zone are passed on.
func (c *config) fallOf(z zone) fall.F {
	if z.external {
		return c.external.fall
	}
	return c.fall
}

// passesOn reports whether an absent name in z goes on to the next plugin.
func (c *config) passesOn(z *zone, name string) bool {
	return z.apex == "" && c.fallsThrough(name) || z.external && c.external.fall.Through(name)
}

// servers reads the names of an external zone's servers from the n labels left
// of it, of which labels holds the first. It is false for other names.
func (q *query) servers(labels []string, n int, apex string) bool {
	if n > len(labels) || labels[n-1] != apex {
		return false
	}
	switch {
	case n == 1:
		q.kind = kindBranch
	case n == 2 && labels[0] == "ns1":
		q.kind = kindNS
	}
	return true
}

// outside reads the name of a service from the n labels left of an external
// zone: as in the cluster's, but that no label tells services from pods.
func (q *query) outside(labels []string, n int) {
	if n < maxLabels {
		q.service(labels)
	}
}
