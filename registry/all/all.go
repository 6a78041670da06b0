// Package all is the list of the registries that plugin and bridge know.
package all

import (
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/consul"
	"github.com/isthmus-dns/isthmus/registry/etcd"
	"github.com/isthmus-dns/isthmus/registry/kubernetes"
	"github.com/isthmus-dns/isthmus/registry/manifests"
	"github.com/isthmus-dns/isthmus/registry/zookeeper"
)

// Types returns every kind of registry, each in a new list that the caller owns.
func Types() []registry.Type {
	return []registry.Type{
		kubernetes.Type(),
		consul.Type(),
		etcd.Type(),
		zookeeper.Type(),
		manifests.Type(),
	}
}
