package kubeobject

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// Version joins the resource versions of all that makes up a service, as
// Decode puts them into catalog.Service; slices are sorted by name. Objects
// that were never on a server have none.
func Version(svc *corev1.Service, all []*discoveryv1.EndpointSlice) string {
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

// JoinVersion is the version of slices that join a native Service, sorted by
// name; "" of none.
func JoinVersion(all []*discoveryv1.EndpointSlice) string {
	if len(all) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("joins")
	for _, slice := range all {
		b.WriteString(" " + slice.Name + "=" + slice.ResourceVersion)
	}
	return b.String()
}

// Sorted returns slices in the order of their names.
func Sorted(byName map[string]*discoveryv1.EndpointSlice) []*discoveryv1.EndpointSlice {
	return slices.SortedFunc(maps.Values(byName), func(a, b *discoveryv1.EndpointSlice) int { return cmp.Compare(a.Name, b.Name) })
}
