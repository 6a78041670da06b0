package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-zookeeper/zk"
	"github.com/miekg/dns"

	"github.com/isthmus-dns/isthmus/integration/servers"
)

// fromZooKeeper measures what becomes of changes in a ZooKeeper that holds as many
// services of Curator's as the world has: by our CoreDNS, which watches it, and
// then by a bridge that mirrors them into an empty API server of its own. All of
// them use both cores as the scheduler pleases.
func fromZooKeeper(ctx context.Context, b *bench) (all []figure, err error) {
	if err := b.spread(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.moveAside()) }()
	r := &znodeRun{outwardRun: outwardRun{bench: b}, count: b.world.shape.size()}
	if r.znodes, err = b.startZooKeeper(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.znodes.stop()) }()
	b.log(fmt.Sprintf("%s: registering %d services with %d instances each", rowZnodeDNS, r.count, nativeInstances))
	if err := r.register(ctx); err != nil {
		return nil, err
	}
	if b.only.wants(rowZnodeDNS, "") {
		err = r.answers(ctx)
	}
	if b.only.wants(rowZnodeSlice, "") && ctx.Err() == nil {
		err = errors.Join(err, r.mirrors(ctx))
	}
	return r.figures, err
}

// znodeRun is the figures on their way.
type znodeRun struct {
	outwardRun
	znodes *znodes
	count  int // of services
}

// answers times changes until our CoreDNS answers by them, and until Curator's own
// cache of the service has them in a Java program.
func (r *znodeRun) answers(ctx context.Context) error {
	q, err := newQuery(domainOf(native(0).name()), dns.TypeA, ednsSize, dns.RcodeSuccess, nativeInstances)
	if err != nil {
		return err
	}
	extra := []string{"zookeeper zk " + r.znodes.server.Address(), "require zookeeper/zk"}
	d, err := r.start(ctx, setting{side: ours, chain: bare, kubeconfig: r.world.kube.Kubeconfig(), extra: extra}, q)
	if err != nil {
		return err
	}
	defer d.stop()
	if err := pin(d.pid, r.serverCore, r.restCore); err != nil {
		return err
	}
	p, err := newProber(ctx, d.addr)
	if err != nil {
		return err
	}
	defer p.wire.close()
	java, err := servers.StartCurator(ctx, servers.CuratorOptions{Connect: r.znodes.server.Address(), Path: "/services", Log: r.log})
	if err != nil {
		return err
	}
	err = r.timed(ctx, rowZnodeDNS, map[side]watch{ours: inAnswers(p), cache: inCache(java)})
	if err = errors.Join(err, java.Stop()); err != nil {
		return err
	}
	return r.asked(ctx, rowZnodeDNS)
}

// inAnswers asks for the addresses of one service.
func inAnswers(p *prober) watch {
	return func(ctx context.Context, want shown) (<-chan sighting, error) {
		seen := make(chan sighting, 1)
		go func() { seen <- p.until(ctx, sight{domainOf(want.name), want.address, want.there}) }()
		return seen, nil
	}
}

// domainOf is the name by which our CoreDNS answers for a service of ZooKeeper's.
func domainOf(name string) string { return name + ".zookeeper.svc." + zone }

// mirrors times changes until a bridge's mirrors show them.
func (r *znodeRun) mirrors(ctx context.Context) (err error) {
	kube, err := servers.StartKubernetes(ctx, servers.KubernetesOptions{Options: servers.Options{Log: r.log}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kube.Stop()) }()
	client, err := newClient(kube.Kubeconfig())
	if err != nil {
		return err
	}
	m, err := r.startBridge(ctx, mirroring{kubeconfig: kube.Kubeconfig(), zookeeper: r.znodes.server.Address(), inward: true})
	if err != nil {
		return err
	}
	defer m.stop()
	if _, err := m.settled(ctx, "first sync of ZooKeeper into Kubernetes", r.count); err != nil {
		return err
	}
	if err := r.timed(ctx, rowZnodeSlice, map[side]watch{ours: inSlices(client)}); err != nil {
		return err
	}
	return r.asked(ctx, rowZnodeSlice)
}

func (n native) path() string { return "/services/" + n.name() }

// instance is Curator's JSON of one of n.
func (n native) instance(id, address string) []byte {
	part := func(value string, variable bool) fields { return fields{"value": value, "variable": variable} }
	data, _ := json.Marshal(fields{ // no field is of a kind that could fail
		"name": n.name(), "id": id, "address": address, "port": podPort, "sslPort": nil, "payload": nil,
		"registrationTimeUTC": 1_790_000_000_000, "serviceType": "PERMANENT", "enabled": true,
		"uriSpec": fields{"parts": []fields{
			part("scheme", true), part("://", false), part("address", true), part(":", false), part("port", true)}},
	})
	return data
}

// register fills a ZooKeeper with natives.
func (r *znodeRun) register(ctx context.Context) error {
	open := zk.WorldACL(zk.PermAll)
	if _, err := r.znodes.conn.Create("/services", nil, 0, open); err != nil {
		return fmt.Errorf("register in ZooKeeper: %w", err)
	}
	for first := 0; first < r.count && ctx.Err() == nil; first += nativesAtOnce {
		var some []any
		for n := native(first); int(n) < min(r.count, first+nativesAtOnce); n++ {
			some = append(some, &zk.CreateRequest{Path: n.path(), Acl: open})
			for i := range nativeInstances {
				some = append(some, &zk.CreateRequest{Path: n.path() + "/" + n.id(i), Data: n.instance(n.id(i), n.address(i)), Acl: open})
			}
		}
		if _, err := r.znodes.conn.Multi(some...); err != nil {
			return fmt.Errorf("register in ZooKeeper: %w", err)
		}
	}
	return ctx.Err()
}
