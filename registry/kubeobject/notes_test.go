package kubeobject

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/isthmus-dns/isthmus/registry"
)

func TestNotesOf(t *testing.T) {
	const noted = `
metadata:
  labels: {app: web, app.kubernetes.io/part-of: shop}
  annotations: {isthmus.dev/export: "true", consul.hashicorp.com/service-name: w, other.example.org/x: y}
`
	all := registry.Details{Notes: true, Labels: true}
	tests := []struct {
		name, in string
		details  registry.Details
		want     map[string]string
	}{
		{"nobody asked", noted, registry.Details{Labels: true}, nil},
		{"nothing to tell", "metadata: {annotations: {x: y}}", all, nil},
		{"annotations", noted, registry.Details{Notes: true}, map[string]string{"isthmus.dev/export": "true", "consul.hashicorp.com/service-name": "w"}},
		{"labels", noted, all, map[string]string{"isthmus.dev/export": "true", "consul.hashicorp.com/service-name": "w", "label:app": "web", "label:app.kubernetes.io/part-of": "shop"}},
		{"a mirror", "metadata: {labels: {app.kubernetes.io/managed-by: isthmus, isthmus.dev/owner: x}}", all, nil},
		{"node ports", "spec: {type: NodePort, ports: [{name: HTTP, port: 80, nodePort: 30080}, {name: rpc, port: 81}]}", all, map[string]string{"type:": "NodePort", "nodeport:http": "30080"}},
		{"a first port whose name comes later", "spec: {ports: [{name: Web, port: 80}, {name: admin, port: 81}]}", all, map[string]string{"first:": "web"}},
		{"a first port whose name comes first", "spec: {ports: [{name: admin, port: 81}, {name: web, port: 80}]}", all, nil},
		{"an unnamed node port", "spec: {type: NodePort, ports: [{port: 80, nodePort: 30080}]}", all, map[string]string{"type:": "NodePort", "nodeport:": "30080"}},
		{"a load balancer without address", "spec: {type: LoadBalancer}", all, map[string]string{"type:": "LoadBalancer"}},
		{"a load balancer", "{spec: {type: LoadBalancer, externalIPs: [192.0.2.9]}, status: {loadBalancer: {ingress: [{ip: 192.0.2.1}, {hostname: LB.example.org.}]}}}", all,
			map[string]string{"type:": "LoadBalancer", "balancer:": "192.0.2.1 lb.example.org"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var svc corev1.Service
			if err := yaml.Unmarshal([]byte(tt.in), &svc); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, NotesOf(&svc, tt.details, nil)); diff != "" {
				t.Errorf("NotesOf: -want +got\n%s", diff)
			}
		})
	}
}

func TestNodeOf(t *testing.T) {
	for _, tt := range []struct{ addresses, want string }{
		{"[]", "none"},
		{"[{type: Hostname, address: n1}, {type: InternalDNS, address: n1.example.org}]", "none"},
		{"[{type: InternalIP, address: 10.0.0.1}, {type: InternalIP, address: 'fd00::1'}]", "10.0.0.1 "},
		{"[{type: ExternalIP, address: 192.0.2.1}, {type: InternalIP, address: 10.0.0.1}]", "10.0.0.1 192.0.2.1"},
		{"[{type: ExternalIP, address: 192.0.2.1}]", "192.0.2.1 192.0.2.1"},
		{"[{type: InternalIP, address: 127.0.0.1}, {type: InternalIP, address: 10.0.0.2}]", "10.0.0.2 "},
	} {
		var node corev1.Node
		if err := yaml.Unmarshal([]byte("{metadata: {name: n1}, status: {addresses: "+tt.addresses+"}}"), &node); err != nil {
			t.Fatal(err)
		}
		got := "none"
		if n := NodeOf(&node); n != nil {
			got = n.Host.String() + " " + n.Meta["external"]
		}
		if got != tt.want {
			t.Errorf("NodeOf(%s) = %s, want %s", tt.addresses, got, tt.want)
		}
	}
}
