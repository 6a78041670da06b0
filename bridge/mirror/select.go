package mirror

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/isthmus-dns/isthmus/catalog"
)

// selects reports whether an original is mirrored, as far as its key tells.
func (r *Rule) selects(k catalog.Key) bool {
	namespaces := r.Namespaces
	if len(namespaces) == 0 {
		namespaces = DefaultNamespaces()
	}
	return matches(namespaces, k.Namespace) && matches(r.Names, k.Name)
}

// matches reports whether some pattern matches one of the words and none with
// '!' does. Only patterns with '!' mean all others.
func matches(patterns []string, words ...string) bool {
	selected, named := false, false
	for _, p := range patterns {
		p, not := strings.CutPrefix(p, "!")
		hit := slices.ContainsFunc(words, func(word string) bool {
			hit, err := path.Match(p, word)
			return hit || not && err != nil
		})
		if not && hit {
			return false
		}
		if !not {
			named = true
			selected = selected || hit
		}
	}
	return selected || !named
}

// CheckPattern returns an error if p is no pattern for Rule.Namespaces or
// Rule.Names.
func CheckPattern(p string) error {
	rest := strings.TrimPrefix(p, "!")
	if strings.Trim(rest, "abcdefghijklmnopqrstuvwxyz0123456789.-_*") != "" || rest == "" {
		return fmt.Errorf("pattern %q: want a name in lower case, with '*' for any part and '!' before it to leave it out", p)
	}
	return nil
}

// CheckTag returns an error if p is no pattern for Rule.Tags.
func CheckTag(p string) error {
	if _, err := path.Match(strings.TrimPrefix(p, "!"), ""); err != nil || strings.TrimPrefix(p, "!") == "" {
		return fmt.Errorf("tag pattern %q: want a tag, with '*' for any part and '!' before it to leave it out", p)
	}
	return nil
}

// pick returns those of an original's instances that the rule selects, as it
// takes them; false if there were some and none is left. all is kept as it is.
func (r *Rule) pick(all []catalog.Endpoint) ([]catalog.Endpoint, bool) {
	if len(r.Tags) == 0 && !r.Passing {
		return all, true
	}
	picked := make([]catalog.Endpoint, 0, len(all))
	for _, e := range all {
		if !matches(r.Tags, e.Tags...) {
			continue
		}
		if r.Passing && e.Warning {
			e.Ready, e.Serving = false, false
		}
		picked = append(picked, e)
	}
	return picked, len(picked) > 0 || len(all) == 0
}
