package mirror

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// turn is how one original and its rule are at one time, and who is in the way.
type turn struct {
	ports   []string // of the original; none: it is gone
	split   bool
	name    string          // the rule's template
	taken   map[string]bool // names that natives have
	refused map[string]bool // names under which the target can hold none
	failing map[string]bool // names under which a write fails
}

func drawTurn(t *rapid.T) turn {
	of := func(what string) map[string]bool {
		all := map[string]bool{}
		for _, n := range rapid.SliceOfN(rapid.SampledFrom([]string{"web", "web-http", "web-rpc", "x-web", "x-web-http", "x-web-rpc"}), 0, 2).Draw(t, what) {
			all[n] = true
		}
		return all
	}
	ports := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"http", "rpc", "admin"}), 0, 3, rapid.ID).Draw(t, "ports")
	return turn{
		ports: ports, split: rapid.Bool().Draw(t, "split"), name: rapid.SampledFrom([]string{"{service}", "x-{service}"}).Draw(t, "name"),
		taken: of("taken"), refused: of("refused"), failing: of("failing"),
	}
}

// names says under which names the original is wanted, by port; "" for all.
func (n turn) names() map[string]string {
	base := map[string]string{"{service}": "web", "x-{service}": "x-web"}[n.name]
	all := map[string]string{}
	for _, p := range n.ports {
		if n.split {
			all[p] = base + "-" + p
		} else {
			all[""] = base
		}
	}
	return all
}

func (n turn) rule() *Rule {
	r := rule()
	r.Split, r.Limit = n.split, Limit{Services: 1000}
	r.Naming = registry.Naming{Namespace: "shop", Name: n.name}
	return r
}

func (n turn) source() []*catalog.Service {
	if len(n.ports) == 0 {
		return nil
	}
	s := &catalog.Service{Key: catalog.Key{Namespace: "shop", Name: "web"}, Type: catalog.Headless, Endpoints: endpoints(1)}
	for i, p := range n.ports {
		s.Ports = append(s.Ports, catalog.Port{Name: p, Proto: catalog.TCP, Number: uint16(80 + i)})
	}
	s.Endpoints[0].Ports = s.Ports
	s.Sort()
	return []*catalog.Service{s}
}

func (n turn) canon(s *catalog.Service) (*catalog.Service, error) {
	if n.refused[s.Name] {
		return nil, registry.ErrInvalid
	}
	return s, nil
}

// successors are the names of what takes the place of m.
func (n turn) successors(m *catalog.Service) []string {
	names := n.names()
	if len(m.Ports) == 1 && names[m.Ports[0].Name] != "" {
		return []string{names[m.Ports[0].Name]}
	}
	return slices.Sorted(maps.Values(names))
}

// TestReplacementStands holds for an original whose ports, names and rule change in
// any way, while names are taken, mirrors refused and writes fail, that a mirror
// of it goes only when all that takes its place is there; and that once nothing
// is in the way what is wanted is there, and nothing else.
func TestReplacementStands(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		there := map[string]*catalog.Service{} // mirrors by name
		turns := rapid.SliceOfN(rapid.Custom(drawTurn), 1, 5).Draw(rt, "turns")
		last := turns[len(turns)-1]
		last.taken, last.refused, last.failing = nil, nil, nil
		for _, n := range append(turns, last) {
			for range 3 { // a put, what waits for it, and what is left of that
				n.step(rt, there)
			}
		}
		if diff := cmp.Diff(slices.Sorted(maps.Values(last.names())), slices.Sorted(maps.Keys(there))); diff != "" {
			rt.Errorf("at the end: -want +there\n%s", diff)
		}
	})
}

// step plans once and writes it.
func (n turn) step(t *rapid.T, there map[string]*catalog.Service) {
	holds := slices.Collect(maps.Values(there))
	for name := range n.taken {
		holds = append(holds, &catalog.Service{Key: catalog.Key{Namespace: "shop", Name: name}, Type: catalog.Headless})
	}
	c := catalog.New(catalog.Policy{})
	for o, all := range map[catalog.Origin][]*catalog.Service{src: n.source(), dst: holds} {
		c.Feed(o).Identify(id(o))
		c.Feed(o).Replace(all)
	}
	p := Plans(c.Snapshot(), []*Rule{n.rule()}, func(catalog.Origin) Place { return place(n.canon) }, nil)[0]
	for _, d := range p.Deletes {
		for _, name := range n.successors(d.Found) {
			if there[name] == nil {
				t.Errorf("%q goes (%s) before %q is there, with %+v", d.Found.Name, d.Why, name, n)
			}
		}
	}
	for _, put := range p.Puts {
		if !n.failing[put.Want.Name] {
			there[put.Want.Name] = put.Want
		}
	}
	for _, d := range p.Deletes {
		delete(there, d.Found.Name)
	}
}
