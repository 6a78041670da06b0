package kubernetes

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/isthmus-dns/isthmus/catalog"
)

// What objects mean is package kubeobject's; this file says what is kept of
// whole ones in memory.

// trimMeta drops what is large and never read.
func trimMeta(o metav1.Object) {
	o.SetManagedFields(nil)
	if a := o.GetAnnotations(); a["kubectl.kubernetes.io/last-applied-configuration"] != "" {
		delete(a, "kubectl.kubernetes.io/last-applied-configuration")
	}
}

func trimService(svc *corev1.Service) {
	trimMeta(svc)
	svc.Spec.Selector = nil
	svc.Spec.LoadBalancerSourceRanges = nil
	svc.Spec.SessionAffinityConfig = nil
	svc.Status.Conditions = nil
}

func trimSlice(slice *discoveryv1.EndpointSlice) {
	trimMeta(slice)
	for i := range slice.Endpoints {
		e := &slice.Endpoints[i]
		e.DeprecatedTopology, e.Hints = nil, nil
		if t := e.TargetRef; t != nil {
			t.UID, t.ResourceVersion, t.Namespace = "", "", ""
		}
	}
}

func keyOf(name types.NamespacedName) catalog.Key {
	return catalog.Key{Namespace: strings.ToLower(name.Namespace), Name: strings.ToLower(name.Name)}
}

func named(k catalog.Key) types.NamespacedName {
	return types.NamespacedName{Namespace: k.Namespace, Name: k.Name}
}
