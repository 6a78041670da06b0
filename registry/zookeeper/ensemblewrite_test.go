package zookeeper

import (
	"strings"
	"testing"

	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/registrytest"
)

// TestConformanceEnsemble has readers and writers at whichever server of an ensemble,
// so that what one was told to have written another does not know yet.
func TestConformanceEnsemble(t *testing.T) {
	all := strings.Join(serverstest.ZooKeeperEnsemble(t).Addresses(), " ")
	registrytest.Run(t, func(t *testing.T) registrytest.Place {
		r := &tree{path: newPath(), raw: rawSession(t, all)}
		r.words = "path " + r.path + "\nacl world"
		return struct{ registrytest.Writable }{&abroad{place{tree: r}, all}}
	}, registrytest.Namespaces, registrytest.Cutting, registrytest.Moving, registrytest.Forgetting)
}

// abroad is a place whose readers and writers go to the servers themselves.
type abroad struct {
	place
	servers string
}

func (m *abroad) Reader(t registrytest.T) registry.Registry {
	r, err := m.config(t).Reader(discard())
	if err != nil {
		t.Fatalf("%v", err)
	}
	return r
}

func (m *abroad) Writer(t registrytest.T, owner string) registry.Writer {
	w, err := m.config(t).Writer(owner, discard())
	if err != nil {
		t.Fatalf("%v", err)
	}
	return w
}

func (m *abroad) config(t registrytest.T) registry.Config {
	return registrytest.Parse(t, Type(), "zookeeper x "+m.servers+" {\n"+m.words+"\n}", nil)
}
