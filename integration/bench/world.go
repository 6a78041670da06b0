package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/isthmus-dns/isthmus/integration/servers"
)

const writers = 64 // writes in flight while the world is loaded

// world is a running API server that holds a shape.
type world struct {
	kube   *servers.Kubernetes
	client *kubernetes.Clientset
	shape  shape
}

// newWorld starts an API server and fills it. With a dir, the data stay there,
// and a next world of the same shape begins with them. The caller stops kube.
func newWorld(ctx context.Context, s shape, dir string, log func(string)) (*world, error) {
	kube, err := servers.StartKubernetes(ctx, servers.KubernetesOptions{Options: servers.Options{
		Dir: dir, Log: log,
		Args: []string{"--max-requests-inflight=2000", "--max-mutating-requests-inflight=1000"},
	}})
	if err != nil {
		return nil, err
	}
	w := &world{kube: kube, shape: s}
	if w.client, err = newClient(kube.Kubeconfig()); err == nil {
		err = w.fill(ctx, dir, log)
	}
	if err != nil {
		return nil, errors.Join(err, kube.Stop())
	}
	return w, nil
}

// newClient returns a client that nothing but the server slows down.
func newClient(kubeconfig string) (*kubernetes.Clientset, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	config.QPS = -1
	config.ContentType = "application/vnd.kubernetes.protobuf"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	return client, nil
}

// fill loads the shape unless dir says that this was done.
func (w *world) fill(ctx context.Context, dir string, log func(string)) error {
	if dir == "" {
		return w.load(ctx, log)
	}
	note := filepath.Join(dir, "shape.json")
	there, err := readShape(note)
	if err != nil {
		return err
	}
	switch there {
	case w.shape:
		return nil
	case shape{}:
	default:
		return fmt.Errorf("%q holds another world: %v", dir, there)
	}
	if err := w.load(ctx, log); err != nil {
		return err
	}
	b, err := json.Marshal(w.shape)
	if err == nil {
		err = os.WriteFile(note, b, 0o600)
	}
	if err != nil {
		return fmt.Errorf("note what was loaded: %w", err)
	}
	return nil
}

// readShape returns the shape in a file, none if there is no file.
func readShape(path string) (s shape, err error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return shape{}, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	if err != nil {
		return shape{}, fmt.Errorf("read what was loaded: %w", err)
	}
	return s, nil
}

// load writes the shape, many objects at once.
func (w *world) load(ctx context.Context, log func(string)) error {
	start := time.Now()
	log(fmt.Sprintf("loading %v", w.shape))
	for n := range w.shape.Namespaces {
		_, err := w.client.CoreV1().Namespaces().Create(ctx, namespaceObject(namespaceName(n)), metav1.CreateOptions{})
		if err := unlessThere(err); err != nil {
			return fmt.Errorf("create namespace %q: %w", namespaceName(n), err)
		}
	}
	var done atomic.Int64
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(writers)
	for v := range w.shape.services() {
		all.Go(func() error {
			if n := done.Add(1); n%1000 == 0 {
				log(fmt.Sprintf("loading: %d Services, %.0f s", n, time.Since(start).Seconds()))
			}
			return w.create(ctx, v)
		})
	}
	if err := all.Wait(); err != nil {
		return err
	}
	log(fmt.Sprintf("loaded in %.0f s", time.Since(start).Seconds()))
	return nil
}

func (w *world) create(ctx context.Context, v service) error {
	_, err := w.client.CoreV1().Services(v.namespace).Create(ctx, v.object(), metav1.CreateOptions{})
	if err := unlessThere(err); err != nil {
		return fmt.Errorf("create Service %q: %w", v.fqdn(), err)
	}
	_, err = w.client.DiscoveryV1().EndpointSlices(v.namespace).Create(ctx, v.slice(), metav1.CreateOptions{})
	if err := unlessThere(err); err != nil {
		return fmt.Errorf("create EndpointSlice of %q: %w", v.fqdn(), err)
	}
	return nil
}

// unlessThere forgives that an object exists, from a load that was interrupted.
func unlessThere(err error) error {
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// unlessGone forgives that an object does not exist.
func unlessGone(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
