package mirror

import (
	"cmp"
	"slices"

	"github.com/isthmus-dns/isthmus/catalog"
)

// keyOf is the key of the original that src is, or is a copy of.
func keyOf(src *catalog.Service) catalog.Key {
	if src.Mark != nil {
		return src.Mark.Key
	}
	return src.Key
}

// mark is that of a copy of src, which the registry of holds. Of a copy's copy
// it names the original, and of as what that was read from.
func (r *Rule) mark(src *catalog.Service, of catalog.Identity) *catalog.Mark {
	m := &catalog.Mark{Owner: r.Owner, Of: of, Key: src.Key, Format: catalog.MarkFormat}
	if src.Mark != nil {
		m.Of, m.Key, m.Via = src.Mark.Of, src.Mark.Key, of
	}
	return m
}

// ReadFrom is the registry that a mirror with this mark was read from: that of
// the original, or of the copy that it is a copy of.
func ReadFrom(m *catalog.Mark) catalog.Identity { return cmp.Or(m.Via, m.Of) }

// copies reports whether src is a source of r, whose target is the registry to:
// a native, or a mirror by one of the rule's bridges. Of mirrors only those of
// originals count, so that no chain of copies is a ring which outlives its
// original, and only those of originals elsewhere than at the target.
func (r *Rule) copies(src *catalog.Service, to catalog.Identity) bool {
	m := src.Mark
	return m == nil || slices.Contains(r.Bridges, m.Owner) &&
		m.Via == "" && m.Of != "" && m.Of != to && m.Format <= catalog.MarkFormat
}
