package catalog

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRefusedAreTheFirst holds that of more refused records than are kept all are
// counted, and those are kept that come first by name, in whatever order they came.
func TestRefusedAreTheFirst(t *testing.T) {
	const all = 3 * MaxRefused
	var want []string
	for i := range MaxRefused {
		want = append(want, fmt.Sprintf("%05d", i))
	}
	for seed := range uint64(3) {
		c := New(Policy{})
		f := c.Feed("etcd/x")
		for _, i := range rand.New(rand.NewPCG(seed, 0)).Perm(all) {
			f.Refuse(fmt.Sprintf("%05d", i), errors.New("bad"))
		}
		s := c.Snapshot()
		got := slices.Sorted(maps.Keys(maps.Collect(s.Refused("etcd/x"))))
		if diff := cmp.Diff(want, got); diff != "" || s.State("etcd/x").Refused != all {
			t.Errorf("seed %d: %d are counted, want %d; kept (-want +got):\n%s", seed, s.State("etcd/x").Refused, all, diff)
		}
		for i := range all {
			f.Refuse(fmt.Sprintf("%05d", i), nil)
		}
		if n := c.Snapshot().State("etcd/x").Refused; n != 0 {
			t.Errorf("seed %d: %d are counted when all are well", seed, n)
		}
	}
}
