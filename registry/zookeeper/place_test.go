package zookeeper

import (
	"encoding/json"
	"testing"

	"github.com/go-zookeeper/zk"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/registrytest"
)

func TestConformance(t *testing.T) {
	other := serverstest.ZooKeeper(t).Address()
	registrytest.Run(t, func(t *testing.T) registrytest.Place { return newPlace(t, other) }, registrytest.Namespaces)
}

func newPlace(t *testing.T, other string) *place {
	p := &place{newTree(t), other}
	p.words += "\nacl world"
	return p
}

// place is a tree as the conformance suite sees it.
type place struct {
	*tree
	other string // another server's address
}

func (p *place) Reader(t registrytest.T) registry.Registry { return p.reader(t) }

func (p *place) Link() registrytest.Link { return p.link }

func (p *place) Away(registrytest.T) { p.link.Lead(p.other) }

func (p *place) Home(registrytest.T) { p.link.Lead(server.Address()) }

func (p *place) Key(_ registrytest.T, namespace, name string) catalog.Key {
	return catalog.Key{Namespace: "zookeeper", Name: namespace + "-" + name}
}

// Register writes a node for each endpoint, as Curator does.
func (p *place) Register(t registrytest.T, s *catalog.Service) {
	dir := p.path + "/" + s.Name
	p.parents(t, dir)
	names, _, err := p.raw.conn.Children(dir)
	if err != nil {
		t.Fatalf("list %q: %v", dir, err)
	}
	there := map[string]bool{}
	for _, name := range names {
		if _, ours := ownerOf(name); !ours {
			there[name] = true
		}
	}
	var ops []any
	for _, e := range s.Endpoints {
		path, data := dir+"/"+e.ID, curatorJSON(s.Name, e)
		if there[e.ID] {
			ops = append(ops, &zk.SetDataRequest{Path: path, Data: data, Version: -1})
		} else {
			ops = append(ops, &zk.CreateRequest{Path: path, Data: data, Acl: zk.WorldACL(zk.PermAll)})
		}
		delete(there, e.ID)
	}
	for name := range there {
		ops = append(ops, &zk.DeleteRequest{Path: dir + "/" + name, Version: -1})
	}
	if !p.many(ops) {
		t.Fatalf("register %q: not done", s.Key)
	}
}

// curatorJSON is what Curator writes of an instance.
func curatorJSON(name string, e catalog.Endpoint) []byte {
	data, _ := json.Marshal(map[string]any{ // it holds nothing that could fail
		"name": name, "id": e.ID, "address": e.Host.String(), "port": e.Ports[0].Number, "sslPort": nil, "payload": nil,
		"registrationTimeUTC": 1605873188009, "serviceType": "DYNAMIC", "uriSpec": nil, "enabled": e.Ready,
	})
	return data
}

func (p *place) Unregister(t registrytest.T, k catalog.Key) {
	p.Register(t, &catalog.Service{Key: k})
}

func (p *place) Seen(s *catalog.Service) *catalog.Service {
	if len(s.Endpoints) == 0 {
		return nil
	}
	return s
}

func (p *place) Malform(t registrytest.T, k catalog.Key) string {
	p.put(t, k.Name+"/malformed address")
	return p.path + "/" + k.Name + "/malformed"
}

func (p *place) Mend(t registrytest.T, record string) { p.removeAll(t, record) }

// Forget has readers lose their session, and with it all watches.
func (p *place) Forget(_ registrytest.T, change func()) {
	p.link.Cut()
	defer p.link.Heal()
	change()
}

var (
	_ registrytest.Movable   = (*place)(nil)
	_ registrytest.Forgetful = (*place)(nil)
)
