package catalog

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// TestEntry holds that an entry tells what its service does, and is the same as
// another if and only if their services are, however either is kept.
func TestEntry(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawWhole(t), drawWhole(t)
		if rapid.Bool().Draw(t, "equal") {
			*b = *a
			b.Version = "another"
		}
		x, y := kept(t, a), kept(t, b)
		if got, want := x.Same(y), a.Same(b); got != want {
			t.Errorf("entries are the same: %v, services: %v\n%s\n%s", got, want, a.Text(), b.Text())
		}
		same := cmp.Options{cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Addr{}), cmpopts.IgnoreFields(Service{}, "Origin", "Folded")}
		if diff := cmp.Diff(a, x.Service(), same); diff != "" {
			t.Errorf("Service (-want +got):\n%s", diff)
		}
		if x.Ref() != a.Ref() || !sameMark(x.Mark(), a.Mark) || x.Endpoints() != len(a.Endpoints) {
			t.Errorf("%v, mark %v, %d endpoints; the service:\n%s", x.Ref(), x.Mark(), x.Endpoints(), a.Text())
		}
		head := *x.Head()
		head.Endpoints = a.Endpoints
		if diff := cmp.Diff(a, &head, same); diff != "" {
			t.Errorf("Head (-want +got):\n%s", diff)
		}
	})
}

// kept is an entry of s in one of the ways in which there are entries.
func kept(t *rapid.T, s *Service) Entry {
	one := *s
	if rapid.Bool().Draw(t, "alone") {
		return NewEntry(&one)
	}
	if rapid.Bool().Draw(t, "folded") {
		one.Endpoints, one.Folded = nil, PackEndpoints(s.Endpoints)
	}
	c := New(Policy{Packed: rapid.Bool().Draw(t, "packed")})
	c.Feed("etcd/x").Replace([]*Service{&one})
	return c.Snapshot().Entry("etcd/x", s.Ref())
}

// TestEntryIsOne holds that an entry is the same value as long as the service
// stands, and another once it changed.
func TestEntryIsOne(t *testing.T) {
	c := New(Policy{Packed: true})
	f := c.Feed("etcd/x")
	f.Replace(services(t, full))
	ref := Ref{Key: Key{"shop", "web"}, Owner: "prod"}
	was := c.Snapshot().Entry("etcd/x", ref)
	f.Replace(services(t, full))
	if is := c.Snapshot().Entry("etcd/x", ref); was.IsZero() || is != was {
		t.Error("the same told again is another entry")
	}
	changed := was.Service()
	changed.TTL++
	f.Update([]*Service{changed}, nil)
	if is := c.Snapshot().Entry("etcd/x", ref); is == was || is.Same(was) {
		t.Error("a change is the same entry")
	}
	if is := c.Snapshot().Entry("etcd/x", Ref{Key: Key{"shop", "none"}}); !is.IsZero() || is.Service() != nil {
		t.Error("there is an entry of nothing")
	}
}
