package main

import (
	"context"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/isthmus-dns/isthmus/integration/servers"
)

// inwardNamespace is where the mirrors of Consul's or ZooKeeper's services stand.
const inwardNamespace = "mirrored"

// inward measures a bridge that mirrors as many Consul services as the world has
// into an empty API server of its own. All of them use both cores as the
// scheduler pleases.
func inward(ctx context.Context, b *bench) (all []figure, err error) {
	if err := b.spread(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.moveAside()) }()
	r := &inwardRun{outwardRun: outwardRun{bench: b}, count: b.world.shape.size()}
	if r.consul, err = servers.StartConsul(ctx, servers.Options{Log: b.log}); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.consul.Stop()) }()
	if r.kube, err = servers.StartKubernetes(ctx, servers.KubernetesOptions{Options: servers.Options{Log: b.log}}); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.kube.Stop()) }()
	if r.client, err = newClient(r.kube.Kubeconfig()); err != nil {
		return nil, err
	}
	b.log(fmt.Sprintf("%s: registering %d services with %d instances each", rowInward, r.count, nativeInstances))
	if err := register(ctx, r.consul.URL(), r.count); err != nil {
		return nil, err
	}
	err = r.first(ctx)
	if b.only.wants(rowInward, "") && r.full {
		err = errors.Join(err, r.again(ctx))
	}
	return r.figures, err
}

// inwardRun is the figures on their way.
type inwardRun struct {
	outwardRun
	consul *servers.Consul
	kube   *servers.Kubernetes
	client *kubernetes.Clientset
	count  int  // of services
	full   bool // all mirrors were written
}

func (r *inwardRun) start(ctx context.Context) (*mirrorer, error) {
	return r.startBridge(ctx, mirroring{kubeconfig: r.kube.Kubeconfig(), consul: r.consul.URL(), inward: true})
}

// first times the first sync, and then what the same bridge makes of changes.
func (r *inwardRun) first(ctx context.Context) error {
	m, err := r.start(ctx)
	if err != nil {
		return err
	}
	defer m.stop()
	taken, err := m.settled(ctx, "first sync into Kubernetes", r.count)
	if err != nil {
		return err
	}
	objects, err := r.versions(ctx)
	if err != nil {
		return err
	}
	if len(objects) != 2*r.count {
		return fmt.Errorf("first sync into Kubernetes: %d objects, want %d", len(objects), 2*r.count)
	}
	r.full = true
	mem, err := memoryOf(m.pid)
	if err != nil {
		return err
	}
	f := single(rowInward, "into Kubernetes", "s", taken.Seconds(), 150)
	f.Note = fmt.Sprintf("%.0f services/s; %d objects; resident %.0f MiB, peak %.0f MiB", float64(r.count)/taken.Seconds(), len(objects), mem.resident, mem.peak)
	r.add(f)
	if !r.only.wants(rowHealth, "") {
		return nil
	}
	return r.health(ctx, m)
}

// versions returns the version of every object in the namespace of the mirrors:
// it changes whenever one is written.
func (r *inwardRun) versions(ctx context.Context) (map[string]string, error) {
	all := map[string]string{}
	services, err := r.client.CoreV1().Services(inwardNamespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list Services: %w", err)
	}
	for _, o := range services.Items {
		all["Service "+o.Name] = o.ResourceVersion
	}
	slices, err := r.client.DiscoveryV1().EndpointSlices(inwardNamespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list EndpointSlices: %w", err)
	}
	for _, o := range slices.Items {
		all["EndpointSlice "+o.Name] = o.ResourceVersion
	}
	return all, nil
}

// again starts a bridge over mirrors that are as they should be.
func (r *inwardRun) again(ctx context.Context) error {
	before, err := r.versions(ctx)
	if err != nil {
		return err
	}
	m, err := r.start(ctx)
	if err != nil {
		return err
	}
	defer m.stop()
	if err := r.restarted(ctx, m, rowInward, "ready after a restart", r.count); err != nil {
		return err
	}
	after, err := r.versions(ctx)
	if err != nil {
		return err
	}
	p, err := m.progress(ctx)
	if err != nil {
		return err
	}
	r.add(
		single(rowInward, "put by a restart", "services", p.puts, 0),
		single(rowInward, "deleted by a restart", "services", p.deletes, 0),
		single(rowInward, "objects whose version a restart changed", "objects", float64(differing(before, after)), 0))
	return nil
}

// differing counts the keys whose values are not the same in both.
func differing(a, b map[string]string) (n int) {
	for k, v := range a {
		if b[k] != v {
			n++
		}
	}
	for k := range b {
		if _, there := a[k]; !there {
			n++
		}
	}
	return n
}
