package etcd

import (
	"testing"

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
