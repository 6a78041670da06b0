package etcd

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/registrytest"
)

func TestConformance(t *testing.T) {
	other := serverstest.Etcd(t).Endpoint()
	registrytest.Run(t, func(t *testing.T) registrytest.Place { return &etcdPlace{newZone(t), other} }, registrytest.Namespaces)
}

func TestConformanceReverse(t *testing.T) {
	other := serverstest.Etcd(t).Endpoint()
	registrytest.Run(t, func(t *testing.T) registrytest.Place { return &etcdPlace{newReverseZone(t), other} }, registrytest.Namespaces)
}

// etcdPlace is a zone as the conformance suite sees it.
type etcdPlace struct {
	*zone
	other string // another etcd's endpoint
}

var _ registrytest.Movable = (*etcdPlace)(nil)

func (p *etcdPlace) Away(registrytest.T) { p.link.Lead(strings.TrimPrefix(p.other, "http://")) }

func (p *etcdPlace) Home(registrytest.T) {
	p.link.Lead(strings.TrimPrefix(server.Endpoint(), "http://"))
}

func (p *etcdPlace) Reader(t registrytest.T) registry.Registry { return p.reader(t) }

func (p *etcdPlace) Writer(t registrytest.T, owner string) registry.Writer { return p.writer(t, owner) }

func (p *etcdPlace) Link() registrytest.Link { return p.link }

func (p *etcdPlace) Key(_ registrytest.T, namespace, name string) catalog.Key {
	return catalog.Key{Namespace: namespace, Name: name}
}

func (p *etcdPlace) Register(t registrytest.T, s *catalog.Service) {
	gone := p.records(t, s.Key, "")
	var ops []clientv3.Op
	for _, e := range s.Endpoints {
		if !e.Ready {
			continue
		}
		for _, port := range e.Ports {
			key := p.layout.key(place{Key: s.Key, Proto: port.Proto, Port: port.Name, ID: "n-" + e.ID})
			ops = append(ops, clientv3.OpPut(key, fmt.Sprintf(`{"host":%q,"port":%d}`, e.Host, port.Number)))
			delete(gone, key)
		}
	}
	for key := range gone {
		ops = append(ops, clientv3.OpDelete(key))
	}
	p.do(t, ops)
}

func (p *etcdPlace) Unregister(t registrytest.T, k catalog.Key) {
	var ops []clientv3.Op
	for key := range p.records(t, k, "") {
		ops = append(ops, clientv3.OpDelete(key))
	}
	p.do(t, ops)
}

func (p *etcdPlace) do(t registrytest.T, ops []clientv3.Op) {
	t.Helper()
	for len(ops) > 0 {
		n := min(len(ops), 100)
		if _, err := p.raw.Txn(t.Context()).Then(ops[:n]...).Commit(); err != nil {
			t.Fatalf("write: %v", err)
		}
		ops = ops[n:]
	}
}

// records returns the values of a service's records that are of owner.
func (p *etcdPlace) records(t registrytest.T, k catalog.Key, owner string) map[string]string {
	t.Helper()
	all, _, err := list(t.Context(), p.raw, p.layout.watched())
	if err != nil {
		t.Fatalf("list: %v", err)
	}
	found := map[string]string{}
	for _, it := range all {
		r := parseRecord(p.layout, it.key, it.value)
		if r != nil && r.place.Key == k && r.owner() == owner {
			found[r.key] = string(it.value)
		}
	}
	return found
}

func (p *etcdPlace) Seen(s *catalog.Service) *catalog.Service {
	c := *s
	c.Endpoints = nil
	for _, e := range s.Endpoints {
		if e.Ready {
			c.Endpoints = append(c.Endpoints, e)
		}
	}
	if len(c.Endpoints) == 0 {
		return nil
	}
	return &c
}

func (p *etcdPlace) Malform(t registrytest.T, k catalog.Key) string {
	key := p.layout.key(place{Key: k, ID: "malformed"})
	p.do(t, []clientv3.Op{clientv3.OpPut(key, "host 10.0.0.1")})
	return key
}

func (p *etcdPlace) Mend(t registrytest.T, record string) {
	p.do(t, []clientv3.Op{clientv3.OpDelete(record)})
}

func (p *etcdPlace) Tamper(t registrytest.T, ref catalog.Ref) {
	p.edit(t, ref, func(v map[string]any) { v["host"] = "10.99.99.99" }, 1)
}

func (p *etcdPlace) Erase(t registrytest.T, ref catalog.Ref) {
	var ops []clientv3.Op
	for key := range p.records(t, ref.Key, ref.Owner) {
		ops = append(ops, clientv3.OpDelete(key))
	}
	if len(ops) == 0 {
		t.Fatalf("no record of %v", ref)
	}
	p.do(t, ops)
}

func (p *etcdPlace) Advance(t registrytest.T, ref catalog.Ref) {
	p.edit(t, ref, func(v map[string]any) { v["isthmus"].(map[string]any)["format"] = catalog.MarkFormat + 1 }, -1)
}

// edit changes up to n records of a mirror (n < 0: all).
func (p *etcdPlace) edit(t registrytest.T, ref catalog.Ref, change func(map[string]any), n int) {
	t.Helper()
	var ops []clientv3.Op
	for key, value := range p.records(t, ref.Key, ref.Owner) {
		if len(ops) == n {
			break
		}
		var v map[string]any
		if err := json.Unmarshal([]byte(value), &v); err != nil {
			t.Fatalf("%q: %v", key, err)
		}
		change(v)
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatalf("%q: %v", key, err)
		}
		ops = append(ops, clientv3.OpPut(key, string(text)))
	}
	if len(ops) == 0 {
		t.Fatalf("no record of %v", ref)
	}
	p.do(t, ops)
}

func (p *etcdPlace) Stamp(t registrytest.T) string {
	var b strings.Builder
	for _, it := range p.all(t) {
		fmt.Fprintf(&b, "%s %d\n", it.key, it.mod)
	}
	return b.String()
}

func (p *etcdPlace) Forget(t registrytest.T, change func()) {
	p.link.Cut()
	defer p.link.Heal()
	change()
	resp, err := p.raw.Get(t.Context(), p.layout.base)
	if err == nil {
		_, err = p.raw.Compact(t.Context(), resp.Header.Revision)
	}
	if err != nil {
		t.Fatalf("compact: %v", err)
	}
}

// mirror makes a mirror of n ready endpoints with one named port.
func mirror(owner, name string, n int) *catalog.Service {
	s := &catalog.Service{
		Key:  catalog.Key{Namespace: "shop", Name: name},
		Mark: &catalog.Mark{Owner: owner, Of: "x:1", Key: catalog.Key{Namespace: "shop", Name: name}, Format: catalog.MarkFormat},
		Type: catalog.Headless,
	}
	addr := netip.MustParseAddr("10.1.0.1")
	for i := range n {
		s.Endpoints = append(s.Endpoints, catalog.Endpoint{
			ID: fmt.Sprintf("i%d", i), Host: catalog.Host{Addr: addr}, Ready: true, Serving: true,
			Ports: []catalog.Port{{Name: "http", Proto: catalog.TCP, Number: 8080}},
		})
		addr = addr.Next()
	}
	s.Sort()
	return s
}
