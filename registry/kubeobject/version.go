package kubeobject

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// versionOf joins the resource versions of all that makes up a service; slices
// are sorted by name. Objects that were never on a server have none.
func versionOf(svc *corev1.Service, all []*discoveryv1.EndpointSlice) string {
	if svc.ResourceVersion == "" {
		return ""
	}
	var b strings.Builder
	b.WriteString(svc.ResourceVersion)
	for _, slice := range all {
		b.WriteString(" " + slice.Name + "=" + slice.ResourceVersion)
	}
	return b.String()
}
