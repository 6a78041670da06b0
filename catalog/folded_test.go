package catalog

import (
	"iter"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// TestFolded holds that a service that is reported with its endpoints packed is
// the same to all who ask as one that is not, in any catalog, and that the one in
// place of the other is no news.
func TestFolded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawWhole(t)
		folded := *s
		folded.Endpoints, folded.Folded = nil, PackEndpoints(s.Endpoints)
		policy := Policy{Packed: rapid.Bool().Draw(t, "packed")}
		want, got := New(policy), New(policy)
		want.Feed("etcd/x").Replace([]*Service{s})
		got.Feed("etcd/x").Replace([]*Service{&folded})
		was, is := want.Snapshot(), got.Snapshot()
		for what, pair := range map[string][2]*Service{
			"Lookup": {was.Lookup(s.Key), is.Lookup(s.Key)},
			"Get":    {was.Get("etcd/x", s.Ref()), is.Get("etcd/x", s.Ref())},
			"From":   {only(was.From("etcd/x")), only(is.From("etcd/x"))},
		} {
			if diff := cmp.Diff(pair[0], pair[1], cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
		}
		if was, is := was.State("etcd/x").Endpoints, is.State("etcd/x").Endpoints; was != is {
			t.Errorf("%d endpoints are counted, want %d", is, was)
		}
		got.Feed("etcd/x").Replace([]*Service{s})
		if keys := got.Snapshot().Since(is); len(keys) > 0 {
			t.Errorf("the same without its endpoints packed is news of %v", keys)
		}
	})
}

func only(all iter.Seq[*Service]) *Service { return slices.Collect(all)[0] }

// TestFoldedIsShared holds that a catalog of packed services keeps no copy of
// packed endpoints.
func TestFoldedIsShared(t *testing.T) {
	var all []Endpoint
	for i := range 1000 {
		a := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		all = append(all, Endpoint{ID: a.String(), Host: Host{Addr: a}})
	}
	c := New(Policy{Packed: true})
	folded := PackEndpoints(all)
	if folded.Len() != len(all) {
		t.Fatalf("%d endpoints are packed as %d", len(all), folded.Len())
	}
	c.Feed("etcd/x").Replace([]*Service{{Key: Key{"shop", "web"}, Folded: folded}})
	h, _ := c.Snapshot().origins["etcd/x"].services.Get(Ref{Key: Key{"shop", "web"}})
	if len(h.packed) > 100 || h.folded != folded {
		t.Errorf("%d bytes are packed beside the endpoints", len(h.packed))
	}
}
