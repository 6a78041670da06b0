package zookeeper

import (
	"testing"

	"github.com/isthmus-dns/isthmus/registry/registrytest/hostile"
)

// TestHostileInstances holds which of the hostile instances are taken: those that say
// where something listens, in whatever form, and no others; and that of each of them
// little is kept.
func TestHostileInstances(t *testing.T) {
	for _, v := range hostile.Instances() {
		r, err := services.parse(znode{path: "/services/web/a", data: []byte(v.Text), mzxid: 1})
		if fit := r != nil && r.err == nil; fit != v.Fit {
			t.Errorf("%.80q: taken %v, refused %v, foreign %v", v.Text, fit, r, err)
		}
		if r == nil || r.err != nil {
			continue
		}
		size := 0
		for k, value := range r.endpoint.Meta {
			size += len(k) + len(value)
		}
		if len(r.endpoint.Meta) > maxMeta || size > maxInstance || len(r.endpoint.Ports) > 2 {
			t.Errorf("%.80q: %d entries of %d bytes and %d ports are kept", v.Text, len(r.endpoint.Meta), size, len(r.endpoint.Ports))
		}
	}
}
