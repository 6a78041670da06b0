package zookeeper

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry/registrytest"
)

// TestEveryShape holds that a real server takes every mirror that Canon says can be
// held, over whatever stood there before, and that it reads back as Canon says: at
// once for who wrote it, and for a reader that comes later.
func TestEveryShape(t *testing.T) {
	r := newTree(t)
	r.words += "\nacl world\npayload spring"
	w := claimed(t, r, "prod")
	last := map[catalog.Ref]*catalog.Service{}
	rapid.Check(t, func(rt *rapid.T) {
		s := drawService(rt)
		canon, err := w.Canon(s)
		if err != nil {
			rt.Fatalf("Canon: %v", err)
		}
		if there := w.Catalog.Snapshot().Get(w.Origin, s.Ref()); there != nil {
			s.Version = there.Version
		}
		if result := w.Put(t.Context(), []*catalog.Service{s})[0]; result.Err != nil {
			rt.Fatalf("Put: %v\n%s", result.Err, s.Text())
		}
		if got := w.Catalog.Snapshot().Get(w.Origin, s.Ref()); registrytest.Text(got) != registrytest.Text(canon) {
			rt.Fatalf("the feed shows (-Canon +feed)\n%s", cmp.Diff(registrytest.Text(canon), registrytest.Text(got)))
		}
		last[s.Ref()] = canon
	})
	reader := watch(t, r.reader(t))
	reader.Synced(t)
	for ref, want := range last {
		if got := reader.Catalog.Snapshot().Get(reader.Origin, ref); registrytest.Text(got) != registrytest.Text(want) {
			t.Errorf("a reader reads (-Canon +read)\n%s", cmp.Diff(registrytest.Text(want), registrytest.Text(got)))
		}
	}
}
