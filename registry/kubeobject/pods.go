package kubeobject

import (
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/isthmus-dns/isthmus/catalog"
)

// DecodePod returns what is known of a pod: its addresses, its node, and its
// labels as Meta. A pod that has no address, or that ended, is nil.
func DecodePod(p *corev1.Pod) *catalog.Pod {
	if p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
		return nil
	}
	out := &catalog.Pod{
		Key:  catalog.Key{Namespace: strings.ToLower(p.Namespace), Name: strings.ToLower(p.Name)},
		Host: p.Spec.HostNetwork,
		Node: p.Spec.NodeName,
		Meta: p.Labels,
	}
	for _, ip := range p.Status.PodIPs {
		if a, err := netip.ParseAddr(ip.IP); err == nil {
			out.Addrs = append(out.Addrs, a.Unmap())
		}
	}
	if len(out.Addrs) == 0 {
		return nil
	}
	return out
}
