package memory

import (
	"context"
	"fmt"

	"github.com/isthmus-dns/isthmus/registry"
)

var _ registry.NamespaceCreator = (*client)(nil)

// CreateNamespace makes a namespace.
func (c *client) CreateNamespace(ctx context.Context, name string) error {
	if err := c.server.reach(ctx); err != nil {
		return fmt.Errorf("memory: create namespace %q: %w", name, err)
	}
	c.server.AddNamespace(name)
	return nil
}
