package etcd

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry/registrytest"
)

// TestEveryShape holds that a real etcd takes every mirror that Canon says can be
// held, over whatever stood there before, and that it reads back as Canon says: at
// once for who wrote it, and for a reader that comes later.
func TestEveryShape(t *testing.T) {
	z := newZone(t)
	w := watch(t, z.writer(t, "prod"))
	w.Synced(t)
	claimed(t, w.etcd)
	var last *catalog.Service
	rapid.Check(t, func(rt *rapid.T) {
		s := drawService(rt)
		canon, err := w.Canon(s)
		if err != nil {
			rt.Fatalf("Canon: %v", err)
		}
		there := w.Catalog.Snapshot().Get(w.Origin, s.Ref())
		if there != nil {
			s.Version = there.Version
		}
		write := w.Put
		if canon == nil {
			if there == nil {
				return
			}
			write = w.Delete
		}
		if r := write(t.Context(), []*catalog.Service{s})[0]; r.Err != nil {
			rt.Fatalf("write: %v\n%s", r.Err, s.Text())
		}
		if got := w.Catalog.Snapshot().Get(w.Origin, s.Ref()); registrytest.Text(got) != registrytest.Text(canon) {
			rt.Fatalf("the feed shows (-Canon +feed)\n%s", cmp.Diff(registrytest.Text(canon), registrytest.Text(got)))
		}
		last = canon
	})
	reader := watch(t, z.reader(t))
	reader.Synced(t)
	ref := catalog.Ref{Key: catalog.Key{Namespace: "shop", Name: "web"}, Owner: "prod"}
	if got := reader.Catalog.Snapshot().Get(reader.Origin, ref); registrytest.Text(got) != registrytest.Text(last) {
		t.Errorf("a reader reads (-Canon +read)\n%s", cmp.Diff(registrytest.Text(last), registrytest.Text(got)))
	}
}
