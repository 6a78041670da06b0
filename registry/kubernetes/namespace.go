package kubernetes

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/kubeobject"
)

var _ registry.NamespaceCreator = (*server)(nil)

// CreateNamespace makes a namespace, with a label that says who did.
func (s *server) CreateNamespace(ctx context.Context, name string) error {
	if err := s.checkFence(ctx); err != nil {
		return fmt.Errorf("create namespace %q: %w", name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: name, Labels: map[string]string{kubeobject.LabelManagedBy: kubeobject.Managed},
	}}
	_, err := s.client.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create namespace %q: %w", name, outcome(err))
	}
	return nil
}
