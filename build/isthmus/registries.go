package main

import (
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/kubernetes"
)

// types are the kinds of registries that the bridge can open.
func types() []registry.Type { return []registry.Type{kubernetes.Type()} }
