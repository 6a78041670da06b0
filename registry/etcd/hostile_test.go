package etcd

import (
	"fmt"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/isthmus-dns/isthmus/catalog"

	"github.com/isthmus-dns/isthmus/registry/registrytest/hostile"
)

// TestHostileValues holds which of the hostile values are taken: those that say
// where a service is, in whatever form, and no others.
func TestHostileValues(t *testing.T) {
	for _, v := range hostile.Values() {
		_, refused := decode(cluster, []*record{parseRecord(cluster, cluster.base+"svc/shop/web/a", []byte(v.Text))}, "prod", nil)
		if fit := len(refused) == 0; fit != v.Fit {
			t.Errorf("%.80q: taken %v, refused %v", v.Text, fit, refused)
		}
	}
}

// TestLargeValues holds that a zone of which not even a page fits into an answer is
// read, and what is in order there.
func TestLargeValues(t *testing.T) {
	z := newZone(t)
	large := `{"host":"10.0.0.1","text":"` + strings.Repeat("a", 1<<20) + `"}`
	for i := range maxAnswer>>20 + 8 {
		if _, err := z.raw.Put(t.Context(), fmt.Sprintf("%ssvc/shop/large-%d/a", z.layout.base, i), large); err != nil {
			t.Fatal(err)
		}
	}
	z.put(t, `svc/shop/web/a {"host":"10.0.0.2"}`)
	w := watch(t, z.reader(t))
	w.Until(t, "web", func(s *catalog.Snapshot) bool {
		return s.Get(w.Origin, catalog.Ref{Key: catalog.Key{Namespace: "shop", Name: "web"}}) != nil
	})
	if _, err := z.raw.Delete(t.Context(), z.layout.base, clientv3.WithPrefix()); err != nil {
		t.Fatal(err)
	}
}
