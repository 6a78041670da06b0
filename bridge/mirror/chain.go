package mirror

import (
	"cmp"
	"slices"

	"github.com/isthmus-dns/isthmus/catalog"
)

// keyOf is the key of the original that the service at key is, which has the mark
// m, or is a copy of.
func keyOf(key catalog.Key, m *catalog.Mark) catalog.Key {
	if m != nil {
		return m.Key
	}
	return key
}

// mark is that of a copy of the service at key, which has the mark was and which
// the registry of holds. Of a copy's copy it names the original, and of as what
// that was read from.
func (r *Rule) mark(key catalog.Key, was *catalog.Mark, of catalog.Identity) *catalog.Mark {
	m := &catalog.Mark{Owner: r.Owner, Of: of, Key: key, Format: catalog.MarkFormat}
	if was != nil {
		m.Of, m.Key, m.Via = was.Of, was.Key, of
	}
	return m
}

// ReadFrom is the registry that a mirror with this mark was read from: that of
// the original, or of the copy that it is a copy of.
func ReadFrom(m *catalog.Mark) catalog.Identity { return cmp.Or(m.Via, m.Of) }

// copies reports whether a service with the mark m is a source of r, whose target
// is the registry to: a native, or a mirror by one of the rule's bridges. Of
// mirrors only those of originals count, so that no chain of copies is a ring
// which outlives its original, and only those of originals elsewhere than at the
// target.
func (r *Rule) copies(m *catalog.Mark, to catalog.Identity) bool {
	return m == nil || slices.Contains(r.Bridges, m.Owner) &&
		m.Via == "" && m.Of != "" && m.Of != to && m.Format <= catalog.MarkFormat
}
