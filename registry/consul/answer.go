package consul

import (
	"slices"

	"github.com/isthmus-dns/isthmus/catalog"
)

// seen is what is remembered of one name as it was last read or written. Its
// services the feed has; here is only what the feed cannot be asked for.
type seen struct {
	index   uint64
	told    []told
	listed  *catalog.Service // the same that the directory holds
	refused map[string]error // by record: "NODE/ID", or the name itself
	there   bool             // Consul has instances under the name, though they may all be none of ours to show
}

// told is whose service the feed was told of.
type told struct {
	owner string // "" of the native one
	bare  bool   // the feed holds no content of it
}

// answer is one name as it was read. Its services wait packed for their report,
// since there may be many answers before one.
type answer struct {
	name   string
	ticket uint64
	seen
	packed []packed  // as told
	sums   []nodeSum // of its records
	mine   uint64    // the hash of the version of the mirror that is the reader's own
}

// packed is one service as the feed would keep it: packed, or bare and then as
// it is, for its words are the catalog's.
type packed struct {
	text catalog.Packed
	bare *catalog.Service
}

func (p packed) service() *catalog.Service {
	if p.bare != nil {
		return p.bare
	}
	return p.text.Service()
}

// is reports whether svc, which may be nil, says the same in the same version.
func (p packed) is(svc *catalog.Service) bool {
	return p.bare == nil && svc != nil && !svc.Bare && catalog.Pack(svc) == p.text
}

// answerOf returns what f says of name, as much of it as is held until it is
// reported.
func (v *view) answerOf(name string, ticket, index uint64, f found) answer {
	v.mu.Lock()
	feed, s := v.feed, v.sums
	v.mu.Unlock()
	a := answer{
		name: name, ticket: ticket, sums: s.perNode(f.records), mine: s.hash(f.version(v.owner)),
		seen: seen{index: index, refused: f.refused, listed: f.listed, there: f.there},
	}
	for _, svc := range f.services {
		kept := feed.Kept(svc)
		a.told = append(a.told, told{svc.Ref().Owner, kept.Bare})
		if kept.Bare {
			a.packed = append(a.packed, packed{bare: kept})
			continue
		}
		a.packed = append(a.packed, packed{text: catalog.Pack(svc)})
	}
	a.told, a.packed = slices.Clip(a.told), slices.Clip(a.packed)
	return a
}

func (s seen) has(owner string) bool {
	return slices.ContainsFunc(s.told, func(t told) bool { return t.owner == owner })
}

// bare reports whether the feed holds owner's mirror bare.
func (s seen) bare(owner string) bool { return slices.Contains(s.told, told{owner, true}) }

// with returns s with f in the place of what owner had there; mine tells
// whether a refused record is on a node of the owner.
func (s seen) with(owner string, f found, mine func(record string) bool) seen {
	next := seen{index: s.index, listed: s.listed}
	for record, err := range s.refused {
		if mine(record) {
			continue
		}
		if next.refused == nil {
			next.refused = map[string]error{}
		}
		next.refused[record] = err
	}
	for _, t := range s.told {
		if t.owner != owner {
			next.told = append(next.told, t)
		}
	}
	for _, svc := range f.services {
		next.told = append(next.told, told{owner: svc.Ref().Owner})
	}
	next.told = slices.Clip(next.told)
	return next
}

// refusals returns which records are refused.
func (s seen) refusals() map[string]bool {
	if len(s.refused) == 0 {
		return nil
	}
	all := map[string]bool{}
	for record := range s.refused {
		all[record] = true
	}
	return all
}

// nothing reports whether a name is not worth remembering.
func (s seen) nothing() bool { return !s.there && len(s.told)+len(s.refused) == 0 }

// takesAway reports whether answers say that a service is gone which was told.
func (v *view) takesAway(all []answer) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.ContainsFunc(all, func(a answer) bool {
		return slices.ContainsFunc(v.names[a.name].told, func(t told) bool { return !a.has(t.owner) })
	})
}
