package catalog

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func pod(name string, addrs ...string) *Pod {
	p := &Pod{Key: Key{"shop", name}}
	for _, a := range addrs {
		p.Addrs = append(p.Addrs, netip.MustParseAddr(a))
	}
	return p
}

// podNames returns the names of the pods at an address, sorted.
func podNames(s *Snapshot, addr string) string {
	var names []string
	for _, p := range s.Pods(netip.MustParseAddr(addr)) {
		names = append(names, p.Name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func TestPods(t *testing.T) {
	c := New(Policy{})
	a, b := c.Feed("kubernetes/a"), c.Feed("kubernetes/b")
	check := func(step, want string) {
		t.Helper()
		var got []string
		for _, addr := range []string{"10.0.0.1", "10.0.0.2", "fd00::1"} {
			got = append(got, podNames(c.Snapshot(), addr))
		}
		if text := strings.Join(got, ","); text != want {
			t.Errorf("%s: %q, want %q", step, text, want)
		}
	}
	a.ReplacePods([]*Pod{pod("x", "10.0.0.1", "fd00::1"), pod("y", "10.0.0.1")})
	check("two at one address", "x y,,x")
	before := c.Snapshot()
	b.ReplacePods([]*Pod{pod("z", "10.0.0.2"), pod("x", "10.0.0.1")})
	check("another origin", "x x y,z,x")
	a.UpdatePods([]*Pod{pod("x", "10.0.0.2")}, []Key{{"shop", "y"}, {"shop", "none"}})
	check("one moved, one gone", "x,x z,")
	a.ReplacePods(nil)
	check("all of one origin gone", "x,z,")
	if got := podNames(before, "10.0.0.1"); got != "x y" {
		t.Errorf("an older snapshot has %q now", got)
	}
}

func TestPodEqual(t *testing.T) {
	p := pod("x", "10.0.0.1")
	other := *p
	other.Meta = map[string]string{"app": "web"}
	host := *p
	host.Host = true
	moved := *p
	moved.Node = "n"
	if !p.Equal(pod("x", "10.0.0.1")) || p.Equal(pod("y", "10.0.0.1")) || p.Equal(pod("x", "10.0.0.2")) || p.Equal(&other) || p.Equal(&host) || p.Equal(&moved) {
		t.Error("Equal is wrong")
	}
}
