package differential

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// object is a Service, an EndpointSlice, a Namespace or a Pod.
type object interface {
	runtime.Object
	metav1.Object
}

// change is one write: object as it is to be or, with gone, to be no more.
type change struct {
	object object
	gone   bool
}

func meta(ns, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: ns, Name: name, Labels: map[string]string{label: labelValue}}
}

func namespace(name string, selected bool) *corev1.Namespace {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if selected {
		ns.Labels = map[string]string{spaceLabel: "a"}
	}
	return ns
}

// headless returns a headless Service; ports are NAME:NUMBER/PROTOCOL.
func headless(ns, name string, ports ...string) *corev1.Service {
	policy := corev1.IPFamilyPolicyRequireDualStack
	return &corev1.Service{ObjectMeta: meta(ns, name), Spec: corev1.ServiceSpec{
		ClusterIP: corev1.ClusterIPNone, IPFamilyPolicy: &policy, Ports: servicePorts(ports),
	}}
}

// alias returns a Service of type ExternalName.
func alias(ns, name, target string) *corev1.Service {
	return &corev1.Service{ObjectMeta: meta(ns, name), Spec: corev1.ServiceSpec{
		Type: corev1.ServiceTypeExternalName, ExternalName: target,
	}}
}

// virtual returns a Service with these addresses.
func virtual(ns, name string, ips []string, ports ...string) *corev1.Service {
	svc := &corev1.Service{ObjectMeta: meta(ns, name), Spec: corev1.ServiceSpec{
		Type: corev1.ServiceTypeClusterIP, ClusterIP: ips[0], ClusterIPs: ips, Ports: servicePorts(ports),
	}}
	policy := corev1.IPFamilyPolicySingleStack
	if len(ips) > 1 {
		policy = corev1.IPFamilyPolicyRequireDualStack
	}
	svc.Spec.IPFamilyPolicy = &policy
	for _, ip := range ips {
		svc.Spec.IPFamilies = append(svc.Spec.IPFamilies, familyOf(ip))
	}
	return svc
}

func familyOf(ip string) corev1.IPFamily {
	if strings.Contains(ip, ":") {
		return corev1.IPv6Protocol
	}
	return corev1.IPv4Protocol
}

func readPort(text string) (name string, number int32, proto corev1.Protocol) {
	name, rest, _ := strings.Cut(text, ":")
	num, p, _ := strings.Cut(rest, "/")
	if _, err := fmt.Sscan(num, &number); err != nil {
		number = 0
	}
	return name, number, corev1.Protocol(p)
}

func servicePorts(texts []string) []corev1.ServicePort {
	var all []corev1.ServicePort
	for _, t := range texts {
		name, number, proto := readPort(t)
		all = append(all, corev1.ServicePort{Name: name, Port: number, Protocol: proto, TargetPort: intstr.FromInt32(number)})
	}
	return all
}

// slice returns an EndpointSlice of the service. A port without a number is
// written NAME:/PROTOCOL.
func slice(ns, name, service string, ports []string, endpoints ...discoveryv1.Endpoint) *discoveryv1.EndpointSlice {
	s := &discoveryv1.EndpointSlice{ObjectMeta: meta(ns, name), AddressType: discoveryv1.AddressTypeIPv4, Endpoints: endpoints}
	s.Labels[discoveryv1.LabelServiceName] = service
	for _, t := range ports {
		name, number, proto := readPort(t)
		p := discoveryv1.EndpointPort{Name: &name, Protocol: &proto}
		if number != 0 {
			p.Port = &number
		}
		s.Ports = append(s.Ports, p)
	}
	if len(endpoints) == 0 {
		return s
	}
	switch addr := endpoints[0].Addresses[0]; {
	case strings.Contains(addr, ":"):
		s.AddressType = discoveryv1.AddressTypeIPv6
	case strings.HasSuffix(addr, ".example"):
		s.AddressType = discoveryv1.AddressTypeFQDN
	}
	return s
}

// at returns a ready endpoint with that address; words add to it:
// host=LABEL, zone=ZONE, pod=NAME, unready, terminating, serving.
func at(addr string, words ...string) discoveryv1.Endpoint {
	yes, no := true, false
	e := discoveryv1.Endpoint{Addresses: []string{addr}, Conditions: discoveryv1.EndpointConditions{Ready: &yes}}
	for _, w := range words {
		what, value, _ := strings.Cut(w, "=")
		switch what {
		case "also":
			e.Addresses = append(e.Addresses, value)
		case "host":
			e.Hostname = &value
		case "zone":
			e.Zone = &value
		case "pod":
			e.TargetRef = &corev1.ObjectReference{Kind: "Pod", Name: value}
		case "unready":
			e.Conditions.Ready = &no
		case "unknown":
			e.Conditions.Ready = nil
		case "terminating":
			e.Conditions = discoveryv1.EndpointConditions{Ready: &no, Serving: &yes, Terminating: &yes}
		}
	}
	return e
}

// pod returns a running pod with these addresses.
func pod(ns, name string, ips ...string) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: meta(ns, name),
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning, PodIP: ips[0]},
	}
	for _, ip := range ips {
		p.Status.PodIPs = append(p.Status.PodIPs, corev1.PodIP{IP: ip})
	}
	return p
}
