package kubeobject

import (
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
)

// MergeService returns have with what want, from Encode, says of it; what
// others added to it stays. changed is false if have says it already. Neither
// is modified.
func MergeService(have, want *corev1.Service) (merged *corev1.Service, changed bool) {
	merged = have.DeepCopy()
	merged.Labels = mergeOurs(have.Labels, want.Labels)
	merged.Annotations = mergeOurs(have.Annotations, want.Annotations)
	merged.Spec.Selector = nil
	merged.Spec.Type = want.Spec.Type
	merged.Spec.ExternalName = want.Spec.ExternalName
	merged.Spec.Ports = want.Spec.Ports
	if !sameReach(have, want) {
		merged.Spec.ClusterIP = want.Spec.ClusterIP
		merged.Spec.ClusterIPs, merged.Spec.IPFamilies = nil, nil
		merged.Spec.IPFamilyPolicy, merged.Spec.InternalTrafficPolicy = want.Spec.IPFamilyPolicy, nil
	}
	return merged, !apiequality.Semantic.DeepEqual(merged, have)
}

// sameReach reports whether both are reached the same way, whatever cluster IP
// the server gave.
func sameReach(have, want *corev1.Service) bool {
	return have.Spec.Type == want.Spec.Type && headless(have) == headless(want)
}

func headless(svc *corev1.Service) bool { return svc.Spec.ClusterIP == corev1.ClusterIPNone }

// Replaces reports whether no server lets have become want: a Service that has
// a cluster IP cannot become a headless one, nor the other way round.
func Replaces(have, want *corev1.Service) bool {
	aliases := have.Spec.Type == corev1.ServiceTypeExternalName || want.Spec.Type == corev1.ServiceTypeExternalName
	return !aliases && headless(have) != headless(want)
}

// MergeSlice does for a slice what MergeService does for a Service.
func MergeSlice(have, want *discoveryv1.EndpointSlice) (merged *discoveryv1.EndpointSlice, changed bool) {
	merged = have.DeepCopy()
	merged.Labels = mergeOurs(have.Labels, want.Labels)
	merged.Annotations = mergeOurs(have.Annotations, want.Annotations)
	merged.Endpoints = want.Endpoints
	merged.Ports = want.Ports
	return merged, !apiequality.Semantic.DeepEqual(merged, have)
}

// mergeOurs replaces what is ours in have by what want has.
func mergeOurs(have, want map[string]string) map[string]string {
	merged := maps.Clone(have)
	maps.DeleteFunc(merged, func(k, _ string) bool { return strings.HasPrefix(k, "isthmus.dev/") })
	if merged == nil {
		return want
	}
	maps.Copy(merged, want)
	return merged
}

// Shrinks reports whether an endpoint or a port of have is not in next, which
// has the same name: such a write comes after those that only add.
func Shrinks(have, next *discoveryv1.EndpointSlice) bool {
	if !apiequality.Semantic.DeepEqual(have.Ports, next.Ports) {
		return true
	}
	kept := map[string]bool{}
	for _, e := range next.Endpoints {
		for _, addr := range e.Addresses {
			kept[addr] = true
		}
	}
	for _, e := range have.Endpoints {
		for _, addr := range e.Addresses {
			if !kept[addr] {
				return true
			}
		}
	}
	return false
}
