package zookeeper

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/go-zookeeper/zk"

	"github.com/isthmus-dns/isthmus/catalog"
)

// TestChurn holds that who watched while nodes came, changed and went, several at a
// time, parents and all, over cuts of its connection, knows in the end what somebody
// does who reads for the first time.
func TestChurn(t *testing.T) {
	r := newTree(t)
	w := watch(t, r.reader(t))
	w.Synced(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for i := range 3000 {
		r.disturb(t, rng)
		if i%1000 == 500 {
			r.link.Cut()
			for range 20 {
				r.disturb(t, rng)
			}
			r.link.Heal()
		}
	}
	first := watch(t, r.reader(t))
	want := first.Text(first.Synced(t))
	w.Until(t, "know the same:\n"+want, func(s *catalog.Snapshot) bool {
		return s.State(w.Origin).Connected && w.Text(s) == want
	})
}

// disturb changes one node, any.
func (r *tree) disturb(t *testing.T, rng *rand.Rand) {
	t.Helper()
	path := r.path
	for range 1 + rng.IntN(3) {
		path += fmt.Sprintf("/n%d", rng.IntN(4))
	}
	data := []byte(nil)
	if rng.IntN(2) == 0 {
		data = []byte(at(fmt.Sprintf("10.0.%d.%d", rng.IntN(256), 1+rng.IntN(254))))
	}
	var err error
	switch rng.IntN(4) {
	case 0:
		err = r.raw.conn.Delete(path, -1)
	case 1:
		_, err = r.raw.conn.Multi(
			&zk.DeleteRequest{Path: path, Version: -1},
			&zk.CreateRequest{Path: path, Data: data, Acl: zk.WorldACL(zk.PermAll)},
		)
	case 2:
		_, err = r.raw.conn.Set(path, data, -1)
	default:
		r.parents(t, parent(path))
		_, err = r.raw.conn.Create(path, data, zk.FlagPersistent, zk.WorldACL(zk.PermAll))
	}
	for _, fine := range []error{nil, zk.ErrNoNode, zk.ErrNotEmpty, zk.ErrNodeExists} {
		if errors.Is(err, fine) {
			return
		}
	}
	t.Fatalf("change %q: %v", path, err)
}
