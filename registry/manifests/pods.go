package manifests

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/isthmus-dns/isthmus/catalog"
)

// selected makes the slices that a Service has by its selector, as the
// EndpointSlice controller would: a slice for each pod and address.
func selected(svc *corev1.Service, pods []*corev1.Pod) []*discoveryv1.EndpointSlice {
	if len(svc.Spec.Selector) == 0 || svc.Spec.Type == corev1.ServiceTypeExternalName {
		return nil
	}
	chosen := labels.SelectorFromSet(svc.Spec.Selector)
	var all []*discoveryv1.EndpointSlice
	for _, pod := range pods {
		if finished := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed; finished || !chosen.Matches(labels.Set(pod.Labels)) {
			continue
		}
		for i, addr := range podAddrs(pod) {
			all = append(all, &discoveryv1.EndpointSlice{
				ObjectMeta:  metav1.ObjectMeta{Namespace: svc.Namespace, Name: fmt.Sprintf("%s.%d", pod.Name, i)},
				AddressType: family(addr),
				Endpoints:   []discoveryv1.Endpoint{podEndpoint(svc, pod, addr)},
				Ports:       podPorts(svc, pod),
			})
		}
	}
	return all
}

// podAddrs returns the addresses of a pod, each once.
func podAddrs(pod *corev1.Pod) []string {
	var all []string
	if pod.Status.PodIP != "" {
		all = append(all, pod.Status.PodIP)
	}
	for _, ip := range pod.Status.PodIPs {
		if ip.IP != "" && !slices.Contains(all, ip.IP) {
			all = append(all, ip.IP)
		}
	}
	return all
}

func family(addr string) discoveryv1.AddressType {
	if host := catalog.ParseHost(addr); host.Addr.Is6() {
		return discoveryv1.AddressTypeIPv6
	}
	return discoveryv1.AddressTypeIPv4
}

func podEndpoint(svc *corev1.Service, pod *corev1.Pod, addr string) discoveryv1.Endpoint {
	terminating := pod.DeletionTimestamp != nil
	serving := podReady(pod)
	ready := serving && !terminating || svc.Spec.PublishNotReadyAddresses
	e := discoveryv1.Endpoint{
		Addresses:  []string{addr},
		Conditions: discoveryv1.EndpointConditions{Ready: &ready, Serving: &serving, Terminating: &terminating},
		TargetRef:  &corev1.ObjectReference{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name},
	}
	if pod.Spec.NodeName != "" {
		e.NodeName = &pod.Spec.NodeName
	}
	if pod.Spec.Hostname != "" && pod.Spec.Subdomain == svc.Name {
		e.Hostname = &pod.Spec.Hostname
	}
	return e
}

// podReady reports whether a pod serves: people who write a pod's address into
// a file rarely write its conditions, too.
func podReady(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return true
}

// podPorts resolves the Service's target ports. One whose name no container of
// the pod has is left out.
func podPorts(svc *corev1.Service, pod *corev1.Pod) []discoveryv1.EndpointPort {
	var all []discoveryv1.EndpointPort
	for i := range svc.Spec.Ports {
		p := &svc.Spec.Ports[i]
		proto := p.Protocol
		if proto == "" {
			proto = corev1.ProtocolTCP
		}
		if number, ok := targetPort(p, proto, pod); ok {
			all = append(all, discoveryv1.EndpointPort{Name: &p.Name, Protocol: &proto, Port: &number, AppProtocol: p.AppProtocol})
		}
	}
	return all
}

func targetPort(p *corev1.ServicePort, proto corev1.Protocol, pod *corev1.Pod) (int32, bool) {
	switch t := p.TargetPort; {
	case t.Type == intstr.Int && t.IntVal != 0:
		return t.IntVal, true
	case t.Type == intstr.Int || t.StrVal == "":
		return p.Port, true
	}
	for _, c := range slices.Concat(pod.Spec.Containers, pod.Spec.InitContainers) {
		for _, cp := range c.Ports {
			if cp.Name == p.TargetPort.StrVal && (cp.Protocol == proto || cp.Protocol == "" && proto == corev1.ProtocolTCP) {
				return cp.ContainerPort, true
			}
		}
	}
	return 0, false
}

// byNamespace parts pods, so that a Service looks at its own namespace's only.
func byNamespace(pods []*corev1.Pod) map[string][]*corev1.Pod {
	all := map[string][]*corev1.Pod{}
	for _, pod := range pods {
		all[strings.ToLower(pod.Namespace)] = append(all[strings.ToLower(pod.Namespace)], pod)
	}
	return all
}
