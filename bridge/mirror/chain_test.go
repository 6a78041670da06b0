package mirror

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// between returns a rule of owner with a generous limit.
func between(owner string, from, to catalog.Origin, naming registry.Naming, bridges ...string) *Rule {
	return &Rule{Owner: owner, From: from, To: to, Naming: naming, Bridges: bridges, Address: Endpoints, Limit: Limit{Services: 1000}, Hold: DefaultHold}
}

// TestTwoClusters holds that two bridges which share a registry, and copy each
// other's mirrors, end with every service on both sides, that nothing is written
// then, that neither touches what the other wrote, and that what goes at one
// end goes at all.
func TestTwoClusters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const a, b, mid = "kubernetes/a", "kubernetes/b", "consul/mid"
		one := newStore(t, a, "service shop/web Headless\n\tendpoint 10.1.0.1 id=x ready\nservice shop/both Headless\n\tendpoint 10.1.0.2 id=x ready")
		two := newStore(t, b, "service shop/db Headless\n\tendpoint 10.2.0.1 id=x ready\nservice shop/both Headless\n\tendpoint 10.2.0.2 id=x ready")
		shared := newStore(t, mid, "service consul/vm Headless\n\tendpoint 10.3.0.1 id=x ready")
		out, in := registry.Naming{Namespace: "consul", Name: "{service}-{namespace}"}, registry.Naming{Namespace: "far", Name: "{service}"}
		first := start(t, nil, []*Rule{between("one", a, mid, out), between("one", mid, a, in, "two")}, one, shared)
		time.Sleep(time.Second)
		second := start(t, nil, []*Rule{between("two", b, mid, out), between("two", mid, b, in, "one")}, two, shared)
		time.Sleep(time.Second)

		want := map[string]map[string]string{
			a:   {"far/db": "one shop/db via", "far/vm": "one consul/vm", "shop/both": "", "shop/web": ""},
			b:   {"far/web": "two shop/web via", "far/both": "two shop/both via", "far/vm": "two consul/vm", "shop/both": "", "shop/db": ""},
			mid: {"consul/vm": "", "consul/web-shop": "one shop/web", "consul/both-shop": "one shop/both", "consul/db-shop": "two shop/db"},
		}
		if diff := cmp.Diff(want, held(t, one, two, shared)); diff != "" {
			t.Errorf("at rest: -want +got\n%s", diff)
		}
		before := one.written() + two.written() + shared.written()
		time.Sleep(time.Hour)
		if n := one.written() + two.written() + shared.written(); n != before {
			t.Errorf("%d services written at rest", n-before)
		}

		one.remove(catalog.Ref{Key: catalog.Key{Namespace: "shop", Name: "web"}}, catalog.Ref{Key: catalog.Key{Namespace: "shop", Name: "both"}})
		time.Sleep(time.Second)
		want = map[string]map[string]string{
			a:   {"far/db": "one shop/db via", "far/both": "one shop/both via", "far/vm": "one consul/vm"},
			b:   {"far/vm": "two consul/vm", "shop/both": "", "shop/db": ""},
			mid: {"consul/vm": "", "consul/both-shop": "two shop/both", "consul/db-shop": "two shop/db"},
		}
		if diff := cmp.Diff(want, held(t, one, two, shared)); diff != "" {
			t.Errorf("after services went: -want +got\n%s", diff)
		}
		first.stop()
		second.stop()
	})
}

// held says of each service in the stores whose copy it is of what, if any.
func held(t *testing.T, stores ...*store) map[string]map[string]string {
	all := map[string]map[string]string{}
	for _, st := range stores {
		services := map[string]string{}
		for _, s := range st.holds(t) {
			text := ""
			if m := s.Mark; m != nil {
				text = m.Owner + " " + m.Key.String()
				if m.Via != "" {
					text += " via"
				}
			}
			services[s.Key.String()] = text
		}
		all[string(st.origin)] = services
	}
	return all
}
