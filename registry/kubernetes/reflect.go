package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/isthmus-dns/isthmus/registry/kubeobject"
)

// source is a list of objects that can be watched.
type source struct {
	name     string // for people
	expected runtime.Object
	list     cache.ListWithContextFunc
	watch    cache.WatchFuncWithContext
	heads    cache.ListWithContextFunc // lists names and versions alone; nil: the store has none to compare
	into     cache.TransformingStore
	past     *past
}

// reflect starts the reflectors that fill v, and returns what is closed when
// each of them has listed.
func (s *server) reflect(ctx context.Context, v *view, running *sync.WaitGroup) <-chan struct{} {
	all := make(chan struct{})
	var left atomic.Int32
	listed := func() func() {
		left.Add(1)
		return sync.OnceFunc(func() {
			if left.Add(-1) == 0 {
				close(all)
			}
		})
	}
	var sources []source
	for _, ns := range s.watched() {
		sources = append(sources, s.sources(v, ns, listed)...)
	}
	for _, src := range append(s.podSources(v, listed), s.nodeSources(v, listed)...) {
		src.past = v.newPast()
		sources = append(sources, src)
	}
	sources = append(sources, s.exportSources(v, listed)...)
	sources = append(sources, s.rangeSources(v, listed)...)
	for _, src := range sources {
		running.Go(func() { s.follow(ctx, src, v) })
	}
	running.Go(func() { s.compare(ctx, v, sources) })
	return all
}

// watched are the namespaces that are watched each by itself, or the one that
// stands for all.
func (s *server) watched() []string {
	if len(s.conf.namespaces) > 0 {
		return s.conf.namespaces
	}
	return []string{metav1.NamespaceAll}
}

// sources are what is watched of one namespace, or of all.
func (s *server) sources(v *view, ns string, listed func() func()) []source {
	within := func(name types.NamespacedName) bool { return ns == "" || name.Namespace == ns }
	itself := func(name types.NamespacedName) bool { return ns == "" || name.Name == ns }
	services, keepService, keepSlice := s.services(ns), keeping(v.services, v.keeper.service), keeping(v.slices, v.keeper.slice)
	if s.imports != nil {
		services, keepService, keepSlice = s.serviceImports(ns), keeping(v.services, v.keeper.serviceImport), keeping(v.slices, v.keeper.importedSlice)
	}
	services.past = v.newPast()
	services.into = &scope[*service]{v.services, keepService, within, listed(), services.past}
	all := []source{services}
	if !s.takesNamespaces() {
		namespaces := s.namespace(ns)
		namespaces.past = v.newPast()
		namespaces.into = &scope[*namespace]{v.namespaces, keeping(v.namespaces, v.keeper.namespace), itself, listed(), namespaces.past}
		all = append(all, namespaces)
	}
	if !s.conf.noEndpoints {
		slices := s.slices(ns)
		slices.past = v.newPast()
		slices.into = &scope[*slice]{v.slices, keepSlice, within, listed(), slices.past}
		all = append(all, slices)
	}
	return all
}

// takesNamespaces reports whether the namespaces that the stanza lists are
// taken to exist, so that reading them wants no rights outside of them. Who
// writes has to know.
func (s *server) takesNamespaces() bool { return s.owner == "" && len(s.conf.namespaces) > 0 }

func (s *server) services(ns string) source {
	narrow := func(o *metav1.ListOptions) { o.LabelSelector = s.conf.labels }
	src := selected(in("services", ns), &corev1.Service{}, s.client.CoreV1().Services(ns), narrow)
	src.heads = s.heads(corev1.SchemeGroupVersion.WithResource("services"), ns, narrow)
	return src
}

