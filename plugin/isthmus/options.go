package isthmus

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/pkg/fall"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

// config is what one block of the Corefile says.
type config struct {
	naming
	zones          zones
	imported       bool // what the registries import is meant, and not what they hold themselves
	pods           podMode
	noEndpoints    bool
	ignoreEmpty    bool
	zonal          bool // names of zones of the cluster exist
	preferZone     bool // endpoints in the client's zone come first
	fall           fall.F
	startupTimeout time.Duration
	merge          catalog.Merge
	trust          []string
	require        []catalog.Origin
	saving         saving
	debug          string // the address of the page of what is held; "": none
	registries     []registry.Config
	external       *external                        // nil: no zone is
	stanzas        map[catalog.Origin]stanza.Stanza // what the registries were read from
	warnings       []string                         // what is accepted and not done
	search         []string                         // the host's search path, for autopath
	locals         []netip.Addr                     // addresses that the server is reached at; known once it starts
}

const (
	defaultTTL            = 5
	maxTTL                = 3600
	defaultStartupTimeout = 5 * time.Second
)

// policy is how the catalog unifies the registries.
func (c *config) policy() catalog.Policy {
	p := catalog.Policy{Merge: c.merge, Packed: true}
	for _, r := range c.registries {
		op := r.Policy()
		op.Trust = slices.Concat(op.Trust, c.trust)
		// The original is served; but a domain answers what Consul itself does.
		op.Bare = !slices.ContainsFunc(c.zones, func(z zone) bool { return z.domain == r.Origin() })
		p.Origins = append(p.Origins, op)
	}
	return p
}

// awaited are the origins that the server is ready with: those that speak for
// namespaces, else the first one, and those that are required.
func (c *config) awaited() []catalog.Origin {
	var all []catalog.Origin
	for _, r := range c.registries {
		if r.Policy().Speaks {
			all = append(all, r.Origin())
		}
	}
	if len(all) == 0 && len(c.registries) > 0 {
		all = append(all, c.registries[0].Origin())
	}
	return append(all, c.require...)
}

// fallsThrough reports whether an absent name goes on to the next plugin.
func (c *config) fallsThrough(name string) bool {
	for _, z := range c.fall.Zones {
		if z == "." || name == z || strings.HasSuffix(name, z) && name[len(name)-len(z)-1] == '.' {
			return true
		}
	}
	return false
}

// option is one word of the block.
type option struct {
	usage    string
	min, max int // how many words follow; max < 0: no limit
	set      func(*config, stanza.Stanza) error
}

// options are the words that say how to answer.
func options() map[string]option {
	return map[string]option{
		"pods":               {"pods disabled|insecure|verified", 1, 1, setPods},
		"endpoint_pod_names": {"endpoint_pod_names", 0, 0, func(c *config, _ stanza.Stanza) error { c.podNames = true; return nil }},
		"noendpoints":        {"noendpoints", 0, 0, func(c *config, _ stanza.Stanza) error { c.noEndpoints = true; return nil }},
		"prefer_zone":        {"prefer_zone", 0, 0, func(c *config, _ stanza.Stanza) error { c.preferZone = true; return nil }},
		"zonal":              {"zonal", 0, 0, func(c *config, _ stanza.Stanza) error { c.zonal = true; return nil }},
		"multicluster":       {"multicluster [ZONE...]", 0, -1, setMulticluster},
		"ttl":                {"ttl SECONDS", 1, 1, setTTL},
		"ignore":             {"ignore empty_service", 1, 1, setIgnore},
		"fallthrough":        {"fallthrough [ZONE...]", 0, -1, func(c *config, s stanza.Stanza) error { c.fall.SetZonesFromArgs(s.Args()); return nil }},
		"startup_timeout":    {"startup_timeout DURATION", 1, 1, setStartupTimeout},
		"merge":              {"merge first|union|failover", 1, 1, setMerge},
		"trust":              {"trust OWNER...", 1, -1, func(c *config, s stanza.Stanza) error { c.trust = append(c.trust, s.Args()...); return nil }},
		"require":            {"require ORIGIN...", 1, -1, setRequire},
		"debug":              {"debug [ADDRESS]", 0, 1, setDebug},
		"snapshot":           {"snapshot FILE [MAX_AGE]", 1, 2, setSnapshot},
	}
}

func setTTL(c *config, s stanza.Stanza) (err error) {
	c.ttl, err = readTTL(s)
	return err
}

func readTTL(s stanza.Stanza) (uint32, error) {
	n, err := strconv.Atoi(s.Args()[0])
	if err != nil || n < 0 || n > maxTTL {
		return 0, s.Errorf("ttl %q is not a number from 0 to %d", s.Args()[0], maxTTL)
	}
	return uint32(n), nil
}

func setIgnore(c *config, s stanza.Stanza) error {
	if s.Args()[0] != "empty_service" {
		return s.Errorf("unexpected word %q: ignore empty_service", s.Args()[0])
	}
	c.ignoreEmpty = true
	return nil
}

func setStartupTimeout(c *config, s stanza.Stanza) error {
	d, err := time.ParseDuration(s.Args()[0])
	if err != nil || d < 0 {
		return s.Errorf("startup_timeout %q is not a duration such as 5s", s.Args()[0])
	}
	c.startupTimeout = d
	return nil
}

