package isthmus

import "github.com/isthmus-dns/isthmus/registry"

// types are the kinds of registries that the plugin can watch.
func types() []registry.Type { return nil }