func (s *server) slices(ns string) source {
	labels := s.conf.labels
	if s.imports != nil {
		labels = strings.TrimSuffix(kubeobject.LabelImport+","+labels, ",")
	}
	narrow := func(o *metav1.ListOptions) { o.LabelSelector = labels }
	src := selected(in("endpointslices", ns), &discoveryv1.EndpointSlice{}, s.client.DiscoveryV1().EndpointSlices(ns), narrow)
	src.heads = s.heads(discoveryv1.SchemeGroupVersion.WithResource("endpointslices"), ns, narrow)
	return src
}

func (s *server) namespace(ns string) source {
	narrow := func(o *metav1.ListOptions) {
		o.LabelSelector = s.conf.namespaceLabels
		if ns != "" {
			o.FieldSelector = byName(ns)
		}
	}
	src := selected(in("namespaces", ns), &corev1.Namespace{}, s.client.CoreV1().Namespaces(), narrow)
	src.heads = s.heads(corev1.SchemeGroupVersion.WithResource("namespaces"), "", narrow)
	return src
}

// heads lists the names and versions of a resource.
func (s *server) heads(resource schema.GroupVersionResource, ns string, narrow func(*metav1.ListOptions)) cache.ListWithContextFunc {
	client := s.metadata.Resource(resource).Namespace(ns)
	return func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		narrow(&o)
		return client.List(ctx, o)
	}
}

// lister is what client-go's clients of every resource have; L is its list.
type lister[L runtime.Object] interface {
	List(context.Context, metav1.ListOptions) (L, error)
	Watch(context.Context, metav1.ListOptions) (watch.Interface, error)
}

// selected is the source of those objects of client that narrow selects.
func selected[L runtime.Object](name string, expected runtime.Object, client lister[L], narrow func(*metav1.ListOptions)) source {
	return source{
		name:     name,
		expected: expected,
		list: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			narrow(&o)
			return client.List(ctx, o)
		},
		watch: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			narrow(&o)
			return client.Watch(ctx, o)
		},
	}
}

func in(resource, ns string) string {
	if ns == "" {
		return resource
	}
	return fmt.Sprintf("%s in %q", resource, ns)
}

// follow lists and watches until ctx ends. It retries by itself, at least
// every few seconds, and tells v how it is going. It does not log: what is
// wrong is in the feed's state. Before it goes on after a pause, it looks
// whether the server is still the one that it was.
func (s *server) follow(ctx context.Context, src source, v *view) {
	quiet := klog.Logger{}
	var fresh atomic.Bool // a list came just now
	lw := cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, _ metav1.ListOptions) (runtime.Object, error) {
			if err := s.verify(ctx, src, v); err != nil {
				return nil, err
			}
			list, err := src.everything(ctx)
			v.health.note(src.name, "list", err)
			fresh.Store(err == nil)
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			if !fresh.Swap(false) {
				if err := s.verify(ctx, src, v); err != nil {
					return nil, err
				}
			}
			w, err := src.watch(ctx, o)
			v.health.note(src.name, "watch", err)
			return w, err
		},
	}, s.client)
	cache.NewReflectorWithOptions(lw, src.expected, src.into, cache.ReflectorOptions{
		Name:    src.name,
		Logger:  &quiet,
		Backoff: &wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Jitter: 0.5, Steps: 10, Cap: 5 * time.Second},
	}).RunWithContext(klog.NewContext(ctx, quiet))
}

// note tells what became of a request. That it was ended by us, that the server no
// longer knows the place where it was to go on, or that what is optional is not
// there, says nothing of the connection.
func (h *health) note(name, doing string, err error) {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, errUnread), apierrors.IsResourceExpired(err), apierrors.IsGone(err):
	case err != nil:
		h.set(name, fmt.Errorf("%s %s: %w", doing, name, cause(err)))
	default:
		h.set(name, nil)
	}
}

// cause returns err without what differs from one try to the next: the URL
// and the local port.
func cause(err error) error {
	var at *url.Error
	if errors.As(err, &at) {
		err = at.Err
	}
	var on *net.OpError
	if errors.As(err, &on) && on.Source != nil {
		return fmt.Errorf("%s: %w", on.Op, on.Err)
	}
	return err
}
