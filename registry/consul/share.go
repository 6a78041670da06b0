package consul

import (
	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

var _ registry.Sharer = (*consul)(nil)

// Beside returns nil: a name has any number of instances, each of whoever
// registered it, and Consul answers with all of them.
func (c *consul) Beside(_, _ *catalog.Service) error { return nil }
