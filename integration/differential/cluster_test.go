package differential

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	mcs "sigs.k8s.io/mcs-api/pkg/apis/v1alpha1"
	mcsclient "sigs.k8s.io/mcs-api/pkg/client/clientset/versioned/typed/apis/v1alpha1"

	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
)

// cluster is the API server and, in s, all that it holds.
type cluster struct {
	kubeconfig string
	client     kubernetes.Interface
	mcs        mcsclient.MulticlusterV1alpha1Interface

	mu sync.Mutex // guards s while changes are written
	s  *state
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	k := serverstest.Kubernetes(t)
	conf, err := clientcmd.BuildConfigFromFlags("", k.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	conf.QPS, conf.Burst, conf.WarningHandler = 10000, 10000, rest.NoWarnings{}
	client, err := kubernetes.NewForConfig(conf)
	if err != nil {
		t.Fatal(err)
	}
	imports, err := mcsclient.NewForConfig(conf)
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{kubeconfig: k.Kubeconfig(), client: client, mcs: imports, s: newState()}
	if err := errors.Join(c.read(t.Context()), c.define(t.Context())); err != nil {
		t.Fatal(err)
	}
	return c
}

// read takes up what the API server made for itself.
func (c *cluster) read(ctx context.Context) error {
	own := key{"default", "kubernetes"}
	return until(ctx, func() (bool, error) {
		spaces, err := c.client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err
		}
		services, err := c.client.CoreV1().Services("").List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err
		}
		slices, err := c.client.DiscoveryV1().EndpointSlices("").List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err
		}
		for i := range spaces.Items {
			c.s.hold(&spaces.Items[i], false)
		}
		for i := range services.Items {
			c.s.hold(&services.Items[i], false)
		}
		for i := range slices.Items {
			c.s.hold(&slices.Items[i], false)
		}
		return c.s.services[own] != nil && len(c.s.slicesOf(own)) > 0 && c.s.namespaces["kube-system"] != nil, nil
	})
}

// until calls done every few milliseconds until it is, or ctx ends.
func until(ctx context.Context, done func() (bool, error)) error {
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	for {
		if is, err := done(); is || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// apply writes changes, in no order.
func (c *cluster) apply(ctx context.Context, changes []change) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for _, ch := range changes {
		g.Go(func() error {
			if err := c.write(ctx, ch); err != nil {
				return fmt.Errorf("write %T %s/%s: %w", ch.object, ch.object.GetNamespace(), ch.object.GetName(), err)
			}
			return nil
		})
	}
	return g.Wait()
}

func (c *cluster) write(ctx context.Context, ch change) error {
	o := ch.object
	var err error
	switch o := o.(type) {
	case *corev1.Namespace:
		ch.object, err = c.space(ctx, o, ch.gone)
	case *corev1.Service:
		ch.object, err = c.service(ctx, o, ch.gone)
	case *discoveryv1.EndpointSlice:
		ch.object, err = put(ctx, c.client.DiscoveryV1().EndpointSlices(o.Namespace), o, ch.gone)
	case *corev1.Pod:
		ch.object, err = c.pod(ctx, o, ch.gone)
	case *mcs.ServiceImport:
		ch.object, err = c.imported(ctx, o, ch.gone)
	}
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.s.hold(ch.object, ch.gone)
	return nil
}

// writer is what client-go's clients of every resource have.
type writer[T object] interface {
	Create(context.Context, T, metav1.CreateOptions) (T, error)
	Update(context.Context, T, metav1.UpdateOptions) (T, error)
	Delete(context.Context, string, metav1.DeleteOptions) error
}

// put makes o be there as it is, or not at all, and returns it as it is there.
func put[T object](ctx context.Context, c writer[T], o T, gone bool) (T, error) {
	if gone {
		now := int64(0)
		return o, c.Delete(ctx, o.GetName(), metav1.DeleteOptions{GracePeriodSeconds: &now})
	}
	if o.GetResourceVersion() != "" {
		return c.Update(ctx, o, metav1.UpdateOptions{})
	}
	made, err := c.Create(ctx, o, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return c.Update(ctx, o, metav1.UpdateOptions{})
	}
	return made, err
}

// space does the namespace controller's part, too.
func (c *cluster) space(ctx context.Context, o *corev1.Namespace, gone bool) (object, error) {
	client := c.client.CoreV1().Namespaces()
	made, err := put(ctx, client, o, gone)
	if err != nil || !gone {
		return made, err
	}
	going, err := client.Get(ctx, o.Name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	going.Spec.Finalizers = nil
	_, err = client.Finalize(ctx, going, metav1.UpdateOptions{})
	return made, err
}

// service does the load balancer's part, too.
func (c *cluster) service(ctx context.Context, o *corev1.Service, gone bool) (object, error) {
	client, told := c.client.CoreV1().Services(o.Namespace), o.Status.LoadBalancer
	made, err := put(ctx, client, o, gone)
	if err != nil || gone || len(told.Ingress) == 0 {
		return made, err
	}
	made.Status.LoadBalancer = told
	return client.UpdateStatus(ctx, made, metav1.UpdateOptions{})
}

// pod does the kubelet's part, too.
func (c *cluster) pod(ctx context.Context, o *corev1.Pod, gone bool) (object, error) {
	client := c.client.CoreV1().Pods(o.Namespace)
	if gone {
		return put(ctx, client, o, gone)
	}
	if _, err := client.Create(ctx, o, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return nil, err
	}
	return client.UpdateStatus(ctx, o, metav1.UpdateOptions{})
}

// hold notes what was written.
func (s *state) hold(o object, gone bool) {
	k := key{o.GetNamespace(), o.GetName()}
	switch o := o.(type) {
	case *corev1.Namespace:
		note(s.namespaces, k.name, o, gone)
	case *corev1.Service:
		note(s.services, k, o, gone)
	case *discoveryv1.EndpointSlice:
		if o.Labels[mcs.LabelServiceName] != "" {
			note(s.importSlices, k, o, gone)
		} else {
			note(s.slices, k, o, gone)
		}
	case *mcs.ServiceImport:
		note(s.imports, k, o, gone)
	case *corev1.Pod:
		note(s.pods, k, o, gone)
	}
}

func note[K comparable, T any](in map[K]T, k K, o T, gone bool) {
	if gone {
		delete(in, k)
	} else {
		in[k] = o
	}
}
