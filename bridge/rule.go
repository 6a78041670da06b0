package bridge

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/isthmus-dns/isthmus/bridge/mirror"
	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

// rule reads one mirror stanza.
func (p *parser) rule(s stanza.Stanza) error {
	if err := s.WantArgs(2, 2, "mirror FROM TO { ... }"); err != nil {
		return err
	}
	r := &mirror.Rule{
		Owner: p.config.Owner,
		From:  catalog.Origin(s.Args()[0]), To: catalog.Origin(s.Args()[1]),
		Address: mirror.Auto, Limit: mirror.DefaultLimit(), Hold: mirror.DefaultHold,
	}
	if err := p.checkPair(s, r); err != nil {
		return err
	}
	to := p.registries[r.To]
	r.Naming, r.Inward = to.Naming(), to.Policy().Speaks
	isFor := func(o stanza.Stanza) bool { return o.Name() == "for" }
	if err := p.options(r, slices.DeleteFunc(slices.Clone(s.Block), isFor)); err != nil {
		return err
	}
	if err := r.Writable(r.Naming.Namespace); err != nil {
		return s.Errorf("%w", err)
	}
	for _, o := range s.Block { // last: they differ from all that the rule says
		if isFor(o) {
			if err := p.forBlock(r, o); err != nil {
				return err
			}
		}
	}
	p.config.Rules = append(p.config.Rules, r)
	p.config.places[r] = s
	return nil
}

func (p *parser) checkPair(s stanza.Stanza, r *mirror.Rule) error {
	for _, o := range []catalog.Origin{r.From, r.To} {
		if p.registries[o] == nil {
			return s.Errorf("unknown registry %q: there is %s", o, p.origins())
		}
	}
	if r.From == r.To {
		return s.Errorf("%q cannot be mirrored to itself", r.From)
	}
	for _, other := range p.config.Rules {
		if other.From == r.From && other.To == r.To {
			return s.Errorf("a second rule from %q to %q; the first is in line %d", r.From, r.To, p.config.places[other].Line)
		}
	}
	return nil
}

// origins lists the registries of the file.
func (p *parser) origins() string {
	var all []string
	for _, r := range p.config.Registries {
		all = append(all, strconv.Quote(string(r.Origin())))
	}
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, ", ")
}

// options reads the words of a rule or of a block in it, each of which stands
// once.
func (p *parser) options(r *mirror.Rule, block []stanza.Stanza) error {
	seen := map[string]bool{}
	for _, o := range block {
		if seen[o.Name()] {
			return o.Errorf("a second %q in one rule", o.Name())
		}
		seen[o.Name()] = true
		if err := o.NoBlock(); err != nil {
			return err
		}
		if err := p.ruleOption(r, o); err != nil {
			return err
		}
	}
	return nil
}

// ruleWords lists the words of a rule.
func ruleWords() []string {
	return []string{"from", "namespaces", "names", "labels", "default", "tags", "only_passing", "namespace", "create_namespace", "name",
		"annotated_names", "share", "service", "ports", "address", "delete_limit", "delete_hold", "for"}
}

