package mirror

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// Block is what a rule says otherwise for some of its originals: those that each
// of its selectors matches, where one that is not there matches all.
type Block struct {
	Namespaces, Names []string        // as Rule's, without a default
	Labels            labels.Selector // nil: all
	Rule              *Rule           // the whole rule as it is for them; its own blocks do not count
}

// selects reports whether the block is for src, by the key and the labels of the
// original.
func (b Block) selects(src *catalog.Service) bool {
	k := keyOf(src.Key, src.Mark)
	return matches(b.Namespaces, k.Namespace) && matches(b.Names, k.Name) &&
		(b.Labels == nil || b.Labels.Matches(labelsOf(src.Meta)))
}

// of returns the rule as it is for src: by the first block that selects it, or
// as it is for all others.
func (r *Rule) of(src *catalog.Service) *Rule {
	for _, b := range r.Blocks {
		if b.selects(src) {
			return b.Rule
		}
	}
	return r
}

// some reports whether what is said of the rule or of one of its blocks is so.
func (r *Rule) some(is func(*Rule) bool) bool {
	return is(r) || slices.ContainsFunc(r.Blocks, func(b Block) bool { return is(b.Rule) })
}

// WantsNodes reports whether the rule may have to know the source's nodes.
func (r *Rule) WantsNodes() bool {
	return r.some(func(r *Rule) bool { return r.Address == Auto || r.Address == NodePort })
}

// WantsLabels reports whether the rule has to know the labels of originals.
func (r *Rule) WantsLabels() bool {
	return r.Labels != nil || slices.ContainsFunc(r.Blocks, func(b Block) bool { return b.Labels != nil })
}

// WantsExports reports whether the rule has to know which originals are exported.
func (r *Rule) WantsExports() bool {
	return r.some(func(r *Rule) bool { return r.Exports })
}

// note keeps which block src is of, for what is found of it at the target, where
// labels are not known.
func (w *Wanted) note(src catalog.Entry) {
	if len(w.Rule.Blocks) == 0 {
		return
	}
	r := w.Rule.of(src.Head())
	if r == w.Rule {
		return
	}
	if w.blocks == nil {
		w.blocks = map[Original]*Rule{}
	}
	m := w.Rule.mark(src.Ref().Key, src.Mark(), w.Of)
	w.blocks[Original{Of: m.Of, Key: m.Key}] = r
}

// ruleOf returns the rule as it is for the original that a mirror with the mark m,
// which is wanted or found, is of.
func (w *Wanted) ruleOf(m *catalog.Mark) *Rule {
	return cmp.Or(w.blocks[whole(m)], w.Rule)
}

// originalOf tells what m, of this rule, is a mirror of.
func (w *Wanted) originalOf(m catalog.Entry) Original {
	o := whole(m.Mark())
	if !w.ruleOf(m.Mark()).Split {
		return o
	}
	if ports := m.Head().Ports; len(ports) == 1 {
		o.Port = ports[0].Name
	}
	return o
}

// Namings are the templates of all the names that mirrors may have, by the rule or
// a block of it. Of a name that originals may choose it is what comes before the
// rest of it.
func (r *Rule) Namings() []registry.Naming {
	var all []registry.Naming
	r.some(func(r *Rule) bool {
		all = append(all, r.Naming)
		for _, prefix := range r.Named {
			all = append(all, registry.Naming{Namespace: r.Naming.Namespace, Name: prefix + "{service}"})
		}
		return false
	})
	return all
}
