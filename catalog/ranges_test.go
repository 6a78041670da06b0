package catalog

import (
	"net/netip"
	"testing"
)

func prefixes(all ...string) (out []netip.Prefix) {
	for _, text := range all {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

// TestRanges holds what is known of an origin's networks, and that telling the
// same once more is no change.
func TestRanges(t *testing.T) {
	c := New(Policy{})
	f, none := c.Feed("kubernetes/a"), c.Feed("consul/b").Origin()
	if c.Snapshot().Ranges("kubernetes/a") != (Ranges{}) || c.Snapshot().Ranges("etcd/nobody") != (Ranges{}) {
		t.Error("ranges of nobody")
	}
	f.ReplaceRanges(prefixes("10.96.0.0/16", "fd00:10:96::/112"))
	s := c.Snapshot()
	for _, tt := range []struct {
		origin   Origin
		addr, in string
	}{
		{"kubernetes/a", "10.96.255.255", "10.96.0.0/16"},
		{"kubernetes/a", "fd00:10:96::1", "fd00:10:96::/112"},
		{"kubernetes/a", "10.97.0.0", ""},
		{"kubernetes/a", "fd00:10:97::1", ""},
		{none, "10.96.0.1", ""},
	} {
		in, is := s.Ranges(tt.origin).Of(netip.MustParseAddr(tt.addr))
		if is != (tt.in != "") || is && in.String() != tt.in {
			t.Errorf("Ranges(%s).Of(%s) = %v, %t, want %q", tt.origin, tt.addr, in, is, tt.in)
		}
	}
	f.ReplaceRanges(prefixes("10.96.0.0/16", "fd00:10:96::/112"))
	if c.Snapshot() != s {
		t.Error("the same ranges are a change")
	}
	f.ReplaceRanges(prefixes("10.97.0.0/16"))
	now := c.Snapshot().Ranges("kubernetes/a")
	if _, was := now.Of(netip.MustParseAddr("10.96.0.1")); was || now == s.Ranges("kubernetes/a") {
		t.Error("ranges that are gone count")
	}
	if _, is := s.Ranges("kubernetes/a").Of(netip.MustParseAddr("10.96.0.1")); !is {
		t.Error("an older snapshot changed")
	}
}
