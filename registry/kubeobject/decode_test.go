package kubeobject

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"sigs.k8s.io/yaml"

	"github.com/isthmus-dns/isthmus/catalog"
)

// objects reads a Service and its slices, split by "---", as a user writes them.
func objects(t testing.TB, text string) (*corev1.Service, []*discoveryv1.EndpointSlice) {
	t.Helper()
	docs := strings.Split(text, "---\n")
	svc := new(corev1.Service)
	if err := yaml.UnmarshalStrict([]byte(docs[0]), svc); err != nil {
		t.Fatalf("service: %v", err)
	}
	var all []*discoveryv1.EndpointSlice
	for _, doc := range docs[1:] {
		slice := new(discoveryv1.EndpointSlice)
		if err := yaml.UnmarshalStrict([]byte(doc), slice); err != nil {
			t.Fatalf("slice: %v", err)
		}
		all = append(all, slice)
	}
	return svc, all
}

func TestDecode(t *testing.T) {
	for _, tt := range []struct {
		name, in, want string
		left           string // part of the error that comes with it
	}{{
		name: "ClusterIP, dual stack, several slices",
		in: `
metadata: {namespace: shop, name: web, resourceVersion: "7"}
spec:
  clusterIP: 10.0.0.1
  clusterIPs: [10.0.0.1, "fd00::1"]
  ports: [{name: http, port: 80, targetPort: 8080, appProtocol: http}, {name: dns, port: 53, protocol: UDP}]
---
metadata: {name: web-b, resourceVersion: "9"}
addressType: IPv6
ports: [{name: http, port: 8080, protocol: TCP}]
endpoints: [{addresses: ["fd00::9"], nodeName: n1, zone: z1}]
---
metadata: {name: web-a, resourceVersion: "8"}
addressType: IPv4
ports: [{name: http, port: 8080, protocol: TCP}]
endpoints:
- {addresses: [10.1.1.2], hostname: Web-0, targetRef: {kind: Pod, name: web-0}, conditions: {ready: false, serving: true, terminating: true}}
- {addresses: [10.1.1.1], conditions: {ready: true}}
`,
		want: `
service shop/web ClusterIP version="7 web-a=8 web-b=9"
	addr 10.0.0.1
	addr fd00::1
	port dns UDP 53
	port http TCP 80 app=http
	endpoint 10.1.1.1 id=10.1.1.1 ready serving
		port http TCP 8080
	endpoint 10.1.1.2 id=10.1.1.2 serving terminating hostname=web-0 pod=web-0
		port http TCP 8080
	endpoint fd00::9 id=fd00::9 ready serving zone=z1 node=n1
		port http TCP 8080
`,
	}, {
		name: "only clusterIP is set",
		in:   "metadata: {namespace: a, name: b}\nspec: {clusterIP: 10.0.0.1}",
		want: "service a/b ClusterIP\n\taddr 10.0.0.1",
	}, {
		name: "headless",
		in:   "metadata: {namespace: a, name: b}\nspec: {clusterIP: None, clusterIPs: [None]}",
		want: "service a/b Headless",
	}, {
		name: "no clusterIP yet",
		in:   "metadata: {namespace: a, name: b}\nspec: {type: LoadBalancer}",
		want: "service a/b Headless",
	}, {
		name: "ExternalName",
		in:   "metadata: {namespace: a, name: b}\nspec: {type: ExternalName, externalName: DB.Example.ORG., ports: [{port: 5432}]}\n---\nmetadata: {name: x}\naddressType: IPv4\nendpoints: [{addresses: [10.1.1.1]}]",
		want: "service a/b ExternalName\n\talias db.example.org\n\tport \"\" TCP 5432",
	}, {
		name: "ExternalName of an address",
		in:   "metadata: {namespace: a, name: b}\nspec: {type: ExternalName, externalName: 10.0.0.1}",
		left: `externalName "10.0.0.1" is an address`,
	}, {
		name: "ExternalName of nothing",
		in:   "metadata: {namespace: a, name: b}\nspec: {type: ExternalName}",
		left: "externalName is empty",
	}, {
		name: "a type of the future",
		in:   "metadata: {namespace: a, name: b}\nspec: {type: Wormhole}",
		left: `unknown service type "Wormhole"`,
	}, {
		name: "load balancer and external addresses",
		in:   "metadata: {namespace: a, name: b}\nspec: {type: LoadBalancer, clusterIP: 10.0.0.1, externalIPs: [203.0.113.1]}\nstatus: {loadBalancer: {ingress: [{ip: 203.0.113.2}, {hostname: LB.example.org}, {ip: 203.0.113.1}, {ip: 127.0.0.1}]}}",
		want: "service a/b ClusterIP\n\taddr 10.0.0.1\n\texternal 203.0.113.1\n\texternal 203.0.113.2\n\texternal lb.example.org",
		left: `load balancer: address "127.0.0.1" is loopback`,
	}, {
		name: "NodePort",
		in:   "metadata: {namespace: a, name: b}\nspec: {type: NodePort, clusterIP: 10.0.0.1, ports: [{port: 80, nodePort: 30080}]}",
		want: "service a/b ClusterIP\n\taddr 10.0.0.1\n\tport \"\" TCP 80",
	}, {
		name: "the same endpoint in two slices: the best said of it counts",
		in:   "metadata: {namespace: a, name: b}\nspec: {clusterIP: None}\n---\nmetadata: {name: s1}\naddressType: IPv4\nendpoints: [{addresses: [10.1.1.1], conditions: {ready: false, serving: false}}]\n---\nmetadata: {name: s2}\naddressType: IPv4\nendpoints: [{addresses: [10.1.1.1], zone: z}]",
		want: "service a/b Headless\n\tendpoint 10.1.1.1 id=10.1.1.1 ready serving zone=z",
	}, {
		name: "one address, two hostnames",
		in:   "metadata: {namespace: a, name: b}\nspec: {clusterIP: None}\n---\nmetadata: {name: s1}\naddressType: IPv4\nendpoints: [{addresses: [10.1.1.1], hostname: one}, {addresses: [10.1.1.1], hostname: two}]",
		want: "service a/b Headless\n\tendpoint 10.1.1.1 id=\"10.1.1.1 one\" ready serving hostname=one\n\tendpoint 10.1.1.1 id=\"10.1.1.1 two\" ready serving hostname=two",
	}, {
		name: "one address, several sets of ports",
		in: `
metadata: {namespace: a, name: b}
spec: {clusterIP: None}
---
metadata: {name: s1}
addressType: IPv4
ports: [{name: http, port: 80, protocol: TCP}]
endpoints: [{addresses: [10.1.1.1, 10.1.1.2]}]
---
metadata: {name: s2}
addressType: IPv4
ports: [{name: http, port: 81}, {name: all}]
endpoints: [{addresses: [10.1.1.1]}]
---
metadata: {name: s3}
addressType: IPv4
ports: [{name: web, port: 81}]
endpoints: [{addresses: [10.1.1.1]}]
`,
		want: `
service a/b Headless
	endpoint 10.1.1.1 id="10.1.1.1 http/TCP/81/ " ready serving
		port http TCP 81
	endpoint 10.1.1.1 id="10.1.1.1 web/TCP/81/ " ready serving
		port web TCP 81
	endpoint 10.1.1.1 id=10.1.1.1-80 ready serving
		port http TCP 80
	endpoint 10.1.1.2 id=10.1.1.2 ready serving
		port http TCP 80
`,
	}, {
		name: "bad endpoints are left out",
		in: `
metadata: {namespace: a, name: b}
spec: {clusterIP: None, ports: [{port: 0}]}
---
metadata: {name: s1}
addressType: IPv4
ports: [{port: 70000}]
endpoints: [{addresses: [127.0.0.1]}, {addresses: [x]}, {addresses: [10.1.1.1]}]
---
metadata: {name: s2}
addressType: FQDN
endpoints: [{addresses: [x.example.org]}]
`,
		want: "service a/b Headless\n\tendpoint 10.1.1.1 id=10.1.1.1 ready serving",
		left: "port 0 is out of range\nendpoint slice \"s1\": port 70000 is out of range\nendpoint slice \"s1\": address \"127.0.0.1\" is loopback: cannot be held\nendpoint slice \"s1\": \"x\" is not an IP address: cannot be held\nendpoint slice \"s2\": \"x.example.org\" is a name",
	}, {
		name: "annotations",
		in:   `{metadata: {namespace: a, name: b, annotations: {isthmus.dev/ttl: "60", isthmus.dev/weight: "5", consul.hashicorp.com/service-name: w, kubectl.kubernetes.io/last-applied-configuration: big}}, spec: {clusterIP: None}}` + "\n---\nmetadata: {name: s}\naddressType: IPv4\nendpoints: [{addresses: [10.1.1.1]}]",
		want: "service a/b Headless ttl=1m0s\n\tendpoint 10.1.1.1 id=10.1.1.1 ready serving weight=5",
	}, {
		name: "bad annotations are left out",
		in:   `{metadata: {namespace: a, name: b, annotations: {isthmus.dev/ttl: soon, isthmus.dev/weight: "-1"}}, spec: {clusterIP: None}}`,
		want: "service a/b Headless",
		left: "annotation isthmus.dev/ttl: \"soon\" is no time to live\nannotation isthmus.dev/weight: \"-1\" is no weight",
	}, {
		name: "a mirror: what others add is left out",
		in: `
metadata:
  namespace: a
  name: b
  resourceVersion: "3"
  labels: {app.kubernetes.io/managed-by: isthmus, isthmus.dev/owner: prod}
  annotations: {isthmus.dev/of: "consul:dc1", isthmus.dev/key: consul/web, isthmus.dev/format: "1", isthmus.dev/meta: '{"x":"y"}', isthmus.dev/tags: "v1,v2", other: z}
spec: {clusterIP: 10.0.0.1}
status: {loadBalancer: {ingress: [{ip: 203.0.113.2}]}}
---
metadata: {name: s, resourceVersion: "4", labels: {isthmus.dev/owner: prod}, annotations: {isthmus.dev/endpoints: '{"10.1.1.1":{"pod":"p","node":"n","weight":3,"tags":["v1"],"meta":{"k":"v"}}}'}}
addressType: IPv4
endpoints: [{addresses: [10.1.1.1]}]
---
metadata: {name: t, resourceVersion: "5"}
addressType: IPv4
endpoints: [{addresses: [10.6.6.6]}]
`,
		want: `
service a/b ClusterIP version="3 s=4"
	mark owner=prod of=consul:dc1 key=consul/web format=1
	addr 10.0.0.1
	meta isthmus.dev/tags=v1,v2
	meta x=y
	endpoint 10.1.1.1 id=10.1.1.1 ready serving pod=p node=n weight=3
		tag v1
		meta k=v
`,
		left: `endpoint slice "t" is not of owner "prod"`,
	}, {
		name: "half a mark is never native",
		in:   `{metadata: {namespace: a, name: b, labels: {isthmus.dev/owner: prod}}, spec: {clusterIP: None}}`,
		want: "service a/b Headless\n\tmark owner=prod format=2",
	}, {
		name: "a bridge's slice below a native service",
		in:   "metadata: {namespace: a, name: b}\nspec: {clusterIP: None}\n---\nmetadata: {name: s, labels: {isthmus.dev/owner: prod}}\naddressType: IPv4\nendpoints: [{addresses: [10.1.1.1]}]",
		want: "service a/b Headless",
	}, {
		name: "a copy by consul-k8s",
		in:   `{metadata: {namespace: a, name: b, labels: {consul: "true"}}, spec: {type: ExternalName, externalName: b.service.consul}}`,
		want: "service a/b ExternalName\n\tmark owner=? format=0\n\talias b.service.consul",
	}, {
		name: "a copy by an MCS controller",
		in:   "metadata: {namespace: a, name: b, ownerReferences: [{apiVersion: v1, uid: x, kind: ServiceImport, name: b}]}\nspec: {clusterIP: 10.0.0.1}\n---\nmetadata: {name: s}\naddressType: IPv4\nendpoints: [{addresses: [10.1.1.1]}]",
		want: "service a/b ClusterIP\n\tmark owner=? format=0\n\taddr 10.0.0.1\n\tendpoint 10.1.1.1 id=10.1.1.1 ready serving",
	}} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Decode(objects(t, tt.in))
			if tt.left == "" && err != nil || tt.left != "" && (err == nil || !strings.Contains(err.Error(), tt.left)) {
				t.Errorf("Decode: error %v, want %q", err, tt.left)
			}
			text := ""
			if got != nil {
				text = got.Text()
			}
			if diff := cmp.Diff(strings.TrimSpace(tt.want), strings.TrimSpace(text)); diff != "" {
				t.Errorf("Decode (-want +got):\n%s", diff)
			}
			checkFold(t, tt.in, got, err)
		})
	}
}

