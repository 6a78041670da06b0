package catalog

import (
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// holds is all that a snapshot knows of one origin, as text and values.
type holds struct {
	Text       string
	Namespaces []string
	Pods       []*Pod
	Refused    map[string]string
	State      State
}

func holdsOf(t *testing.T, c *Catalog, o Origin) holds {
	t.Helper()
	s := c.Snapshot()
	var text strings.Builder
	if err := WriteText(&text, slices.Collect(s.From(o))); err != nil {
		t.Fatal(err)
	}
	h := holds{Text: text.String(), Refused: map[string]string{}, State: s.State(o)}
	h.State.News, h.State.Since = time.Time{}, time.Time{} // each catalog has its own clock
	for _, ns := range []string{"shop", "spare"} {
		if s.HoldsNamespace(o, ns) {
			h.Namespaces = append(h.Namespaces, ns)
		}
	}
	h.Pods = s.Pods(netip.MustParseAddr("10.1.0.1"))
	for record, err := range s.Refused(o) {
		h.Refused[record] = err.Error()
	}
	return h
}

func sameHolds(t *testing.T, what string, a, b *Catalog) {
	t.Helper()
	same := cmp.Comparer(func(x, y error) bool { return errors.Is(x, y) })
	addr := cmp.Comparer(func(x, y netip.Addr) bool { return x == y })
	if diff := cmp.Diff(holdsOf(t, a, "kubernetes/a"), holdsOf(t, b, "kubernetes/a"), same, addr); diff != "" {
		t.Errorf("%s: the catalogs differ (-first +joined):\n%s", what, diff)
	}
}

// TestJoin holds that a catalog which joins a feed knows at once what the first
// one does, in place of what it had, follows it, and no longer once it left.
func TestJoin(t *testing.T) {
	first := New(Policy{Origins: []OriginPolicy{{Origin: "kubernetes/a", Speaks: true}}})
	feed := first.Feed("kubernetes/a")
	feed.Identify("42")
	feed.ReplaceNamespaces([]string{"shop"})
	feed.ReplacePods([]*Pod{{Key: Key{"shop", "p"}, Addrs: []netip.Addr{netip.MustParseAddr("10.1.0.1")}}})
	feed.Replace(services(t, full))
	feed.Refuse("shop/bad", errors.ErrUnsupported)

	second := New(Policy{Origins: []OriginPolicy{{Origin: "consul/b"}, {Origin: "kubernetes/a", Speaks: true}}, Merge: Union})
	own := second.Feed("kubernetes/a")
	own.ReplaceNamespaces([]string{"spare"})
	own.Replace(services(t, "service spare/old ClusterIP\n"))
	before := second.Snapshot()
	feed.Join(second)
	feed.Join(second) // once is enough
	sameHolds(t, "after joining", first, second)
	if svc := second.Snapshot().Lookup(Key{"shop", "x"}); svc == nil {
		t.Error("a service does not answer in the catalog that joined")
	}
	changed := second.Snapshot().Since(before)
	slices.SortFunc(changed, Key.Compare)
	if diff := cmp.Diff([]Key{{"shop", "web"}, {"shop", "x"}, {"spare", "old"}}, changed); diff != "" {
		t.Errorf("Since (-want +got):\n%s", diff)
	}

	feed.UpdateNamespaces([]string{"spare"}, nil)
	feed.UpdatePods(nil, []Key{{"shop", "p"}})
	feed.Update(services(t, "service spare/new ClusterIP\n"), []Ref{{Key: Key{"shop", "x"}}})
	feed.Connected(errors.ErrUnsupported)
	sameHolds(t, "after changes", first, second)

	waiting := feed.Changed()
	feed.Leave(first)
	select {
	case <-waiting:
	default:
		t.Error("who waits for news of the feed waits for a catalog that left")
	}
	stands := first.Snapshot()
	feed.Connected(nil)
	feed.Update(nil, []Ref{{Key: Key{"spare", "new"}}})
	if first.Snapshot() != stands {
		t.Error("a catalog that left is told of changes")
	}
	if !feed.State().Connected || second.Snapshot().Lookup(Key{"spare", "new"}) != nil {
		t.Error("the catalog that stayed is not told of changes")
	}
	feed.Leave(second) // the last one stays
	feed.Update(services(t, "service spare/last ClusterIP\n"), nil)
	if second.Snapshot().Lookup(Key{"spare", "last"}) == nil {
		t.Error("the last catalog left its feed")
	}
}

// TestJoinShares holds that services are shared and not written to again:
// under the race detector a write would be found.
func TestJoinShares(t *testing.T) {
	for _, policy := range []Policy{{}, {Packed: true}} {
		first, second := New(policy), New(policy)
		feed := first.Feed("consul/a")
		feed.Replace(services(t, full))
		done := make(chan struct{})
		go func() {
			defer close(done)
			for svc := range first.Snapshot().From("consul/a") {
				_ = svc.Origin
			}
		}()
		feed.Join(second)
		<-done
		a := maps.Collect(first.Snapshot().origins["consul/a"].services.All())
		b := maps.Collect(second.Snapshot().origins["consul/a"].services.All())
		share := func(x, y *held) bool { return x == y || x.mark != nil && x.whole == y.whole && x.packed == y.packed }
		if len(a) != 2 || !maps.EqualFunc(a, b, share) {
			t.Errorf("packed %v: the catalogs hold different services", policy.Packed)
		}
	}
}

// TestUnder holds that of one origin all owners' services of a key are found, and
// nothing else, whatever key a mirror answers under.
func TestUnder(t *testing.T) {
	c := New(Policy{Origins: []OriginPolicy{{Origin: "consul/b", Given: []string{"consul"}, Trust: []string{"prod"}}}})
	c.Feed("consul/b").Replace(services(t, "service consul/web Headless\n\nservice consul/web Headless\n\tmark owner=prod of=k1 key=shop/web format=1\n\nservice consul/db Headless\n"))
	c.Feed("etcd/c").Replace(services(t, "service consul/web Headless\n"))
	owners := map[string]bool{}
	for _, e := range c.Snapshot().Under("consul/b", Key{"consul", "web"}) {
		svc := e.Service()
		if svc.Origin != "consul/b" || svc.Key != (Key{"consul", "web"}) {
			t.Errorf("found %+v", svc)
		}
		owners[svc.Ref().Owner] = true
	}
	if diff := cmp.Diff(map[string]bool{"": true, "prod": true}, owners); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
	if all := c.Snapshot().Under("consul/b", Key{"shop", "web"}); len(all) != 0 {
		t.Errorf("under the original's key stands %+v", all)
	}
}
