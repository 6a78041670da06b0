package catalog

import (
	"net/netip"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// TestLookupAt holds that what stands at an address is what Lookup tells of it,
// however the service is kept: whole, packed, with endpoints that were packed
// before, and as one of two.
func TestLookupAt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawWhole(t)
		c := New(Policy{Packed: rapid.Bool().Draw(t, "packed"), Merge: Merge(rapid.IntRange(0, 2).Draw(t, "merge"))})
		reported := *s
		if rapid.Bool().Draw(t, "folded") {
			reported.Endpoints, reported.Folded = nil, PackEndpoints(s.Endpoints)
		}
		c.Feed("etcd/x").Replace([]*Service{&reported})
		if rapid.Bool().Draw(t, "two") {
			other := *s
			c.Feed("etcd/y").Replace([]*Service{&other})
		}
		at := append([]netip.Addr{netip.MustParseAddr("192.0.2.1")}, s.Addrs...)
		for _, e := range s.Endpoints {
			if e.Host.Addr.IsValid() {
				at = append(at, e.Host.Addr)
			}
		}
		a := rapid.SampledFrom(at).Draw(t, "at")
		var room [1]Endpoint
		got, found := c.Snapshot().LookupAt(s.Key, a, room[:0])
		svc := c.Snapshot().Lookup(s.Key)
		if svc == nil || !found {
			t.Fatalf("found: %v, and Lookup returns %v", found, svc)
		}
		want := Place{Origin: svc.Origin, Type: svc.Type, Own: slices.Contains(svc.Addrs, a), TTL: svc.TTL}
		for _, e := range svc.Endpoints {
			if e.ID, e.Ports, e.Tags, e.Meta = "", nil, nil, nil; e.Host.Addr == a {
				want.Endpoints = append(want.Endpoints, e)
			}
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			t.Fatalf("at %v (-want +got):\n%s", a, diff)
		}
	})
}

// TestOutline holds that the outline of a service is what Lookup tells of it,
// whatever was outlined in its place before, and that it is nobody else's memory.
func TestOutline(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := New(Policy{Packed: rapid.Bool().Draw(t, "packed"), Merge: Merge(rapid.IntRange(0, 2).Draw(t, "merge"))})
		for _, o := range []Origin{"etcd/x", "etcd/y"} {
			all := rapid.SliceOfN(rapid.Custom(drawWhole), 0, 4).Draw(t, "all")
			for _, svc := range all {
				if rapid.Bool().Draw(t, "folded") {
					svc.Folded, svc.Endpoints = PackEndpoints(svc.Endpoints), nil
				}
			}
			c.Feed(o).Replace(all)
		}
		snap := c.Snapshot()
		want := map[Key]*Service{}
		for k := range snap.Keys() {
			svc := *snap.Lookup(k)
			svc.Mark, svc.External, svc.Ports, svc.Meta, svc.Version, svc.Triggered = nil, nil, nil, nil, "", time.Time{}
			svc.Endpoints = slices.Clone(svc.Endpoints)
			for i := range svc.Endpoints {
				e := &svc.Endpoints[i]
				e.ID, e.Ports, e.Tags, e.Meta = "", nil, nil, nil
			}
			want[k] = &svc
		}
		var got Service
		for range 2 { // the second time with what it wrote to, if it was another's
			for k := range snap.Keys() {
				if !snap.Outline(k, &got) {
					t.Fatalf("%v is not found", k)
				}
				if diff := cmp.Diff(want[k], &got, cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
					t.Fatalf("%v (-want +got):\n%s", k, diff)
				}
			}
		}
		if snap.Outline(Key{"no", "such"}, &got) {
			t.Error("what is not there is found")
		}
	})
}

// TestLookupAtNothing holds that what Lookup does not find is not found at an
// address.
func TestLookupAtNothing(t *testing.T) {
	c := New(Policy{Packed: true, Origins: []OriginPolicy{{Origin: "kubernetes/x", Speaks: true}, {Origin: "etcd/x"}}})
	a := netip.MustParseAddr("10.0.0.1")
	k := Key{"kube-system", "dns"}
	c.Feed("etcd/x").Replace([]*Service{{Key: k, Addrs: []netip.Addr{a}}})
	for _, k := range []Key{k, {"kube-system", "other"}} {
		if got, found := c.Snapshot().LookupAt(k, a, nil); found {
			t.Errorf("%v: %+v", k, got)
		}
	}
}

// TestLookupAtAllocs holds that one endpoint of many is found without memory for
// the others, nor any of its own.
func TestLookupAtAllocs(t *testing.T) {
	s := &Service{Key: Key{"shop", "web"}, Type: Headless}
	for i := range 200 {
		a := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
		s.Endpoints = append(s.Endpoints, Endpoint{ID: a.String(), Host: Host{Addr: a}, Node: "node-" + strconv.Itoa(i%10), Pod: "web-" + strconv.Itoa(i)})
	}
	c := New(Policy{Packed: true})
	c.Feed("etcd/x").Replace([]*Service{s})
	snap := c.Snapshot()
	got := testing.AllocsPerRun(100, func() {
		var room [1]Endpoint
		p, found := snap.LookupAt(s.Key, s.Endpoints[150].Host.Addr, room[:0])
		if !found || len(p.Endpoints) != 1 || p.Endpoints[0].Pod != "web-150" {
			t.Fatal("another one is found")
		}
	})
	if got != 0 {
		t.Errorf("%v allocations", got)
	}
}