// checkFold holds that what a catalog is told folded is what Join returns.
func checkFold(t *testing.T, in string, want *catalog.Service, wantErr error) {
	t.Helper()
	svc, all := objects(t, in)
	var parts []*Part
	for _, slice := range all {
		parts = append(parts, PartOf(slice))
	}
	got, err := HeadOf(svc).Fold(parts)
	if fmt.Sprint(err) != fmt.Sprint(wantErr) {
		t.Errorf("Fold: error %v, want %v", err, wantErr)
	}
	if got == nil || want == nil {
		if got != want {
			t.Errorf("Fold returns %v, want %v", got, want)
		}
		return
	}
	c := catalog.New(catalog.Policy{})
	c.Feed("kubernetes/x").Replace([]*catalog.Service{got})
	if told := c.Snapshot().Get("kubernetes/x", got.Ref()); told.Text() != want.Text() {
		t.Errorf("Fold (-want +got):\n%s", cmp.Diff(want.Text(), told.Text()))
	}
}

// TestDecodeOrder holds that the order of the slices does not matter.
func TestDecodeOrder(t *testing.T) {
	svc, all := objects(t, "metadata: {namespace: a, name: b}\nspec: {clusterIP: None}\n---\nmetadata: {name: s1}\naddressType: IPv4\nendpoints: [{addresses: [10.1.1.1], zone: x}]\n---\nmetadata: {name: s2}\naddressType: IPv4\nendpoints: [{addresses: [10.1.1.1], zone: y}]")
	one, err := Decode(svc, all)
	if err != nil {
		t.Fatal(err)
	}
	two, err := Decode(svc, []*discoveryv1.EndpointSlice{all[1], all[0]})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(one.Text(), two.Text()); diff != "" {
		t.Errorf("another order, another service:\n%s", diff)
	}
}