func setMerge(c *config, s stanza.Stanza) error {
	switch how := s.Args()[0]; how {
	case "first":
		c.merge = catalog.First
	case "union":
		c.merge = catalog.Union
	case "failover":
		c.merge = catalog.Failover
	default:
		return s.Errorf("unexpected word %q: merge first|union|failover", how)
	}
	return nil
}

func setRequire(c *config, s stanza.Stanza) error {
	for _, o := range s.Args() {
		c.require = append(c.require, catalog.Origin(o))
	}
	return nil
}

// parser reads the block of one server.
type parser struct {
	conf   *config
	types  []registry.Type
	env    func(string) string
	top    []stanza.Stanza // words that stand for a kubernetes stanza
	within stanza.Stanza   // the whole block
}

// parse reads the stanza isthmus of a server block with these keys. env looks
// up environment variables.
func parse(s stanza.Stanza, keys []string, types []registry.Type, env func(string) string) (*config, error) {
	p := parser{
		conf:   &config{naming: naming{ttl: defaultTTL}, startupTimeout: defaultStartupTimeout, stanzas: map[catalog.Origin]stanza.Stanza{}},
		types:  types,
		env:    env,
		within: s,
	}
	p.conf.zones = newZones(plugin.OriginsFromArgsOrServerBlock(s.Args(), keys))
	if p.conf.zones.primary() < 0 {
		return nil, s.Errorf("%q needs a zone that is not a reverse one", s.Name())
	}
	for _, line := range s.Block {
		if err := p.line(line); err != nil {
			return nil, err
		}
	}
	return p.conf, p.finish()
}

func (p *parser) line(s stanza.Stanza) error {
	word := s.Name()
	if _, stock := ofKubernetes()[word]; stock {
		p.top = append(p.top, s)
		return nil
	}
	for _, t := range p.types {
		if t.Name == word {
			return p.open(t, s)
		}
	}
	switch word {
	case "external":
		return p.external(s)
	case "domain":
		return p.domain(s)
	}
	o, known := options()[word]
	if !known {
		return s.Errorf("unknown word %q", word)
	}
	if err := s.WantArgs(o.min, o.max, o.usage); err != nil {
		return err
	}
	if err := s.NoBlock(); err != nil {
		return err
	}
	return o.set(p.conf, s)
}

func (p *parser) open(t registry.Type, s stanza.Stanza) error {
	if t.Name == "kubernetes" {
		s = askPods(s, p.within.Block)
	}
	s = withDirectory(s, p.within.Block)
	r, err := t.Parse(s, p.env)
	if err != nil {
		return err
	}
	for _, other := range p.conf.registries {
		if other.Origin() == r.Origin() {
			return s.Errorf("origin %q is there already: give one of the two another name", r.Origin())
		}
	}
	p.conf.registries = append(p.conf.registries, r)
	p.conf.stanzas[r.Origin()] = s
	return nil
}

// finish checks what only the whole block tells.
func (p *parser) finish() error {
	if err := p.finishKubernetes(); err != nil {
		return err
	}
	if err := p.finishDomains(); err != nil {
		return err
	}
	if p.conf.pods == podsVerified && !p.hasKubernetes() {
		return p.within.Errorf("%q wants a registry of type %q", "pods verified", "kubernetes")
	}
	if p.conf.zonal && p.conf.noEndpoints {
		return p.within.Errorf("%q wants the endpoints that %q leaves out", "zonal", "noendpoints")
	}
	if p.conf.preferZone && p.conf.pods != podsVerified {
		return p.within.Errorf("%q wants %q", "prefer_zone", "pods verified")
	}
	if p.conf.preferZone && p.conf.noEndpoints {
		return p.within.Errorf("%q wants the endpoints that %q leaves out", "prefer_zone", "noendpoints")
	}
	if p.conf.zones.multicluster() != "" && !p.conf.canImport() {
		return p.within.Errorf("%q wants a registry of type %q", "multicluster", "kubernetes")
	}
	for _, o := range p.conf.require {
		if !slices.ContainsFunc(p.conf.registries, func(r registry.Config) bool { return r.Origin() == o }) {
			return p.within.Errorf("require: there is no origin %q", o)
		}
	}
	return nil
}

func (p *parser) hasKubernetes() bool {
	return slices.ContainsFunc(p.conf.registries, func(r registry.Config) bool { return r.Origin().Type() == "kubernetes" })
}

// finishKubernetes adds the registry that the words at the top stand for, or
// the one that is meant where no registry is named.
func (p *parser) finishKubernetes() error {
	stanzas := p.hasKubernetes()
	switch {
	case len(p.top) > 0 && stanzas:
		return p.top[0].Errorf("%q belongs into the block of %q, which is there, too", p.top[0].Name(), "kubernetes")
	case len(p.top) == 0 && len(p.conf.registries) > 0:
		return nil
	}
	block, err := p.block()
	if err != nil {
		return err
	}
	s := stanza.Stanza{File: p.within.File, Line: p.within.Line, Words: []string{"kubernetes"}, Block: block, Open: true}
	if p.conf.noEndpoints {
		s.Block = append(s.Block, stanza.Stanza{File: s.File, Line: s.Line, Words: []string{"noendpoints"}})
	}
	for _, t := range p.types {
		if t.Name == s.Name() {
			return p.open(t, s)
		}
	}
	return p.within.Errorf("no registry is configured")
}
