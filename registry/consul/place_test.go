package consul

import (
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/registrytest"
	"github.com/isthmus-dns/isthmus/registry/registrytest/proxy"
)

func TestConformance(t *testing.T) {
	other := serverstest.Consul(t).URL()
	registrytest.Run(t, func(t *testing.T) registrytest.Place { return newPlace(t, other) }, registrytest.Namespaces)
}

// place is the whole server, empty but for itself, by way of a TCP proxy that
// can be cut and an HTTP proxy that can move indexes.
type place struct {
	t     *testing.T
	link  *proxy.Proxy
	mover *mover
	other string // another server's URL
}

var (
	_ registrytest.Writable  = (*place)(nil)
	_ registrytest.Movable   = (*place)(nil)
	_ registrytest.Forgetful = (*place)(nil)
)

func newPlace(t *testing.T, other string) *place {
	empty(t)
	t.Cleanup(func() { empty(t) })
	m := newMover(server.URL())
	front := httptest.NewServer(m)
	link, err := proxy.New(strings.TrimPrefix(front.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		link.Close()
		front.Close()
	})
	return &place{t, link, m, other}
}

func (p *place) Reader(t registrytest.T) registry.Registry {
	r, err := configure(p.t, "http://"+p.link.Addr()).Reader(quiet())
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return r
}

func (p *place) Writer(t registrytest.T, owner string) registry.Writer {
	w, err := configure(p.t, "http://"+p.link.Addr()).Writer(owner, quiet())
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return w
}

func (p *place) Link() registrytest.Link { return p.link }

// Away goes unnoticed: what is asked next goes elsewhere, as behind a load balancer.
func (p *place) Away(registrytest.T) { p.mover.lead(p.other) }

func (p *place) Home(registrytest.T) { p.mover.lead(server.URL()) }

func (p *place) Key(_ registrytest.T, namespace, name string) catalog.Key {
	return catalog.Key{Namespace: "consul", Name: name + "-" + namespace}
}

func (p *place) Seen(s *catalog.Service) *catalog.Service { return s }

const nativeNode = "vm-1"

func (p *place) Register(t registrytest.T, s *catalog.Service) {
	want := map[string]bool{}
	for _, e := range s.Endpoints {
		id := s.Name + "-" + e.ID
		want[id] = true
		status := "critical"
		if e.Ready {
			status = "passing"
		}
		register(p.t, nativeNode, id, s.Name, e.Host.String(), int(e.Ports[0].Number), status)
	}
	for _, e := range p.instances(s.Name) {
		if e.Node.Node == nativeNode && !want[e.Service.ID] {
			deregister(p.t, nativeNode, e.Service.ID)
		}
	}
}

func (p *place) instances(name string) (all []*api.ServiceEntry) {
	call(p.t, "GET", "/v1/health/service/"+name, nil, &all)
	return all
}

func (p *place) Unregister(_ registrytest.T, k catalog.Key) {
	for _, e := range p.instances(k.Name) {
		if e.Node.Node == nativeNode {
			deregister(p.t, nativeNode, e.Service.ID)
		}
	}
}

func (p *place) Malform(_ registrytest.T, k catalog.Key) string {
	register(p.t, nativeNode, k.Name+"-bad", k.Name, "127.0.0.1", 80, "passing")
	return nativeNode + "/" + k.Name + "-bad"
}

func (p *place) Mend(_ registrytest.T, record string) {
	node, id, _ := strings.Cut(record, "/")
	deregister(p.t, node, id)
}

// mirrors returns the records of ref.
func (p *place) mirrors(ref catalog.Ref) []*api.ServiceEntry {
	return slices.DeleteFunc(p.instances(ref.Name), func(e *api.ServiceEntry) bool {
		return e.Service.Meta[metaOwner] != ref.Owner
	})
}

func (p *place) rewrite(e *api.ServiceEntry) {
	call(p.t, "PUT", "/v1/catalog/register", api.CatalogRegistration{
		Node: e.Node.Node, SkipNodeUpdate: true, Service: e.Service}, nil)
}

func (p *place) Tamper(t registrytest.T, ref catalog.Ref) {
	all := p.mirrors(ref)
	if len(all) == 0 {
		t.Fatalf("nothing of %v to tamper with", ref)
	}
	all[0].Service.Address = "10.254.254.254"
	p.rewrite(all[0])
}

func (p *place) Erase(_ registrytest.T, ref catalog.Ref) {
	for _, e := range p.mirrors(ref) {
		deregister(p.t, e.Node.Node, e.Service.ID)
	}
}

func (p *place) Advance(_ registrytest.T, ref catalog.Ref) {
	for _, e := range p.mirrors(ref) {
		e.Service.Meta[metaFormat] = strconv.Itoa(catalog.MarkFormat + 1)
		p.rewrite(e)
	}
}

func (p *place) Stamp(registrytest.T) string { return stamp(p.t) }

func (p *place) Forget(_ registrytest.T, change func()) { p.mover.forget(change) }
