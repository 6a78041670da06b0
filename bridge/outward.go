package bridge

import (
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/isthmus-dns/isthmus/bridge/mirror"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

// outwardOption reads a word that means something only of a source whose
// services carry labels and annotations.
func (p *parser) outwardOption(r *mirror.Rule, o stanza.Stanza) error {
	if err := p.wantNotes(r, o); err != nil {
		return err
	}
	switch o.Name() {
	case "labels":
		return selector(&r.Labels, o)
	case "default":
		return optIn(r, o)
	}
	return annotatedNames(r, o)
}

func (p *parser) wantNotes(r *mirror.Rule, o stanza.Stanza) error {
	if _, ok := p.registries[r.From].(registry.Detailer); !ok {
		return o.Errorf("%q is for services with labels and annotations, which %q has not", o.Name(), r.From)
	}
	return nil
}

func selector(to *labels.Selector, o stanza.Stanza) error {
	if err := o.WantArgs(1, -1, "labels SELECTOR"); err != nil {
		return err
	}
	text := strings.Join(o.Args(), " ")
	s, err := labels.Parse(text)
	if err != nil {
		return o.Errorf("%q is no label selector: %w", text, err)
	}
	*to = s
	return nil
}

func optIn(r *mirror.Rule, o stanza.Stanza) error {
	const usage = "default on|off|exports"
	if err := o.WantArgs(1, 1, usage); err != nil {
		return err
	}
	word := o.Args()[0]
	switch {
	case word == "exports" && r.From.Type() != "kubernetes":
		return o.Errorf("%q is for mirrors of clusters: no other registry has ServiceExports", "default exports")
	case word != "on" && word != "off" && word != "exports":
		return o.Errorf("unknown word %q: want %s", word, usage)
	}
	r.OptIn, r.Exports = word == "off", word == "exports"
	return nil
}

func annotatedNames(r *mirror.Rule, o stanza.Stanza) error {
	const usage = "annotated_names off|on|PREFIX..."
	if err := o.WantArgs(1, -1, usage); err != nil {
		return err
	}
	if r.To.Type() != "consul" {
		return o.Errorf("%q is for mirrors in Consul: no annotation names others", o.Name())
	}
	r.Named = nil
	switch first := o.Args()[0]; {
	case first == "off" || first == "on":
		if first == "on" {
			r.Named = []string{""}
		}
		return o.WantArgs(1, 1, usage)
	}
	for _, prefix := range o.Args() {
		if prefix == "" || strings.ToLower(prefix) != prefix {
			return o.Errorf("prefix %q: want the beginning of a name, in lower case", prefix)
		}
		r.Named = append(r.Named, prefix)
	}
	return nil
}

// ports says how many mirrors an original has.
func ports(r *mirror.Rule, o stanza.Stanza) error {
	const usage = "ports split|off"
	if err := o.WantArgs(1, 1, usage); err != nil {
		return err
	}
	word := o.Args()[0]
	if word != "split" && word != "off" || r.To.Type() != "consul" {
		return o.Errorf("unexpected %q: want %s, for mirrors in Consul", "ports "+word, usage)
	}
	r.Split = word == "split"
	return nil
}

// detailed asks a registry for what the rules want to know of it.
func (c *Config) detailed(rc registry.Config) registry.Config {
	with, ok := rc.(registry.Detailer)
	if !ok {
		return rc
	}
	d := registry.Details{Joins: true}
	for _, r := range c.Rules {
		if r.To == rc.Origin() {
			d.Notes, d.Ranges = true, true // natives may ask to be joined, and nobody is let in there
		}
		if r.From == rc.Origin() {
			d.Notes = true
			d.Labels = d.Labels || r.WantsLabels()
			d.Exports = d.Exports || r.WantsExports()
			d.Nodes = d.Nodes || r.WantsNodes()
		}
	}
	return with.Detailed(d)
}