// list says words as one does: "a, b or c".
func list(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

func (p *parser) ruleOption(r *mirror.Rule, o stanza.Stanza) error {
	switch o.Name() {
	case "from":
		return bridges(r, o)
	case "namespaces":
		return patterns(&r.Namespaces, "namespace", o)
	case "names":
		return patterns(&r.Names, "name", o)
	case "namespace":
		return template(&r.Naming.Namespace, o)
	case "name":
		return template(&r.Naming.Name, o)
	case "address":
		return addressPolicy(r, o)
	case "ports":
		return ports(r, o)
	case "labels", "default", "annotated_names":
		return p.outwardOption(r, o)
	case "delete_limit":
		return deleteLimit(r, o)
	case "delete_hold":
		return deleteHold(r, o)
	case "share":
		return share(r, o)
	case "tags", "only_passing", "service", "create_namespace":
		return inwardOption(r, o)
	}
	return o.Errorf("unknown word %q in a rule: want %s", o.Name(), list(ruleWords()))
}

// share lets mirrors stand beside what others have under their names, where a
// name is not one record.
func share(r *mirror.Rule, o stanza.Stanza) error {
	if r.Inward {
		return o.Errorf("%q is for mirrors in Consul and etcd: a Service in %q has one owner", o.Name(), r.To)
	}
	return on(&r.Share, o)
}

// on reads a word that is meant where it stands, or taken back by "off".
func on(to *bool, o stanza.Stanza) error {
	if err := o.WantArgs(0, 1, o.Name()+" [off]"); err != nil {
		return err
	}
	if len(o.Args()) == 1 && o.Args()[0] != "off" {
		return o.Errorf("unexpected word %q: want %s", o.Args()[0], o.Name()+" [off]")
	}
	*to = len(o.Args()) == 0
	return nil
}

// bridges reads the owners whose mirrors are a source, too.
func bridges(r *mirror.Rule, o stanza.Stanza) error {
	if err := o.WantArgs(1, -1, "from OWNER..."); err != nil {
		return err
	}
	for _, owner := range o.Args() {
		if err := checkOwner(owner); err != nil {
			return o.Errorf("%w", err)
		}
		if owner == r.Owner {
			return o.Errorf("%q is this bridge: its own mirrors are never a source", owner)
		}
	}
	r.Bridges = o.Args()
	return nil
}

func patterns(to *[]string, what string, o stanza.Stanza) error {
	if err := o.WantArgs(1, -1, o.Name()+" [!]PATTERN..."); err != nil {
		return err
	}
	for _, p := range o.Args() {
		if err := mirror.CheckPattern(p); err != nil {
			return o.Errorf("%s %w", what, err)
		}
	}
	*to = o.Args()
	return nil
}

func template(to *string, o stanza.Stanza) error {
	if err := o.WantArgs(1, 1, o.Name()+" TEMPLATE"); err != nil {
		return err
	}
	if err := mirror.CheckTemplate(o.Args()[0]); err != nil {
		return o.Errorf("%w", err)
	}
	*to = o.Args()[0]
	return nil
}

func addressPolicy(r *mirror.Rule, o stanza.Stanza) (err error) {
	const usage = "address POLICY [internal|external]"
	if err := o.WantArgs(1, 2, usage); err != nil {
		return err
	}
	if r.Address, err = mirror.ParseAddressPolicy(o.Args()[0]); err != nil {
		return o.Errorf("%w", err)
	}
	if r.Internal, r.Outside = false, false; len(o.Args()) == 1 {
		return nil
	}
	nodes := o.Args()[1]
	r.Internal, r.Outside = nodes == "internal", nodes == "external"
	if !r.Internal && !r.Outside || r.Address != mirror.Auto && r.Address != mirror.NodePort {
		return o.Errorf("unexpected word %q: want %s, where the policy is auto or nodeport", nodes, usage)
	}
	return nil
}

// deleteLimit reads a number of services, a percentage of instances, or both.
// What is not said is 0.
func deleteLimit(r *mirror.Rule, o stanza.Stanza) error {
	const usage = "delete_limit [SERVICES] [PERCENT%]"
	if err := o.WantArgs(1, 2, usage); err != nil {
		return err
	}
	r.Limit = mirror.Limit{}
	for i, word := range o.Args() {
		digits, percent := strings.CutSuffix(word, "%")
		n, err := strconv.Atoi(digits)
		switch {
		case err != nil || n < 0 || percent && n > 100 || percent != (i == len(o.Args())-1) && len(o.Args()) == 2:
			return o.Errorf("%q: want %s", word, usage)
		case percent:
			r.Limit.Percent = n
		default:
			r.Limit.Services = n
		}
	}
	return nil
}

func deleteHold(r *mirror.Rule, o stanza.Stanza) error {
	const usage = "delete_hold DURATION|never"
	if err := o.WantArgs(1, 1, usage); err != nil {
		return err
	}
	r.Hold = 0
	if o.Args()[0] == "never" {
		return nil
	}
	d, err := time.ParseDuration(o.Args()[0])
	if err != nil || d < time.Second {
		return o.Errorf("%q: want %s, of a second at least", o.Args()[0], usage)
	}
	r.Hold = d
	return nil
}
