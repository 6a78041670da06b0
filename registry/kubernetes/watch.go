package kubernetes

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	mcsclient "sigs.k8s.io/mcs-api/pkg/client/clientset/versioned/typed/apis/v1alpha1"

	"github.com/isthmus-dns/isthmus/catalog"
)

// server is one API server, opened for reading and, if owner is not "", for
// that owner to write to.
type server struct {
	conf     *config
	client   kubernetes.Interface
	metadata metadata.Interface             // of names and versions alone
	imports  mcsclient.ServiceImportsGetter // nil: the cluster's own services are read, and not what it imports
	owner    string
	log      *slog.Logger
	pace     pace
	recorder recorder

	refused  groups    // of whichever Watch is running
	doubtful sync.Once // warns of the identity
	older    sync.Once // says that the server knows of no Service ranges
	denied   sync.Once // says that they may not be read

	viewMu sync.RWMutex // guards view; held for reading while its feed is used
	view   *view        // nil while no Watch runs

	fence  fence
	busy   busy
	leased atomic.Pointer[func() error] // nil: any request may be sent
}

// Watch keeps feed equal to what the API server holds.
func (s *server) Watch(ctx context.Context, feed *catalog.Feed) error {
	ctx, cancel := context.WithCancelCause(ctx)
	v := newView(s, feed, cancel)
	s.setView(v)
	defer s.setView(nil)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel(nil)
	var err error
	if v.identity, err = s.identity(ctx); ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return err
	}
	running.Go(func() { s.probe(ctx, v.health) })
	select {
	case <-s.reflect(ctx, v, &running):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	v.first()
	for {
		select {
		case <-v.wake:
			v.flush()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Close gives up connections. Those that others opened to the same API server
// with the same credentials are shared; it leaves them alone while in use.
func (s *server) Close() error {
	if c, ok := s.client.CoreV1().RESTClient().(*rest.RESTClient); ok && c.Client != nil {
		utilnet.CloseIdleConnectionsFor(c.Client.Transport)
	}
	return nil
}

func (s *server) setView(v *view) {
	s.viewMu.Lock()
	defer s.viewMu.Unlock()
	s.view = v
}

// identity asks who the API server is. It lists by name and does not get,
// because the right to list is what DNS servers commonly have.
func (s *server) identity(ctx context.Context) (catalog.Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	forbidden := false
	for _, ns := range slices.Concat([]string{metav1.NamespaceSystem}, s.conf.namespaces) {
		all, err := s.client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{FieldSelector: byName(ns)})
		switch {
		case apierrors.IsForbidden(err) && ns == metav1.NamespaceSystem && len(s.conf.namespaces) > 0:
			forbidden = true
		case apierrors.IsForbidden(err) && s.takesNamespaces():
			s.doubtful.Do(s.warnNoIdentity)
			return "", nil
		case apierrors.IsForbidden(err):
			return "", fmt.Errorf("identify the cluster: %w: grant list on the namespace %q", cause(err), ns)
		case err != nil:
			return "", fmt.Errorf("identify the cluster by namespace %q: %w", ns, cause(err))
		case len(all.Items) == 1:
			if forbidden {
				s.doubtful.Do(s.warnIdentity)
			}
			return catalog.Identity("kubernetes:" + string(all.Items[0].UID)), nil
		}
	}
	return "", fmt.Errorf("identify the cluster: namespace %q is not there", metav1.NamespaceSystem)
}

// warnIdentity says that others may know this cluster by another name.
func (s *server) warnIdentity() {
	s.log.Warn("cluster is known by its first namespace, since kube-system may not be listed: who may list that, or is given other namespaces, takes it for another cluster",
		"namespace", s.conf.namespaces[0])
}

// warnNoIdentity says that mirrors of this cluster are not known as such.
func (s *server) warnNoIdentity() {
	s.log.Warn("cluster is not identified, since its namespaces may not be listed: mirrors of it in other registries are not told from originals",
		"grant", `list on the namespace "kube-system"`)
}

// requestTimeout bounds one request that is no watch.
const requestTimeout = 15 * time.Second

func byName(name string) string { return fields.OneTermEqualSelector("metadata.name", name).String() }
