package simulation

import (
	"fmt"
	"slices"

	"github.com/isthmus-dns/isthmus/catalog"
)

// claimant is an original that wants a name.
type claimant struct {
	of  catalog.Identity
	key catalog.Key
}

// unsettled compares all sides with the model:
//
//	who wants a name      who else has it   what stands there of the bridge's
//	nobody                whoever           nothing, or a mirror whose original's own name is not to be had
//	originals             nobody            a mirror of one of them
//	originals             somebody          the same, or nothing
//
// All else is as it was put there.
func (w *world) unsettled() []string {
	var wrong []string
	for _, o := range w.layout.origins {
		wrong = append(wrong, w.sides[o].unsettled()...)
	}
	slices.Sort(wrong)
	return wrong
}

func (s *side) unsettled() (wrong []string) {
	s.world.mu.Lock()
	wanted := s.wanted()
	s.world.mu.Unlock()
	names := namesOf(wanted)
	found := map[catalog.Ref]bool{}
	for _, m := range s.holds() {
		found[m.Ref()] = true
		if why := s.misplaced(m, wanted, names); why != "" {
			wrong = append(wrong, fmt.Sprintf("%s: %s %s", s.origin, m.Key, why))
		}
	}
	for k := range wanted {
		_, taken := s.strangers[k]
		if !found[catalog.Ref{Key: k, Owner: owner}] && !taken {
			wrong = append(wrong, fmt.Sprintf("%s: no mirror %s", s.origin, k))
		}
	}
	return append(wrong, s.missing(found)...)
}

// wanted says who wants which name here, and what the mirror has to say.
func (s *side) wanted() map[catalog.Key]map[claimant]string {
	all := map[catalog.Key]map[claimant]string{}
	for _, r := range s.world.rules {
		if r.To != s.origin {
			continue
		}
		from := s.world.sides[r.From]
		for k, n := range from.natives {
			if n.is == nil || bad(k.Name) || s.ways.ReadyOnly && ready(n.is) == 0 {
				continue
			}
			name := target(r, k)
			if all[name] == nil {
				all[name] = map[claimant]string{}
			}
			all[name][claimant{from.identity, k}] = s.content(n.is)
		}
	}
	return all
}

// content is what a mirror here has of its original.
func (s *side) content(is *catalog.Service) string {
	held := *is
	held.Endpoints = nil
	for _, e := range is.Endpoints {
		if e.Ready || !s.ways.ReadyOnly {
			held.Endpoints = append(held.Endpoints, e)
		}
	}
	return content(&held)
}

// namesOf says which name each original wants.
func namesOf(wanted map[catalog.Key]map[claimant]string) map[claimant]catalog.Key {
	all := map[claimant]catalog.Key{}
	for k, who := range wanted {
		for c := range who {
			all[c] = k
		}
	}
	return all
}

// misplaced says what is wrong with a record; "": nothing.
func (s *side) misplaced(m *catalog.Service, wanted map[catalog.Key]map[claimant]string, names map[claimant]catalog.Key) string {
	is := content(m)
	if m.Mark == nil {
		if n := s.natives[m.Key]; n == nil || n.is == nil || content(n.is) != is {
			return "is a native that nobody registered so"
		}
		return ""
	}
	if was, theirs := s.others[m.Ref()]; theirs {
		if was != is {
			return fmt.Sprintf("of others is %q, was put as %q", is, was)
		}
		return ""
	}
	want, known := wanted[m.Key][claimant{m.Mark.Of, m.Mark.Key}]
	name, waits := names[claimant{m.Mark.Of, m.Mark.Key}]
	_, taken := s.strangers[name]
	_, newer := s.others[catalog.Ref{Key: name, Owner: owner}]
	switch {
	case !known && waits && newer:
	case !known && waits && (taken || len(wanted[name]) > 1):
	case !known:
		return fmt.Sprintf("is a mirror of %s that nobody wants", m.Mark.Key)
	case want != is:
		return fmt.Sprintf("is %q, want %q", is, want)
	}
	return ""
}

// missing is what of others is gone.
func (s *side) missing(found map[catalog.Ref]bool) (wrong []string) {
	for ref := range s.others {
		if !found[ref] {
			wrong = append(wrong, fmt.Sprintf("%s: %v of others is gone", s.origin, ref))
		}
	}
	for k, n := range s.natives {
		if n.is != nil && !found[catalog.Ref{Key: k}] {
			wrong = append(wrong, fmt.Sprintf("%s: native %s is gone", s.origin, k))
		}
	}
	return wrong
}
