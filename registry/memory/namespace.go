package memory

import (
	"context"
	"fmt"

	"github.com/isthmus-dns/isthmus/registry"
)

var _ registry.NamespaceCreator = (*client)(nil)

// CreateNamespace makes a namespace.
func (c *client) CreateNamespace(ctx context.Context, name string) error {
	if _, err := c.reach(ctx, Request{Verb: MakeNamespace}); err != nil {
		return fmt.Errorf("memory: create namespace %q: %w", name, err)
	}
	defer c.server.mu.Unlock()
	c.server.namespaceLocked(name, true)
	return nil
}
