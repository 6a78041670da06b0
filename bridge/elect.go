package bridge

import (
	"fmt"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

// Lead is where the leader of an owner's bridges is elected.
type Lead struct {
	Elector registry.Elector // nil: nowhere
	Place   string           // as the registry writes it; "" for its default
}

const leadUsage = "lead kubernetes [ORIGIN] NAMESPACE/NAME, lead etcd [ORIGIN] KEY or lead none"

// leads settles where a leader is elected, once the registries are known.
func (p *parser) leads() error {
	if !p.seen["lead"] {
		p.leadByDefault()
		return nil
	}
	return p.lead(p.config.lead)
}

func (p *parser) lead(s stanza.Stanza) error {
	if err := s.WantArgs(1, 3, leadUsage); err != nil {
		return err
	}
	kind, args := s.Args()[0], s.Args()[1:]
	switch {
	case kind == "none":
		p.config.Alone = true
		return s.WantArgs(1, 1, leadUsage)
	case kind != "kubernetes" && kind != "etcd":
		return s.Errorf("unknown word %q: want %s", kind, leadUsage)
	case len(args) == 0:
		return s.Errorf("%q: want %s", "lead "+kind, leadUsage)
	}
	at, err := p.leadAt(kind, args[:len(args)-1])
	if err != nil {
		return s.Errorf("%w", err)
	}
	elector, ok := at.(registry.Elector)
	if !ok {
		return s.Errorf("%q elects nobody: want %s", at.Origin(), leadUsage)
	}
	p.config.Lead = Lead{elector, args[len(args)-1]}
	return nil
}

// leadAt returns the registry that is named, or the only one of its kind; or for
// Kubernetes where the file has none, the cluster that the environment tells of.
func (p *parser) leadAt(kind string, named []string) (registry.Config, error) {
	var all []registry.Config
	for _, c := range p.config.Registries {
		if c.Origin().Type() == kind && (len(named) == 0 || string(c.Origin()) == named[0]) {
			all = append(all, c)
		}
	}
	switch {
	case len(all) == 1:
		return all[0], nil
	case len(named) > 0:
		return nil, fmt.Errorf("no registry %q of type %s: there is %s", named[0], kind, p.origins())
	case len(all) > 1:
		return nil, fmt.Errorf("which of %s? want %s", p.origins(), leadUsage)
	case kind != "kubernetes":
		return nil, fmt.Errorf("no registry of type %s: there is %s", kind, p.origins())
	}
	return p.around(kind, p.env)
}

// leadByDefault elects by the cluster that this is a pod of, if it is one.
func (p *parser) leadByDefault() {
	const host, port = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"
	if p.env(host) == "" || p.env(port) == "" {
		return
	}
	at, err := p.around("kubernetes", func(string) string { return "" })
	if elector, ok := at.(registry.Elector); ok && err == nil {
		p.config.Lead = Lead{Elector: elector}
	}
}

// around is the registry of a kind that needs no stanza.
func (p *parser) around(kind string, env func(string) string) (registry.Config, error) {
	for _, t := range p.types {
		if t.Name == kind {
			return t.Parse(stanza.Stanza{Words: []string{kind, "election"}}, env)
		}
	}
	return nil, fmt.Errorf("no registry is of type %s", kind)
}

// String says where, for a status.
func (l Lead) String() string {
	if l.Elector == nil {
		return "none"
	}
	if l.Place == "" {
		return l.Elector.Origin().Type()
	}
	return l.Elector.Origin().Type() + " " + l.Place
}

// at is the origin where the leader is elected, "" for none.
func (l Lead) at() catalog.Origin {
	if l.Elector == nil {
		return ""
	}
	return l.Elector.Origin()
}
