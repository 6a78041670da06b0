package bridge

import (
	"github.com/isthmus-dns/isthmus/bridge/mirror"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

// inwardOption reads a word that means something of some registries only: of a
// source with tags and checks, or of a target with namespaces.
func inwardOption(r *mirror.Rule, o stanza.Stanza) error {
	source := o.Name() == "tags" || o.Name() == "only_passing"
	switch {
	case source && r.From.Type() != "consul":
		return o.Errorf("%q is for services of Consul: those of %q have neither tags nor checks that warn", o.Name(), r.From)
	case !source && !r.Inward:
		return o.Errorf("%q is for mirrors in Kubernetes: %q has no namespaces of its own", o.Name(), r.To)
	}
	switch o.Name() {
	case "tags":
		return tags(r, o)
	case "service":
		return service(r, o)
	case "only_passing":
		return on(&r.Passing, o)
	}
	return on(&r.Make, o)
}

func tags(r *mirror.Rule, o stanza.Stanza) error {
	const usage = "tags off|[!]TAG..."
	if err := o.WantArgs(1, -1, usage); err != nil {
		return err
	}
	if r.Tags = nil; o.Args()[0] == "off" {
		return o.WantArgs(1, 1, usage)
	}
	for _, t := range o.Args() {
		if err := mirror.CheckTag(t); err != nil {
			return o.Errorf("%w", err)
		}
	}
	r.Tags = o.Args()
	return nil
}

func service(r *mirror.Rule, o stanza.Stanza) error {
	const usage = "service headless|clusterip"
	if err := o.WantArgs(1, 1, usage); err != nil {
		return err
	}
	switch o.Args()[0] {
	case "headless":
		r.Virtual = false
	case "clusterip":
		r.Virtual = true
	default:
		return o.Errorf("unknown word %q: want %s", o.Args()[0], usage)
	}
	return nil
}
