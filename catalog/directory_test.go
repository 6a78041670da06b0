package catalog

import (
	"maps"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDirectoryChanges holds that a directory is found by name and by address
// through all changes, and that two differ where their addresses do.
func TestDirectoryChanges(t *testing.T) {
	c := New(Policy{})
	feed := c.Feed("consul/a")
	node := func(name, addr string) *Node { return &Node{Name: name, Host: ParseHost(addr)} }
	listing := func(text string) []*Service {
		all := services(t, text)
		for _, svc := range all {
			svc.Namespace = ""
		}
		return all
	}
	steps := []struct {
		do    func()
		nodes map[string]int // by address: how many
		at    map[string]int
		moved []string
	}{
		{func() {
			feed.ReplaceNodes("dc1", []*Node{node("N1", "10.0.0.1"), node("n2", "10.0.0.1"), node("n3", "host.example.org")})
		}, map[string]int{"10.0.0.1": 2}, nil, []string{"10.0.0.1"}},
		{func() {
			feed.ReplaceListed(listing("service x/web Headless\n\tendpoint 10.1.0.1 id=a\n\tendpoint 10.1.0.1 id=b\n\tendpoint 10.0.0.1 id=c hostname=n1\nservice x/api Headless\n\tendpoint 10.1.0.1 id=a"))
		}, map[string]int{"10.0.0.1": 2}, map[string]int{"10.1.0.1": 2}, []string{"10.1.0.1"}},
		{func() { feed.ReplaceNodes("dc1", []*Node{node("N1", "10.0.0.2"), node("n2", "10.0.0.1")}) },
			map[string]int{"10.0.0.1": 1, "10.0.0.2": 1}, map[string]int{"10.1.0.1": 2}, []string{"10.0.0.1", "10.0.0.2"}},
		{func() {
			feed.UpdateListed(listing("service x/web Headless\n\tendpoint 10.1.0.2 id=a"), []string{"api", "nothing"})
		}, map[string]int{"10.0.0.1": 1, "10.0.0.2": 1}, map[string]int{"10.1.0.2": 1}, []string{"10.1.0.1", "10.1.0.2"}},
		{func() { feed.ReplaceListed(nil) }, map[string]int{"10.0.0.1": 1, "10.0.0.2": 1}, nil, []string{"10.1.0.2"}},
	}
	var before Directory
	if before.Lists() {
		t.Error("the zero directory lists services")
	}
	for i, step := range steps {
		step.do()
		d := c.Snapshot().Directory("consul/a")
		for _, a := range []string{"10.0.0.1", "10.0.0.2", "10.1.0.1", "10.1.0.2"} {
			addr := netip.MustParseAddr(a)
			if len(d.NodesAt(addr)) != step.nodes[a] || len(d.ListedAt(addr)) != step.at[a] {
				t.Errorf("step %d: %s has %d nodes and %d services, want %d and %d", i, a, len(d.NodesAt(addr)), len(d.ListedAt(addr)), step.nodes[a], step.at[a])
			}
		}
		moved := map[string]bool{}
		d.Since(before, func(a netip.Addr) { moved[a.String()] = true })
		if diff := cmp.Diff(step.moved, slices.Sorted(maps.Keys(moved))); diff != "" {
			t.Errorf("step %d: since the last (-want +got):\n%s", i, diff)
		}
		if d.Lists() != (i > 0) {
			t.Errorf("step %d: lists services: %v", i, d.Lists())
		}
		before = d
	}
	if before.Node("n1") == nil || before.Node("n3") != nil || before.Listed("web") != nil || before.Datacenter() != "dc1" {
		t.Errorf("the last directory is wrong: %v %v", before.Node("n1"), before.Listed("web"))
	}
	if len(slices.Collect(c.Snapshot().From("consul/a"))) != 0 {
		t.Error("what is listed stands among the services")
	}
	other := New(Policy{})
	feed.Join(other)
	if other.Snapshot().Directory("consul/a").Node("n2") == nil {
		t.Error("a catalog that joins does not know the directory")
	}
	if (Directory{}).Node("n1") != nil || (Directory{}).Listed("web") != nil {
		t.Error("the zero directory holds something")
	}
}
