package registry

import (
	"slices"

	"github.com/isthmus-dns/isthmus/catalog"
)

// MetaDrift is the entry of a mirror's Meta by which it reads back if its records are
// not just as its owner writes them. No Canon has it, so the next plan repairs it.
const MetaDrift = "isthmus.dev/drift"

// Told is what a feed was told of the services of one key, so that it is told again
// of those alone that changed. The zero value: of none.
type Told []told

type told struct{ owner, as string } // version and drift

// Tell takes all services of a key that there are by now as told, and returns what the
// feed is to be told for that: those that are new, or of another version or drift than
// before, and those that are gone. Of the latter stand those, as they were told, of whose
// owner keep says yes; nil keeps none. No two services may be of one owner.
func (t *Told) Tell(k catalog.Key, services []*catalog.Service, keep func(owner string) bool) (set []*catalog.Service, gone []catalog.Ref) {
	now := make([]told, 0, len(services))
	for _, s := range services {
		is := told{s.Ref().Owner, s.Version + " " + s.Meta[MetaDrift]}
		if now = append(now, is); !slices.Contains(*t, is) {
			set = append(set, s)
		}
	}
	for _, was := range *t {
		switch {
		case slices.ContainsFunc(now, func(is told) bool { return is.owner == was.owner }):
		case keep != nil && keep(was.owner):
			now = append(now, was)
		default:
			gone = append(gone, catalog.Ref{Key: k, Owner: was.owner})
		}
	}
	*t = now
	return set, gone
}

// Any reports whether the feed has a service of an owner, "" for a native one, of which
// ok says yes.
func (t Told) Any(ok func(owner string) bool) bool {
	return slices.ContainsFunc(t, func(was told) bool { return ok(was.owner) })
}
