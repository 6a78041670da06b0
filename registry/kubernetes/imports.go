package kubernetes

import (
	"context"
	"fmt"
	"log/slog"

	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	mcs "sigs.k8s.io/mcs-api/pkg/apis/v1alpha1"
	mcsclient "sigs.k8s.io/mcs-api/pkg/client/clientset/versioned/typed/apis/v1alpha1"

	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/kubeobject"
)

var _ registry.Importer = (*config)(nil)

// Imports opens the services that other clusters export to this one, for
// reading.
func (c *config) Imports(log *slog.Logger) (registry.Registry, error) {
	own := *c
	own.pods = false // they are this cluster's
	s, to, err := own.dial("", log)
	if err == nil {
		// An API server has no other form of what a resource definition defines.
		to.ContentType, to.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON
		s.imports, err = mcsclient.NewForConfig(to)
	}
	if err != nil {
		return nil, fmt.Errorf("open the imports of %s: %w", c.Origin(), err)
	}
	return s, nil
}

// serviceImport keeps what stands for a service of several clusters.
func (k keeper) serviceImport(imp *mcs.ServiceImport) *service {
	return &service{id: idOf(imp, k.texts), head: *kubeobject.HeadOfImport(imp)}
}

// importedSlice keeps a slice of one.
func (k keeper) importedSlice(o *discoveryv1.EndpointSlice) *slice {
	k.trimPods(o)
	return k.newSlice(o, kubeobject.PartOfImport(o), kubeobject.ImportOf(o))
}

// serviceImports is the source of one namespace's, or of all.
func (s *server) serviceImports(ns string) source {
	narrow := func(o *metav1.ListOptions) { o.LabelSelector = s.conf.labels }
	src := selected(in("serviceimports", ns), &mcs.ServiceImport{}, s.imports.ServiceImports(ns), narrow)
	src.heads = s.heads(mcs.SchemeGroupVersion.WithResource("serviceimports"), ns, narrow)
	list, watched := src.list, src.watch
	src.list = func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		all, err := list(ctx, o)
		return all, undefined(err)
	}
	src.watch = func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
		w, err := watched(ctx, o)
		return w, undefined(err)
	}
	return src
}

// undefined says what it means that the API server does not know the resource.
// It comes to know it as soon as somebody defines it, so it is asked again.
func undefined(err error) error {
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("%w: install the resource definitions of the Multi-Cluster Services API", err)
	}
	return err
}
