package catalog

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

func past(t *testing.T, text string) Past {
	t.Helper()
	var packed []Packed
	for _, svc := range services(t, text) {
		packed = append(packed, Pack(svc))
	}
	return Past{
		Origin: "kubernetes/a", Identity: "42", At: time.Unix(1_700_000_000, 0),
		Namespaces: []string{"shop"},
		Pods:       []*Pod{{Key: Key{"shop", "p"}, Addrs: []netip.Addr{netip.MustParseAddr("10.1.0.1")}}},
		Services:   packed,
		Listing: &Listing{
			Datacenter: "dc1",
			Nodes:      []*Node{{Name: "N1", Host: ParseHost("10.0.0.1")}, {Name: "n2", Host: ParseHost("host.example.org")}},
			Services:   services(t, "service x/ssh Headless\n\tendpoint 10.0.0.9 id=a ready"),
		},
	}
}

func recalled(t *testing.T) (*Catalog, *Feed) {
	t.Helper()
	c := New(Policy{Origins: []OriginPolicy{{Origin: "kubernetes/a", Speaks: true}, {Origin: "consul/b", Given: []string{"consul"}}}})
	f := c.Feed("kubernetes/a")
	if !f.Recall(past(t, full)) {
		t.Fatal("an origin that was never read cannot be recalled")
	}
	return c, f
}

// TestRecall holds that the past answers and is not taken for a sync, that it
// decides what is absent, and that the origin's own word ends it at once.
func TestRecall(t *testing.T) {
	c, f := recalled(t)
	s := c.Snapshot()
	st := s.State("kubernetes/a")
	if st.Synced || st.Connected || !st.Known() || st.Services != 2 || st.Identity != "42" || !st.News.Equal(st.Stale) {
		t.Errorf("state is %+v", st)
	}
	if s.Synced("kubernetes/a") || s.Known() {
		t.Error("a recalled origin is synced, or one that was never read is known")
	}
	if s.Lookup(Key{"shop", "x"}) == nil || !s.Namespace("shop") || len(s.Pods(netip.MustParseAddr("10.1.0.1"))) != 1 {
		t.Error("the past is not answered")
	}
	if d := s.Directory("kubernetes/a"); !d.Lists() || d.Datacenter() != "dc1" || d.Node("n1") == nil || d.Listed("ssh").Origin != "kubernetes/a" ||
		len(d.NodesAt(netip.MustParseAddr("10.0.0.1"))) != 1 || len(d.ListedAt(netip.MustParseAddr("10.0.0.9"))) != 1 {
		t.Error("the past's directory is not answered")
	}
	if s.Pending("shop") || s.Pending("nothing") != true || !s.Pending("consul") || s.PendingAddr() {
		t.Error("what is absent in the past waits for the origin, or what another may hold does not wait for that")
	}

	f.Identify("42")
	f.ReplaceNodes("dc1", []*Node{{Name: "n3"}})
	if d := c.Snapshot().Directory("kubernetes/a"); d.Node("n1") != nil || d.Listed("ssh") == nil || !d.Lists() {
		t.Error("the past's nodes did not go with the first report of nodes, or its services did")
	}
	f.Replace(services(t, "service shop/new ClusterIP\n"))
	s = c.Snapshot()
	if s.Lookup(Key{"shop", "x"}) != nil || s.Lookup(Key{"shop", "new"}) == nil {
		t.Error("the past did not go with the first report")
	}
	if st := s.State("kubernetes/a"); !st.Synced || !st.Stale.IsZero() {
		t.Errorf("state is %+v", st)
	}
	if f.Recall(past(t, full)) || c.Snapshot() != s {
		t.Error("a synced origin was recalled")
	}
}

// TestRecallTooLate holds that what was reported before the first Replace is
// not lost to the past.
func TestRecallTooLate(t *testing.T) {
	for name, report := range map[string]func(*Feed){
		"identity":   func(f *Feed) { f.Identify("43") },
		"namespaces": func(f *Feed) { f.ReplaceNamespaces([]string{"new"}) },
		"pods":       func(f *Feed) { f.ReplacePods([]*Pod{{Key: Key{"new", "p"}}}) },
		"nodes":      func(f *Feed) { f.ReplaceNodes("dc1", nil) },
		"listed":     func(f *Feed) { f.ReplaceListed(nil) },
		"services":   func(f *Feed) { f.Replace(nil) },
	} {
		c := New(Policy{})
		f := c.Feed("kubernetes/a")
		report(f)
		before := c.Snapshot()
		if f.Recall(past(t, full)) || c.Snapshot() != before {
			t.Errorf("an origin that reported its %s was recalled", name)
		}
	}
}

// TestRecallOfAnother holds that a past is dropped as soon as the registry
// turns out to be another one.
func TestRecallOfAnother(t *testing.T) {
	c, f := recalled(t)
	before := c.Snapshot()
	f.Identify("43")
	s := c.Snapshot()
	if s.Lookup(Key{"shop", "x"}) != nil || s.Namespace("shop") || s.State("kubernetes/a").Known() || !s.Pending("shop") {
		t.Error("another registry's past is answered")
	}
	if s.Directory("kubernetes/a") != (Directory{}) {
		t.Error("another registry's past stands in the directory")
	}
	if got := s.Since(before); len(got) != 2 {
		t.Errorf("Since = %v, want both services", got)
	}
}

// TestRecallMirrors holds that a recalled origin silences the mirrors of what
// it held, as it does when it is synced.
func TestRecallMirrors(t *testing.T) {
	c := New(Policy{Origins: []OriginPolicy{{Origin: "consul/b", Trust: []string{"prod"}}, {Origin: "kubernetes/a"}}})
	c.Feed("consul/b").Replace(services(t, "service consul/web Headless\n\tmark owner=prod of=42 key=shop/gone format=1\n\tendpoint 10.9.9.9 id=m ready"))
	if c.Snapshot().Lookup(Key{"shop", "gone"}) == nil {
		t.Fatal("a trusted mirror is silent")
	}
	c.Feed("kubernetes/a").Recall(past(t, full))
	if c.Snapshot().Lookup(Key{"shop", "gone"}) != nil {
		t.Error("a mirror answers beside its original's past")
	}
}

// TestVisitsOfOneOrigin holds that namespaces, pods and what a directory holds can
// be listed.
func TestVisitsOfOneOrigin(t *testing.T) {
	c, _ := recalled(t)
	s := c.Snapshot()
	if got := slices.Collect(s.Namespaces("kubernetes/a")); !slices.Equal(got, []string{"shop"}) {
		t.Errorf("Namespaces = %v", got)
	}
	if got := slices.Collect(s.PodsFrom("kubernetes/a")); len(got) != 1 || got[0].Name != "p" {
		t.Errorf("PodsFrom = %v", got)
	}
	d := s.Directory("kubernetes/a")
	var nodes, listed []string
	for n := range d.Nodes() {
		nodes = append(nodes, n.Name)
	}
	for svc := range d.Services() {
		listed = append(listed, svc.Name)
	}
	if slices.Sort(nodes); !slices.Equal(nodes, []string{"N1", "n2"}) || !slices.Equal(listed, []string{"ssh"}) {
		t.Errorf("Nodes = %v, Services = %v", nodes, listed)
	}
	for range s.Directory("consul/none").Nodes() {
		t.Error("an unknown origin has nodes")
	}
	for range s.Directory("consul/none").Services() {
		t.Error("an unknown origin lists services")
	}
	for range s.Namespaces("consul/none") {
		t.Error("an unknown origin has namespaces")
	}
	for range s.PodsFrom("consul/none") {
		t.Error("an unknown origin has pods")
	}
}
