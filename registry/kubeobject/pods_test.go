package kubeobject

import (
	"net/netip"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/isthmus-dns/isthmus/catalog"
)

func TestDecodePod(t *testing.T) {
	pod := func(change func(*corev1.Pod)) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-0", Labels: map[string]string{"app": "web"}}}
		p.Spec.NodeName = "node-1"
		p.Status.Phase = corev1.PodRunning
		p.Status.PodIPs = []corev1.PodIP{{IP: "10.0.0.1"}, {IP: "fd00::1"}, {IP: "bad"}}
		change(p)
		return p
	}
	whole := &catalog.Pod{
		Key:   catalog.Key{Namespace: "shop", Name: "web-0"},
		Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")},
		Node:  "node-1",
		Meta:  map[string]string{"app": "web"},
	}
	host := *whole
	host.Host = true
	for _, tt := range []struct {
		name string
		in   func(*corev1.Pod)
		want *catalog.Pod
	}{
		{"running", func(*corev1.Pod) {}, whole},
		{"pending with an address", func(p *corev1.Pod) { p.Status.Phase = corev1.PodPending }, whole},
		{"its node's address", func(p *corev1.Pod) { p.Spec.HostNetwork = true }, &host},
		{"succeeded", func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }, nil},
		{"failed", func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }, nil},
		{"no address", func(p *corev1.Pod) { p.Status.PodIPs = nil }, nil},
	} {
		got := DecodePod(pod(tt.in))
		if (got == nil) != (tt.want == nil) || got != nil && !got.Equal(tt.want) {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
}
