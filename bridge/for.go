package bridge

import (
	"slices"

	"github.com/isthmus-dns/isthmus/bridge/mirror"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

const forUsage = "for [namespaces [!]PATTERN...] [names [!]PATTERN...] [labels SELECTOR] { ... }"

// forBlock reads what a rule, which is read but for its blocks, says otherwise
// of some originals.
func (p *parser) forBlock(r *mirror.Rule, s stanza.Stanza) error {
	own := *r
	own.Blocks = nil
	b := mirror.Block{Rule: &own}
	if !s.Open {
		return s.Errorf("%q wants a block: %s", s.Name(), forUsage)
	}
	if err := p.selectors(r, &b, s); err != nil {
		return err
	}
	for _, o := range s.Block {
		if !slices.Contains(differing(), o.Name()) && slices.Contains(ruleWords(), o.Name()) {
			return o.Errorf("%q is said of a whole rule and not in a block of %q, where may stand %s", o.Name(), s.Name(), list(differing()))
		}
	}
	if err := p.options(&own, s.Block); err != nil {
		return err
	}
	if err := own.Writable(own.Naming.Namespace); err != nil {
		return s.Errorf("%w", err)
	}
	r.Blocks = append(r.Blocks, b)
	return nil
}

// differing lists the words that a block of a rule takes: those that say what a
// mirror is, and not whether and how fast it comes and goes.
func differing() []string {
	return []string{"default", "tags", "only_passing", "namespace", "name", "annotated_names", "share", "service", "ports", "address"}
}

// selectors reads what a block is for. The words up to the next one that begins
// a selector are one's; a selector of labels goes to the end.
func (p *parser) selectors(r *mirror.Rule, b *mirror.Block, s stanza.Stanza) (err error) {
	rest := s.Args()
	for len(rest) > 0 && err == nil {
		end := 1
		for end < len(rest) && (rest[0] == "labels" || !isSelector(rest[end])) {
			end++
		}
		one := stanza.Stanza{File: s.File, Line: s.Line, Words: rest[:end]}
		switch {
		case one.Name() == "namespaces" && b.Namespaces == nil:
			err = patterns(&b.Namespaces, "namespace", one)
		case one.Name() == "names" && b.Names == nil:
			err = patterns(&b.Names, "name", one)
		case one.Name() == "labels":
			if err = p.wantNotes(r, one); err == nil {
				err = selector(&b.Labels, one)
			}
		default:
			return s.Errorf("unexpected word %q: want %s", one.Name(), forUsage)
		}
		rest = rest[end:]
	}
	if err == nil && len(s.Args()) == 0 {
		return s.Errorf("%q wants more words: %s", s.Name(), forUsage)
	}
	return err
}

func isSelector(word string) bool {
	return word == "namespaces" || word == "names" || word == "labels"
}
