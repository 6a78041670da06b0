package mirror

import (
	"slices"

	"github.com/isthmus-dns/isthmus/catalog"
)

// Orphans returns the mirrors of an owner at an origin that no rule wants any
// more nor ever deletes, since their originals are of a registry that no rule
// mirrors from to there, sorted by key. It is the other side of what a rule takes for its own.
//
// Of a copy's copy the registry that it was read from counts, not the original's.
//
//	the original's registry is                           the mirror is
//	the source of a rule to there                        that rule's
//	not, and every such source is known                  an orphan
//	not, and one is not known yet                        left alone
//	another's, by a rule to a registry that is not known left alone, if it may be the same one
//
// A mirror in a newer format is left alone, too: another version knows why.
func Orphans(s *catalog.Snapshot, rules []*Rule, owner string, o catalog.Origin) []*catalog.Service {
	sources, known := sourcesTo(s, rules, o)
	if !known || !s.Synced(o) {
		return nil
	}
	var all []*catalog.Service
	for _, m := range Owned(s, owner, o) {
		if !sources[ReadFrom(m.Mark)] {
			all = append(all, m)
		}
	}
	return all
}

// Owned returns the mirrors of an owner at an origin, in a format that this
// version may write, sorted by key.
func Owned(s *catalog.Snapshot, owner string, o catalog.Origin) []*catalog.Service {
	var all []*catalog.Service
	for e := range s.Entries(o) {
		if m := e.Mark(); m != nil && m.Owner == owner && m.Format <= catalog.MarkFormat {
			all = append(all, e.Service())
		}
	}
	slices.SortFunc(all, func(a, b *catalog.Service) int { return a.Key.Compare(b.Key) })
	return all
}

// sourcesTo returns the identities of the registries that rules mirror from to
// the one that o reads; false while one of them, or where a rule leads, is not known.
func sourcesTo(s *catalog.Snapshot, rules []*Rule, o catalog.Origin) (sources map[catalog.Identity]bool, known bool) {
	sources = map[catalog.Identity]bool{}
	at := s.State(o).Identity
	if at == "" {
		return nil, false
	}
	for _, r := range rules {
		to, from := s.State(r.To).Identity, s.State(r.From).Identity
		switch {
		case to != "" && to != at, to == "" && r.To.Type() != o.Type():
			continue // it leads elsewhere
		case to == "" || from == "":
			return nil, false
		}
		sources[from] = true
	}
	return sources, true
}
