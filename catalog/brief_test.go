package catalog

import (
	"errors"
	"strings"
	"testing"
)

func TestBrief(t *testing.T) {
	long := strings.Repeat("a", 10<<20)
	for _, text := range []string{"", "a", strings.Repeat("a", maxBrief)} {
		if got := Brief(text); got != text {
			t.Errorf("Brief(%q) = %q, want it as it is", text, got)
		}
	}
	got := Brief(long)
	if len(got) > 200 || !strings.HasPrefix(got, long[:100]) || !strings.Contains(got, "10485760 bytes") {
		t.Errorf("Brief of 10 MB = %q, want how it begins and its length", got)
	}
	if other := Brief(long[1:] + "b"); other == got {
		t.Errorf("two texts are told as %q", got)
	}
}

// TestRefuseLong holds that a record with a name of megabytes is told briefly, and
// taken back by the same name.
func TestRefuseLong(t *testing.T) {
	c := New(Policy{Origins: []OriginPolicy{{Origin: "etcd/edge"}}})
	f, long := c.Feed("etcd/edge"), strings.Repeat("a", 1<<20)
	if !f.Refuse(long, errors.New(long)) || f.Refuse(long, errors.New(long)) {
		t.Error("it is news once, and not")
	}
	for name, err := range c.Snapshot().Refused("etcd/edge") {
		if len(name) > maxBrief || len(err.Error()) > maxBrief {
			t.Errorf("the name has %d bytes, the reason %d", len(name), len(err.Error()))
		}
	}
	f.Refuse(long, nil)
	if n := c.Snapshot().State("etcd/edge").Refused; n != 0 {
		t.Errorf("%d are refused still", n)
	}
}
