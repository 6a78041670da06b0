package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul/api"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
	"github.com/isthmus-dns/isthmus/registry/all"
)

// between is a real Consul and a real etcd with a bridge between them, rules both
// ways, and what their own users registered: addresses by name and id.
type between struct {
	t      *testing.T
	consul *api.Client
	etcd   *clientv3.Client
	conf   string
	stop   func()

	inConsul, inEtcd map[string]map[string]string
}

const inZone = "/skydns/local/cluster/svc/"

func startBetween(t *testing.T) *between {
	t.Helper()
	consul, etcd := serverstest.Consul(t), serverstest.Etcd(t)
	b := &between{t: t, inConsul: map[string]map[string]string{}, inEtcd: map[string]map[string]string{}}
	b.conf = fmt.Sprintf("bridge prod {\n\tconsul dc1 %s\n\tetcd edge %s\n\tmirror consul/dc1 etcd/edge\n\tmirror etcd/edge consul/dc1\n\tlead none\n}\n", consul.URL(), etcd.Endpoint())
	var err error
	if b.consul, err = api.NewClient(&api.Config{Address: consul.URL()}); err != nil {
		t.Fatal(err)
	}
	if b.etcd, err = clientv3.New(clientv3.Config{Endpoints: []string{etcd.Endpoint()}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.etcd.Close() })
	b.run()
	t.Cleanup(func() { b.stop() })
	return b
}

// run starts the bridge.
func (b *between) run() {
	b.t.Helper()
	c, err := Parse("isthmus.conf", []byte(b.conf), all.Types(), noEnv)
	if err != nil {
		b.t.Fatal(err)
	}
	bridge, err := Open(c, slog.New(slog.DiscardHandler))
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := bridge.Run(ctx); err != nil && ctx.Err() == nil {
			b.t.Errorf("Run: %v", err)
		}
	}()
	b.stop = func() {
		cancel()
		<-ended
		if err := bridge.Close(); err != nil {
			b.t.Error(err)
		}
	}
}

