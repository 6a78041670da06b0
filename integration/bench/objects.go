package main

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const (
	servicePort = 80
	podPort     = 8080
)

// namespaceObject is the namespace of that name.
func namespaceObject(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

// object is v as a user would have applied it.
func (v service) object() *corev1.Service {
	ip := "" // one that the API server chooses
	switch {
	case v.headless:
		ip = corev1.ClusterIPNone
	case v.clusterIP.IsValid():
		ip = v.clusterIP.String()
	}
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: v.namespace, Name: v.name, Labels: map[string]string{"app": v.name}},
		Spec: corev1.ServiceSpec{
			ClusterIP: ip,
			Selector:  map[string]string{"app": v.name},
			Ports:     []corev1.ServicePort{{Name: "http", Protocol: corev1.ProtocolTCP, Port: servicePort, TargetPort: intstr.FromInt32(podPort)}},
		},
	}
}

// slice is v's EndpointSlice as the endpoint slice controller would have
// written it.
func (v service) slice() *discoveryv1.EndpointSlice {
	s := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: v.namespace,
			Name:      v.name + "-x7k2p",
			Labels: map[string]string{
				discoveryv1.LabelServiceName: v.name,
				discoveryv1.LabelManagedBy:   "endpointslice-controller.k8s.io",
				"app":                        v.name,
			},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: new("http"), Protocol: new(corev1.ProtocolTCP), Port: new(int32(podPort))}},
	}
	for n := v.first; n < v.first+v.count; n++ {
		s.Endpoints = append(s.Endpoints, v.endpoint(n))
	}
	return s
}

func (v service) endpoint(n int) discoveryv1.Endpoint {
	return discoveryv1.Endpoint{
		Addresses:  []string{podIP(n).String()},
		Conditions: discoveryv1.EndpointConditions{Ready: new(true), Serving: new(true), Terminating: new(false)},
		NodeName:   new(fmt.Sprintf("node-%d", n%500)),
		Zone:       new(fmt.Sprintf("zone-%d", n%3)),
		TargetRef:  &corev1.ObjectReference{Kind: "Pod", Namespace: v.namespace, Name: fmt.Sprintf("%s-6d5f8c9b7-%05d", v.name, n)},
	}
}
