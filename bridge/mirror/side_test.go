package mirror

import (
	"errors"
	"testing"

	"github.com/isthmus-dns/isthmus/catalog"
)

// The two sides of the rule that most tests look at.
const (
	src = catalog.Origin("kubernetes/src")
	dst = catalog.Origin("consul/dst")
)

// id is the identity that the tests give an origin.
func id(o catalog.Origin) catalog.Identity { return catalog.Identity("id:" + string(o)) }

// parse reads services in text form.
func parse(t testing.TB, text string) []*catalog.Service {
	t.Helper()
	all, err := catalog.ParseText(text)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// sides returns a catalog whose origins are synced and hold what the texts say.
func sides(t testing.TB, holds map[catalog.Origin]string) *catalog.Catalog {
	t.Helper()
	c := catalog.New(catalog.Policy{})
	for o, text := range holds {
		f := c.Feed(o)
		f.Identify(id(o))
		f.Replace(parse(t, text))
	}
	return c
}

// rule is outward, in every namespace, under the same key.
func rule() *Rule {
	return &Rule{
		Owner: "me", From: src, To: dst, Namespaces: []string{"*"}, Address: Auto, Limit: DefaultLimit(),
		Naming: namingSame,
	}
}

// asIs is the Canon of a target that can hold everything.
func asIs(s *catalog.Service) (*catalog.Service, error) { return s, nil }

// wanted is Desired by a target that can hold everything.
func wanted(s *catalog.Snapshot, r *Rule) *Wanted {
	return Desired(s, r, MirrorsOf(s, r, asIs))
}

// place is a target of which no more than its Canon is known, and that holds
// anything beside anything else but what is beside "lonely".
type place MirrorOf

func (p place) Canon(s *catalog.Service) (*catalog.Service, error) { return p(s) }

func (p place) Beside(_, theirs *catalog.Service) error {
	for _, e := range theirs.Endpoints {
		if e.ID == "lonely" {
			return errors.New("it is lonely")
		}
	}
	return nil
}
