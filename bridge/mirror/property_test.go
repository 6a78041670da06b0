package mirror

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// TestApplyOnce holds for any two registries that after all was written once the
// next plan is empty, and that nothing changed but mirrors of the rule.
func TestApplyOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a, b := newStore(t, src, ""), newStore(t, dst, "")
		a.set(rapid.SliceOf(service(false)).Draw(rt, "source")...)
		b.set(rapid.SliceOf(service(true)).Draw(rt, "target")...)
		r := rule()
		r.Limit = Limit{Services: 1000}
		r.Naming = rapid.SampledFrom([]registry.Naming{namingSame, {Namespace: "n", Name: "{service}"}, {Namespace: "x", Name: "{service}-{namespace}"}}).Draw(rt, "naming")
		r.Address = rapid.SampledFrom([]AddressPolicy{Auto, Endpoints, Virtual, External}).Draw(rt, "address")

		r.Share = rapid.Bool().Draw(rt, "share")
		if rapid.Bool().Draw(rt, "block") {
			blocks(rapid.SampledFrom([]string{"a", "b*", "!c"}).Draw(rt, "for"), func(own *Rule) {
				own.Share, own.Address = !r.Share, Endpoints
				own.Naming = rapid.SampledFrom([]registry.Naming{namingSame, {Namespace: "x", Name: "{service}"}}).Draw(rt, "naming there")
			})(r)
		}

		before := foreign(t, b)
		c, target, stop := watched(t, r, a, b)
		defer stop()
		for range 3 { // a rename takes a second step, an old name that is free again a third
			p := planned(c, r)
			for _, o := range target.apply(t.Context(), p.Puts, p.Deletes, 1000) {
				if o.Err != nil {
					rt.Fatalf("%s: %v", o.Ref().Key, o.Err)
				}
			}
		}
		if p := planned(c, r); len(p.Puts)+len(p.Deletes) > 0 {
			rt.Fatalf("not at rest:\n%s", p.text())
		}
		if diff := cmp.Diff(before, foreign(t, b)); diff != "" {
			rt.Fatalf("what is not the rule's changed: -want +got\n%s", diff)
		}
		for _, m := range b.holds(t) {
			if ofRule(m) && a.Get(catalog.Ref{Key: m.Mark.Key}) == nil {
				rt.Fatalf("a mirror without an original:\n%s", m.Text())
			}
		}
	})
}

// watched returns a catalog that is told of all changes until stop, and b as a
// target.
func watched(t *testing.T, r *Rule, a, b *store) (c *catalog.Catalog, target *Target, stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	c = catalog.New(catalog.Policy{})
	for _, st := range []*store{a, b} {
		w, feed := st.open(r.Owner), c.Feed(st.origin)
		wg.Go(func() { registry.Supervise(ctx, w, feed, slog.New(slog.DiscardHandler)) })
		synced(c, st.origin)
		target = NewTarget(r.Owner, w)
	}
	if err := target.claim(ctx, []catalog.Identity{id(src)}); err != nil {
		t.Fatal(err)
	}
	return c, target, func() { cancel(); wg.Wait() }
}

func planned(c *catalog.Catalog, r *Rule) *Plan {
	return Plans(c.Snapshot(), []*Rule{r}, func(catalog.Origin) Place { return place(asIs) }, nil)[0]
}

// foreign is what the rule must not touch, by text with versions.
func foreign(t *testing.T, st *store) map[catalog.Ref]string {
	all := map[catalog.Ref]string{}
	for _, s := range st.holds(t) {
		if !ofRule(s) {
			all[s.Ref()] = s.Text()
		}
	}
	return all
}

func ofRule(s *catalog.Service) bool {
	return s.Mark != nil && s.Mark.Owner == "me" && s.Mark.Of == id(src) && s.Mark.Format <= catalog.MarkFormat
}

// service draws one of few names, so that collisions are common.
func service(marked bool) *rapid.Generator[*catalog.Service] {
	return rapid.Custom(func(rt *rapid.T) *catalog.Service {
		s := &catalog.Service{
			Key:       key().Draw(rt, "key"),
			Type:      rapid.SampledFrom([]catalog.ServiceType{catalog.ClusterIP, catalog.Headless, catalog.ExternalName}).Draw(rt, "type"),
			Endpoints: endpoints(rapid.IntRange(0, 3).Draw(rt, "endpoints")),
		}
		if s.Type == catalog.ExternalName {
			s.Alias, s.Endpoints = "db.example.org", nil
		}
		if rapid.Bool().Draw(rt, "external") {
			s.External = []catalog.Host{{Name: "lb.example.org"}}
		}
		if marked || rapid.IntRange(0, 9).Draw(rt, "copy") == 0 {
			s.Mark = mark().Draw(rt, "mark")
		}
		return s
	})
}

func key() *rapid.Generator[catalog.Key] {
	return rapid.Custom(func(rt *rapid.T) catalog.Key {
		return catalog.Key{
			Namespace: rapid.SampledFrom([]string{"n", "x"}).Draw(rt, "namespace"),
			Name:      rapid.SampledFrom([]string{"a", "b", "c", "a-n", "b-x", "bad"}).Draw(rt, "name"),
		}
	})
}

func mark() *rapid.Generator[*catalog.Mark] {
	return rapid.Custom(func(rt *rapid.T) *catalog.Mark {
		owner := rapid.SampledFrom([]string{"", "me", "me", "me", "you", catalog.UnknownOwner}).Draw(rt, "owner")
		if owner == "" {
			return nil
		}
		return &catalog.Mark{
			Owner:  owner,
			Of:     rapid.SampledFrom([]catalog.Identity{id(src), id(src), "id:etcd/else"}).Draw(rt, "of"),
			Key:    key().Draw(rt, "original"),
			Format: rapid.SampledFrom([]int{1, 1, 1, 2}).Draw(rt, "format"),
		}
	})
}

func endpoints(n int) []catalog.Endpoint {
	all := make([]catalog.Endpoint, n)
	for i := range all {
		all[i] = catalog.Endpoint{ID: fmt.Sprint(i), Host: catalog.Host{Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)})}, Ready: i%2 == 0}
	}
	return all
}
