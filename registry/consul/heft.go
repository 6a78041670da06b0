package consul

import (
	"fmt"

	"github.com/hashicorp/consul/api"

	"github.com/isthmus-dns/isthmus/registry"
)

// maxHeft is how many bytes an instance may have in what is kept of it as it is: three
// times what Consul's limits of metadata let it have. For tags Consul has no limit.
const maxHeft = 128 << 10

// checkHeft returns an error if keeping the instance would take too much.
func checkHeft(e *api.ServiceEntry) error {
	n := len(e.Node.Node)
	for _, tag := range e.Service.Tags {
		n += len(tag) + 16 // where it stands
	}
	for k, v := range e.Service.Meta {
		n += len(k) + len(v)
	}
	for _, p := range e.Service.Ports {
		n += len(p.Name) + 16
	}
	if l := e.Service.Locality; l != nil {
		n += len(l.Zone)
	}
	if n > maxHeft {
		return fmt.Errorf("tags, metadata and ports of %d bytes, at most %d: %w", n, maxHeft, registry.ErrInvalid)
	}
	return nil
}
