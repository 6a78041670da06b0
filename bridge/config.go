package bridge

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/isthmus-dns/isthmus/bridge/mirror"
	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

// Config is one parsed file. It is immutable.
type Config struct {
	Owner      string
	Registries []registry.Config // in the order of the file
	Rules      []*mirror.Rule    // in the order of the file
	Metrics    string            // address of the metrics, "" for none
	Admin      string            // loopback address of status and approval, "" for none
	Alone      bool              // "lead none" is written: nobody else runs this owner
	Lead       Lead

	places map[*mirror.Rule]stanza.Stanza
	lead   stanza.Stanza // none, by default
}

// Load reads and parses a file.
func Load(file string, types []registry.Type, env func(string) string) (*Config, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	return Parse(file, text, types, env)
}

// Parse reads the text of a file. Errors name the file, the line and the word.
func Parse(file string, text []byte, types []registry.Type, env func(string) string) (*Config, error) {
	top, err := stanza.Parse(file, text)
	if err != nil {
		return nil, err
	}
	if top, err = stanza.Expand(top, env); err != nil {
		return nil, err
	}
	switch {
	case len(top) == 0:
		return nil, fmt.Errorf("%s: no %q in it", file, "bridge OWNER { ... }")
	case top[0].Name() != "bridge":
		return nil, top[0].Errorf("unknown word %q: want %q", top[0].Name(), "bridge OWNER { ... }")
	case len(top) > 1:
		return nil, top[1].Errorf("unexpected %q: one file holds one bridge", top[1].Name())
	}
	p := parser{types: types, env: env, registries: map[catalog.Origin]registry.Config{}}
	if err := p.bridge(top[0]); err != nil {
		return nil, err
	}
	return &p.config, nil
}

// parser holds what is known while the file is read. Rules are read last, since
// the order of the stanzas is free.
type parser struct {
	types      []registry.Type
	env        func(string) string
	config     Config
	registries map[catalog.Origin]registry.Config
	seen       map[string]bool
	rules      []stanza.Stanza
}

func (p *parser) bridge(s stanza.Stanza) error {
	if err := s.WantArgs(1, 1, "bridge OWNER { ... }"); err != nil {
		return err
	}
	p.seen = map[string]bool{}
	p.config.Owner = s.Args()[0]
	p.config.places = map[*mirror.Rule]stanza.Stanza{}
	if err := checkOwner(p.config.Owner); err != nil {
		return s.Errorf("%w", err)
	}
	for _, child := range s.Block {
		if err := p.stanza(child); err != nil {
			return err
		}
	}
	for _, child := range p.rules {
		if err := p.rule(child); err != nil {
			return err
		}
	}
	if err := p.leads(); err != nil {
		return err
	}
	if len(p.rules) == 0 {
		return s.Errorf("bridge %q mirrors nothing: want at least one %q", p.config.Owner, "mirror FROM TO")
	}
	return nil
}

// checkOwner holds an owner to what every registry can carry in a name.
func checkOwner(owner string) error {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	if owner == "" || len(owner) > 32 || strings.Trim(owner, letters+"-") != "" || strings.Trim(owner, "-") != owner {
		return fmt.Errorf("owner %q: want at most 32 lower case letters, digits and dashes", owner)
	}
	return nil
}

func (p *parser) stanza(s stanza.Stanza) error {
	switch s.Name() {
	case "mirror":
		p.rules = append(p.rules, s)
		return nil
	case "lead", "metrics", "admin":
		return p.setting(s)
	}
	for _, t := range p.types {
		if t.Name == s.Name() {
			return p.registry(t, s)
		}
	}
	return s.Errorf("unknown word %q: want a registry (%s), mirror, lead, metrics or admin", s.Name(), p.typeNames())
}

func (p *parser) typeNames() string {
	names := make([]string, len(p.types))
	for i, t := range p.types {
		names[i] = t.Name
	}
	return strings.Join(names, ", ")
}

func (p *parser) registry(t registry.Type, s stanza.Stanza) error {
	c, err := t.Parse(s, p.env)
	if err != nil {
		return err
	}
	if p.registries[c.Origin()] != nil {
		return s.Errorf("a second registry %q", c.Origin())
	}
	p.registries[c.Origin()] = c
	p.config.Registries = append(p.config.Registries, c)
	return nil
}

// setting reads a stanza that stands once and takes no block.
func (p *parser) setting(s stanza.Stanza) error {
	if p.seen[s.Name()] {
		return s.Errorf("a second %q", s.Name())
	}
	p.seen[s.Name()] = true
	if err := s.NoBlock(); err != nil {
		return err
	}
	switch s.Name() {
	case "lead":
		p.config.lead = s // read last: it may name a registry
		return nil
	case "metrics":
		return p.metrics(s)
	}
	return p.admin(s)
}

func (p *parser) metrics(s stanza.Stanza) error {
	if err := s.WantArgs(1, 1, "metrics ADDRESS:PORT"); err != nil {
		return err
	}
	if _, _, err := net.SplitHostPort(s.Args()[0]); err != nil {
		return s.Errorf("%q is no address with a port: %w", s.Args()[0], err)
	}
	p.config.Metrics = s.Args()[0]
	return nil
}

// admin reads an address that no other host reaches: who reaches it may approve.
func (p *parser) admin(s stanza.Stanza) error {
	if err := s.WantArgs(1, 1, "admin LOOPBACK:PORT"); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(s.Args()[0])
	if err != nil {
		return s.Errorf("%q is no address with a port: %w", s.Args()[0], err)
	}
	if !isLoopback(host) {
		return s.Errorf("%q is no loopback address: who reaches it may approve deletions", s.Args()[0])
	}
	if host == "localhost" {
		host = "127.0.0.1" // whatever the name stands for
	}
	p.config.Admin = net.JoinHostPort(host, port)
	return nil
}

func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.Unmap().IsLoopback()
}