// step does one thing that users, people with an editor or an operator do.
func (b *between) step(r *rand.Rand) {
	b.t.Helper()
	name, id, addr := fmt.Sprint("s", r.IntN(5)), fmt.Sprint("i", r.IntN(3)), fmt.Sprintf("10.9.%d.%d", r.IntN(3), 1+r.IntN(9))
	var err error
	switch r.IntN(10) {
	case 0, 1, 2:
		set(b.inConsul, name, id, addr)
		_, err = b.consul.Catalog().Register(&api.CatalogRegistration{Node: "vm", Address: "10.0.0.9", SkipNodeUpdate: len(b.inConsul) > 1,
			Service: &api.AgentService{ID: name + id, Service: name, Address: addr, Port: 80}}, nil)
	case 3:
		if b.inConsul[name][id] != "" {
			unset(b.inConsul, name, id)
			_, err = b.consul.Catalog().Deregister(&api.CatalogDeregistration{Node: "vm", ServiceID: name + id}, nil)
		}
	case 4, 5, 6:
		set(b.inEtcd, name, id, addr)
		_, err = b.etcd.Put(b.t.Context(), inZone+"team/"+name+"/"+id, fmt.Sprintf(`{"host":%q,"port":80}`, addr))
	case 7:
		unset(b.inEtcd, name, id)
		_, err = b.etcd.Delete(b.t.Context(), inZone+"team/"+name+"/"+id)
	case 8:
		b.spoil(name)
	case 9:
		b.stop()
		b.run()
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// spoil deletes what there is of a mirror in etcd, and an instance of one in Consul.
func (b *between) spoil(name string) {
	b.t.Helper()
	if _, err := b.etcd.Delete(b.t.Context(), inZone+"consul/"+name+"/", clientv3.WithPrefix()); err != nil {
		b.t.Fatal(err)
	}
	found, _, err := b.consul.Catalog().Service(name+"-team", "", nil)
	if err == nil && len(found) > 0 {
		_, err = b.consul.Catalog().Deregister(&api.CatalogDeregistration{Node: found[0].Node, ServiceID: found[0].ServiceID}, nil)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

func set(all map[string]map[string]string, name, id, addr string) {
	if all[name] == nil {
		all[name] = map[string]string{}
	}
	all[name][id] = addr
}

func unset(all map[string]map[string]string, name, id string) {
	if delete(all[name], id); len(all[name]) == 0 {
		delete(all, name)
	}
}

// wanted is the model: what stands in both, natives and mirrors, by addresses.
func (b *between) wanted() []string {
	var lines []string
	for name, all := range b.inConsul {
		addrs := slices.Sorted(maps.Values(all))
		lines = append(lines, fmt.Sprintf("consul %s %s", name, addrs), fmt.Sprintf("etcd consul/%s %s", name, slices.Compact(addrs)))
	}
	for name, all := range b.inEtcd {
		addrs := slices.Sorted(maps.Values(all))
		lines = append(lines, fmt.Sprintf("etcd team/%s %s", name, slices.Compact(slices.Clone(addrs))), fmt.Sprintf("consul %s-team %s", name, addrs))
	}
	slices.Sort(lines)
	return lines
}

// found is what stands there, and the versions of all of it.
func (b *between) found(ctx context.Context) (lines []string, stamp string) {
	b.t.Helper()
	names, _, err := b.consul.Catalog().Services((&api.QueryOptions{RequireConsistent: true}).WithContext(ctx))
	if err != nil {
		b.t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		var addrs []string
		entries, _, err := b.consul.Health().Service(name, "", false, (&api.QueryOptions{RequireConsistent: true}).WithContext(ctx))
		if err != nil {
			b.t.Fatal(err)
		}
		for _, e := range entries {
			stamp += fmt.Sprintln(e.Service.ID, e.Service.ModifyIndex)
			addrs = append(addrs, e.Service.Address)
		}
		slices.Sort(addrs)
		if name != "consul" && len(addrs) > 0 {
			lines = append(lines, fmt.Sprintf("consul %s %s", name, addrs))
		}
	}
	keys, err := b.etcd.Get(ctx, inZone, clientv3.WithPrefix())
	if err != nil {
		b.t.Fatal(err)
	}
	hosts := map[string][]string{}
	for _, kv := range keys.Kvs {
		stamp += fmt.Sprintln(string(kv.Key), kv.ModRevision)
		part := strings.Split(strings.TrimPrefix(string(kv.Key), inZone), "/")
		_, host, _ := strings.Cut(string(kv.Value), `"host":"`)
		host, _, _ = strings.Cut(host, `"`)
		hosts[part[0]+"/"+part[1]] = append(hosts[part[0]+"/"+part[1]], host)
	}
	for name, all := range hosts {
		slices.Sort(all)
		lines = append(lines, fmt.Sprintf("etcd %s %s", name, slices.Compact(all)))
	}
	slices.Sort(lines)
	return lines, stamp
}

// TestBetweenServers holds what mirror.TestModel does of a real Consul and a real
// etcd: whatever happens, both end as the model says, and then nothing is written.
func TestBetweenServers(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	b := startBetween(t)
	for range 4 {
		for range 15 {
			b.step(r)
		}
		b.settles()
	}
}

// settles waits until the model holds, and for a while looks whether it stays.
func (b *between) settles() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	want, calm, was := b.wanted(), 0, ""
	for calm < 10 {
		lines, stamp := b.found(b.t.Context())
		switch {
		case !slices.Equal(lines, want):
			calm = 0
		case calm > 0 && stamp != was:
			b.t.Fatalf("written at rest: -before +after\n%s", gocmp.Diff(was, stamp))
		default:
			calm, was = calm+1, stamp
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			b.t.Fatalf("-want +got\n%s", gocmp.Diff(want, lines))
		}
	}
}
