package bridge

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/isthmus-dns/isthmus/bridge/mirror"
	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/all"
	"github.com/isthmus-dns/isthmus/registry/kubeobject"
)

// What consul-k8s' own tests start from: three nodes, and three endpoints in
// two slices, of which the second says nothing of its readiness.
const (
	threeNodes = `
---
{kind: Node, metadata: {name: n1}, status: {addresses: [{type: InternalIP, address: 4.5.6.7}, {type: ExternalIP, address: 1.2.3.4}]}}
---
{kind: Node, metadata: {name: n2}, status: {addresses: [{type: ExternalIP, address: 2.3.4.5}, {type: InternalIP, address: 5.6.7.8}]}}
---
{kind: Node, metadata: {name: n3}, status: {addresses: [{type: ExternalIP, address: 3.4.5.6}, {type: InternalIP, address: 6.7.8.9}]}}
`
	threeEndpoints = `
---
kind: EndpointSlice
metadata: {name: foo-1, namespace: shop, labels: {kubernetes.io/service-name: foo}}
addressType: IPv4
ports: [{name: http, port: 8080, protocol: TCP}, {name: rpc, port: 2000, protocol: TCP}]
endpoints:
- {addresses: [1.1.1.1], conditions: {ready: true}, nodeName: n1, zone: us-west-2a, targetRef: {kind: Pod, name: foobar, namespace: shop}}
- {addresses: [2.2.2.2], nodeName: n2, zone: us-west-2b}
---
kind: EndpointSlice
metadata: {name: foo-2, namespace: shop, labels: {kubernetes.io/service-name: foo}}
addressType: IPv4
ports: [{name: http, port: 8080, protocol: TCP}, {name: rpc, port: 2000, protocol: TCP}]
endpoints:
- {addresses: [3.3.3.3], conditions: {ready: false}, nodeName: n3, zone: us-west-2c}
`
	oneEndpoint = `
---
kind: EndpointSlice
metadata: {name: foo-1, namespace: shop, labels: {kubernetes.io/service-name: foo}}
addressType: IPv4
ports: [{name: http, port: 8080, protocol: TCP}, {name: rpc, port: 2000, protocol: TCP}]
endpoints: [{addresses: [1.1.1.1], nodeName: n1}]
`
	// As threeEndpoints stand in Consul.
	threeInstances = `consul/foo-shop
	1.1.1.1:8080 passing http=8080 rpc=2000 zone=us-west-2a node=n1 pod=foobar
	2.2.2.2:8080 passing http=8080 rpc=2000 zone=us-west-2b node=n2
	3.3.3.3:8080 critical http=8080 rpc=2000 zone=us-west-2c node=n3
`
	oneInstance = "consul/foo-shop\n\t1.1.1.1:8080 passing http=8080 rpc=2000 node=n1\n"
)

// foo is a Service of that name with two ports, as a type and with more of its
// spec, of its status, and with annotations.
func foo(spec, status string, annotations ...string) string {
	notes := ""
	for _, a := range annotations {
		k, v, _ := strings.Cut(a, "=")
		notes += fmt.Sprintf("%q: %q, ", k, v)
	}
	return fmt.Sprintf(`
---
kind: Service
metadata: {name: foo, namespace: shop, annotations: {%s}}
spec: {ports: [{name: http, port: 80, nodePort: 30000, targetPort: 8080}, {name: rpc, port: 8500, nodePort: 30001, targetPort: rpc}], %s}
status: {%s}
`, notes, spec, status)
}

const (
	consulName   = "consul.hashicorp.com/service-name="
	consulPort   = "consul.hashicorp.com/service-port="
	consulWeight = "consul.hashicorp.com/service-weight="
	consulSync   = "consul.hashicorp.com/service-sync="
	consulTags   = "consul.hashicorp.com/service-tags="
	consulMeta   = "consul.hashicorp.com/service-meta-"

	oneBalancer = "loadBalancer: {ingress: [{ip: 1.2.3.4}]}"
	balancedBy  = "consul/foo-shop\n\t1.2.3.4:80 passing http=80 rpc=8500\n"
)

// TestBehaviours holds what users of consul-k8s rely on: which instances Consul
// gets of Kubernetes' objects. The numbers are those of BEHAVIOURS.md, and "+"
// is a case that consul-k8s does not test.
func TestBehaviours(t *testing.T) {
	clusterIP := func(annotations ...string) string {
		return foo("clusterIP: 10.96.0.1", "", annotations...) + oneEndpoint
	}
	balancer := func(annotations ...string) string {
		return foo("type: LoadBalancer", oneBalancer, annotations...) + oneEndpoint
	}
	nodePort := func(annotations ...string) string {
		return threeNodes + foo("type: NodePort", "", annotations...) + threeEndpoints
	}
	tests := []struct{ name, objects, rule, want string }{
		// Selection and naming.
		{"2 default on", clusterIP(), "", oneInstance},
		{"3 default on, not wanted", clusterIP(consulSync + "false"), "", ""},
		{"4 default off", clusterIP(), "default off", ""},
		{"5 default off, t", clusterIP(consulSync + "t"), "default off", oneInstance},
		{"5 default off, 1", clusterIP(consulSync + "1"), "default off", oneInstance},
		{"5 default off, TRUE", clusterIP(consulSync + " TRUE "), "default off", oneInstance},
		{"7 the namespace after the name", clusterIP(), "name {service}-{namespace}", oneInstance},
		{"8 a prefix before both", clusterIP(), "name prefix{service}-{namespace}", strings.Replace(oneInstance, "foo-shop", "prefixfoo-shop", 1)},
		{"9 an annotated name wins", clusterIP(consulName + "different-service-name"), "annotated_names on\nname prefix{service}-{namespace}", strings.Replace(oneInstance, "foo-shop", "different-service-name", 1)},
		{"11 no annotated name", clusterIP(), "annotated_names on", oneInstance},
		{"11 an annotated name", clusterIP(consulName + "my-service"), "annotated_names on", strings.Replace(oneInstance, "foo-shop", "my-service", 1)},
		{"11 spaces around it", clusterIP(consulName + "  my-service "), "annotated_names on", strings.Replace(oneInstance, "foo-shop", "my-service", 1)},
		{"11 an empty one", clusterIP(consulName), "annotated_names on", `refused annotation consul.hashicorp.com/service-name: "" is no name: cannot be held` + "\n"},
		{"11 a blank one", clusterIP(consulName + "   "), "annotated_names on", `refused annotation consul.hashicorp.com/service-name: "   " is no name: cannot be held` + "\n"},
		{"11 one of 256 characters", clusterIP(consulName + strings.Repeat("x", 256)), "annotated_names on", `refused annotation consul.hashicorp.com/service-name: "` + strings.Repeat("x", 256) + `" is no name: cannot be held` + "\n"},
		{"11 one of 255 characters", clusterIP(consulName + strings.Repeat("x", 255)), "annotated_names on", strings.Replace(oneInstance, "foo-shop", strings.Repeat("x", 255), 1)},
		{"11 one of one character", clusterIP(consulName + "x"), "annotated_names on", strings.Replace(oneInstance, "foo-shop", "x", 1)},
		{"12 no namespace allowed", clusterIP(), "namespaces !*", ""},
		{"12 all allowed", clusterIP(), "namespaces *", oneInstance},
		{"12 another allowed", clusterIP(), "namespaces bar", ""},
		{"12 this one allowed", clusterIP(), "namespaces bar shop", oneInstance},
		{"12 allowed and denied", clusterIP(), "namespaces shop !shop", ""},
		{"12 all but this one", clusterIP(), "namespaces * !shop", ""},
		{"13 a prefix, of a load balancer", balancer(), "name prefix{service}", strings.Replace(balancedBy, "foo-shop", "prefixfoo", 1)},
		{"13 a prefix, of node ports", threeNodes + foo("type: NodePort", "") + oneEndpoint, "name prefix{service}", "consul/prefixfoo\n\t1.2.3.4:30000 passing http=30000 rpc=30001 node=n1\n"},
		{"13 a prefix, of external addresses", foo("externalIPs: [4.4.4.4]", "") + oneEndpoint, "name prefix{service}", "consul/prefixfoo\n\t4.4.4.4:80 passing http=80 rpc=8500\n"},
		// External addresses and load balancers.
		{"14 external addresses", foo("externalIPs: [3.3.3.3, 4.4.4.4]", "") + oneEndpoint, "", "consul/foo-shop\n\t3.3.3.3:80 passing http=80 rpc=8500\n\t4.4.4.4:80 passing http=80 rpc=8500\n"},
		{"14 beside a load balancer's", foo("type: LoadBalancer, externalIPs: [3.3.3.3, 4.4.4.4]", oneBalancer) + oneEndpoint, "address external", "consul/foo-shop\n\t3.3.3.3:80 passing http=80 rpc=8500\n\t4.4.4.4:80 passing http=80 rpc=8500\n"},
		{"15 a load balancer", balancer(), "", balancedBy},
		{"16 two of its addresses", foo("type: LoadBalancer", "loadBalancer: {ingress: [{ip: 1.2.3.4}, {ip: 2.3.4.5}, {ip: 1.2.3.4}]}") + oneEndpoint, "", balancedBy + "\t2.3.4.5:80 passing http=80 rpc=8500\n"},
		{"17 a load balancer's name", foo("type: LoadBalancer", "loadBalancer: {ingress: [{hostname: LB.example.org}]}") + oneEndpoint, "", "consul/foo-shop\n\tlb.example.org:80 passing http=80 rpc=8500\n"},
		{"18 the first port of the Service", strings.NewReplacer("name: http", "name: web", "name: rpc", "name: admin").Replace(balancer()), "", "consul/foo-shop\n\t1.2.3.4:80 passing admin=8500 web=80\n"},
		{"19 a port by name", balancer(consulPort + "rpc"), "", "consul/foo-shop\n\t1.2.3.4:8500 passing http=80 rpc=8500\n"},
		{"20 a name of its own", balancer(consulName + "bar"), "annotated_names on", strings.Replace(balancedBy, "foo-shop", "bar", 1)},
		{"21 tags", balancer(consulTags + `one, leadingwhitespace,trailingwhitespace ,\,leadingcomma,trailingcomma\,,middle\,comma,,`), "",
			"consul/foo-shop\n\t1.2.3.4:80 passing http=80 rpc=8500 tags=[one leadingwhitespace trailingwhitespace ,leadingcomma trailingcomma, middle,comma]\n"},
		{"22 metadata", balancer(consulMeta + "foo=bar"), "", "consul/foo-shop\n\t1.2.3.4:80 passing http=80 rpc=8500 foo=bar\n"},
		{"+ metadata that Consul refuses", balancer(consulMeta+"app.kubernetes.io/x=1", consulMeta+"long="+strings.Repeat("x", 600)), "", "consul/foo-shop\n\t1.2.3.4:80 passing http=80 rpc=8500 app_kubernetes_io_x=1 long=" + strings.Repeat("x", 512) + "\n"},
		{"23 a weight", balancer(consulWeight + "22"), "", "consul/foo-shop\n\t1.2.3.4:80 passing http=80 rpc=8500 weight=22\n"},
		{"23 of external addresses", foo("externalIPs: [4.4.4.4]", "", consulWeight+"22") + oneEndpoint, "", "consul/foo-shop\n\t4.4.4.4:80 passing http=80 rpc=8500 weight=22\n"},
		{"23 an empty weight", balancer(consulWeight), "", balancedBy + `reduced annotation consul.hashicorp.com/service-weight: "" is no weight from 1 to 65535` + "\n"},
		{"23 a word", balancer(consulWeight + "abc"), "", balancedBy + `reduced annotation consul.hashicorp.com/service-weight: "abc" is no weight from 1 to 65535` + "\n"},
		{"23 zero", balancer(consulWeight + "0"), "", balancedBy + `reduced annotation consul.hashicorp.com/service-weight: "0" is no weight from 1 to 65535` + "\n"},
		{"23 less than zero", balancer(consulWeight + "-1"), "", balancedBy + `reduced annotation consul.hashicorp.com/service-weight: "-1" is no weight from 1 to 65535` + "\n"},
		{"23 one, which changes nothing", balancer(consulWeight + "1"), "", balancedBy},
		{"24 a load balancer by its endpoints", foo("type: LoadBalancer", oneBalancer) + threeEndpoints, "address endpoints", threeInstances},
		{"+ a load balancer without an address", foo("type: LoadBalancer", "") + oneEndpoint, "", ""},
		{"+ a load balancer without ready endpoints", foo("type: LoadBalancer", oneBalancer) + strings.Replace(oneEndpoint, "nodeName", "conditions: {ready: false}, nodeName", 1), "", strings.Replace(balancedBy, "passing", "critical", 1)},
		// Node ports.
		{"25 node ports", nodePort(), "", "consul/foo-shop\n" +
			"\t1.2.3.4:30000 passing http=30000 rpc=30001 zone=us-west-2a node=n1\n" +
			"\t2.3.4.5:30000 passing http=30000 rpc=30001 zone=us-west-2b node=n2\n" +
			"\t3.4.5.6:30000 critical http=30000 rpc=30001 zone=us-west-2c node=n3\n"},
		{"26 one endpoint, one node", threeNodes + foo("type: NodePort", "") + oneEndpoint, "", "consul/foo-shop\n\t1.2.3.4:30000 passing http=30000 rpc=30001 node=n1\n"},
		{"+ two endpoints on one node", threeNodes + foo("type: NodePort", "") + strings.Replace(threeEndpoints, "nodeName: n2", "nodeName: n1", 1), "", "consul/foo-shop\n" +
			"\t1.2.3.4:30000 passing http=30000 rpc=30001 zone=us-west-2a node=n1\n" +
			"\t3.4.5.6:30000 critical http=30000 rpc=30001 zone=us-west-2c node=n3\n"},
		{"27 a port by name", threeNodes + foo("type: NodePort", "", consulPort+"rpc") + oneEndpoint, "", "consul/foo-shop\n\t1.2.3.4:30001 passing http=30000 rpc=30001 node=n1\n"},
		{"28 a port without a name", threeNodes + strings.ReplaceAll(strings.ReplaceAll(foo("type: NodePort", "")+oneEndpoint, "name: http, ", ""), ", {name: rpc, port: 8500, nodePort: 30001, targetPort: rpc}", ""), "", "consul/foo-shop\n\t1.2.3.4:30000 passing =30000 node=n1\n"},
		{"29 internal addresses", nodePort(), "address auto internal", "consul/foo-shop\n" +
			"\t4.5.6.7:30000 passing http=30000 rpc=30001 zone=us-west-2a node=n1\n" +
			"\t5.6.7.8:30000 passing http=30000 rpc=30001 zone=us-west-2b node=n2\n" +
			"\t6.7.8.9:30000 critical http=30000 rpc=30001 zone=us-west-2c node=n3\n"},
		{"30 a node without an external address", strings.Replace(nodePort(), ", {type: ExternalIP, address: 1.2.3.4}", "", 1), "", "consul/foo-shop\n" +
			"\t2.3.4.5:30000 passing http=30000 rpc=30001 zone=us-west-2b node=n2\n" +
			"\t3.4.5.6:30000 critical http=30000 rpc=30001 zone=us-west-2c node=n3\n" +
			"\t4.5.6.7:30000 passing http=30000 rpc=30001 zone=us-west-2a node=n1\n"},
		{"30 external addresses alone", strings.Replace(nodePort(), ", {type: ExternalIP, address: 1.2.3.4}", "", 1), "address auto external", "consul/foo-shop\n" +
			"\t2.3.4.5:30000 passing http=30000 rpc=30001 zone=us-west-2b node=n2\n" +
			"\t3.4.5.6:30000 critical http=30000 rpc=30001 zone=us-west-2c node=n3\n"},
		// Endpoints.
		{"31 endpoints of two slices, one that does not say that it is ready", foo("clusterIP: 10.96.0.1", "") + threeEndpoints, "", threeInstances},
		{"31 headless", foo("clusterIP: None", "") + threeEndpoints, "", threeInstances},
		{"33 a port by name", clusterIP(consulPort + "rpc"), "", "consul/foo-shop\n\t1.1.1.1:2000 passing http=8080 rpc=2000 node=n1\n"},
		{"33 a port that it has not", clusterIP(consulPort + "4141"), "", "consul/foo-shop\n\t1.1.1.1:4141 passing default=4141 http=8080 rpc=2000 node=n1\n"},
		{"+ the first port of the Service, of its endpoints", strings.NewReplacer("name: http", "name: web", "name: rpc", "name: admin").Replace(clusterIP()), "", "consul/foo-shop\n\t1.1.1.1:8080 passing admin=2000 web=8080 node=n1\n"},
		{"34 a port without a name", strings.NewReplacer("name: http, ", "", ", {name: rpc, port: 2000, protocol: TCP}", "").Replace(clusterIP()), "", "consul/foo-shop\n\t1.1.1.1:8080 passing =8080 node=n1\n"},
		{"35 a target port by name", clusterIP(consulPort + "rpc"), "", "consul/foo-shop\n\t1.1.1.1:2000 passing http=8080 rpc=2000 node=n1\n"},
		{"36 load balancers alone", clusterIP(), "address loadbalancer", ""},
		{"+ the cluster's own address", clusterIP(), "address clusterip", "consul/foo-shop\n\t10.96.0.1:80 passing http=80 rpc=8500\n"},
		// What their suites leave out.
		{"+ no ports", strings.Replace(foo("clusterIP: None", ""), "ports: [", "x: [", 1) + strings.Replace(oneEndpoint, "ports:", "x:", 1), "", "consul/foo-shop\n\t1.1.1.1:0 passing node=n1\n"},
		{"+ one address at different ports", foo("clusterIP: None", "") + oneEndpoint + strings.NewReplacer("name: foo-1", "name: foo-2", "8080", "8081", "2000", "2001").Replace(oneEndpoint), "", oneInstance + "\t1.1.1.1:8081 passing http=8081 rpc=2001 node=n1\n"},
		{"+ one address in two slices", foo("clusterIP: None", "") + oneEndpoint + strings.Replace(oneEndpoint, "name: foo-1", "name: foo-2", 1), "", oneInstance},
		{"+ both address families", foo("clusterIP: None", "") + oneEndpoint + strings.NewReplacer("name: foo-1", "name: foo-2", "IPv4", "IPv6", "1.1.1.1", "'fd00::1'").Replace(oneEndpoint), "", oneInstance + "\tfd00::1:8080 passing http=8080 rpc=2000 node=n1\n"},
		{"+ headless with host names", foo("clusterIP: None", "") + strings.Replace(oneEndpoint, "nodeName", "hostname: foo-0, nodeName", 1), "", "consul/foo-shop\n\t1.1.1.1:8080 passing http=8080 rpc=2000 node=n1 host=foo-0\n"},
		{"+ not ready addresses are published", foo("clusterIP: None, publishNotReadyAddresses: true", "") + strings.Replace(oneEndpoint, "nodeName", "conditions: {ready: true, serving: false}, nodeName", 1), "", oneInstance},
		{"+ terminating and serving", foo("clusterIP: None", "") + strings.Replace(oneEndpoint, "nodeName", "conditions: {ready: false, serving: true, terminating: true}, nodeName", 1), "", strings.Replace(oneInstance, "passing", "critical", 1)},
		{"+ without a selector and without endpoints", foo("clusterIP: 10.96.0.1", ""), "", ""},
		{"+ an alias", foo("type: ExternalName, externalName: db.example.org", ""), "", "consul/foo-shop\n\tdb.example.org:80 passing http=80 rpc=8500\n"},
		{"+ a name longer than a label", clusterIP(), "name {service}-{namespace}-" + strings.Repeat("x", 63), strings.Replace(oneInstance, "foo-shop", "foo-shop-"+strings.Repeat("x", 63), 1)},
		{"+ spaces around what is chosen", clusterIP(consulPort+" rpc ", consulWeight+" 5 "), "", "consul/foo-shop\n\t1.1.1.1:2000 passing http=8080 rpc=2000 node=n1 weight=5\n"},
		{"+ the tag that consul-k8s deletes by", clusterIP(consulTags + "k8s,v1"), "", "consul/foo-shop\n\t1.1.1.1:8080 passing http=8080 rpc=2000 node=n1 tags=[v1]\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := gocmp.Diff(tt.want, inConsul(t, tt.objects, tt.rule)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// inConsul says what Consul would hold of these objects by a rule with these
// words.
func inConsul(t *testing.T, objects, words string) string {
	t.Helper()
	c, err := Parse("isthmus.conf", []byte("bridge prod {\n\tkubernetes prod\n\tconsul dc1 http://127.0.0.1:1\n\tmirror kubernetes/prod consul/dc1 {\n"+words+"\n}\n\tlead none\n}\n"), all.Types(), noEnv)
	if err != nil {
		t.Fatal(err)
	}
	consul, err := c.Registries[1].Writer(c.Owner, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer consul.Close()
	known := catalog.New(policy(c))
	kubernetes := known.Feed("kubernetes/prod")
	kubernetes.Identify("kubernetes:1")
	services, nodes := decoded(t, objects)
	kubernetes.Replace(services)
	kubernetes.ReplaceNodes("", nodes)
	known.Feed("consul/dc1").Replace(nil)
	s := known.Snapshot()
	return instances(t, mirror.Desired(s, c.Rules[0], mirror.MirrorsOf(s, c.Rules[0], consul.Canon)))
}

// decoded reads objects as the registry of Kubernetes does.
func decoded(t *testing.T, objects string) (services []*catalog.Service, nodes []*catalog.Node) {
	t.Helper()
	slicesOf := map[string][]*discoveryv1.EndpointSlice{}
	var heads []*corev1.Service
	for _, text := range strings.Split(objects, "\n---\n") {
		var kind metav1.TypeMeta
		read(t, text, &kind)
		switch kind.Kind {
		case "Service":
			heads = append(heads, read(t, text, new(corev1.Service)))
		case "EndpointSlice":
			slice := read(t, text, new(discoveryv1.EndpointSlice))
			of := slice.Labels[discoveryv1.LabelServiceName]
			slicesOf[of] = append(slicesOf[of], slice)
		case "Node":
			nodes = append(nodes, kubeobject.NodeOf(read(t, text, new(corev1.Node))))
		}
	}
	for _, head := range heads {
		svc, err := kubeobject.Decode(head, slicesOf[head.Name])
		if err != nil {
			t.Fatal(err)
		}
		svc.Meta = kubeobject.NotesOf(head, registry.Details{Notes: true, Labels: true}, nil)
		services = append(services, svc)
	}
	return services, nodes
}

func read[T any](t *testing.T, text string, into *T) *T {
	t.Helper()
	if err := yaml.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return into
}

// instances is what is wanted, in the notation of the table.
func instances(t *testing.T, w *mirror.Wanted) string {
	t.Helper()
	var b strings.Builder
	for _, key := range slices.SortedFunc(maps.Keys(w.Services), catalog.Key.Compare) {
		fmt.Fprintf(&b, "%s\n", key)
		endpoints := w.Services[key].Service().Endpoints
		slices.SortFunc(endpoints, func(a, b catalog.Endpoint) int {
			return cmp.Or(a.Host.Compare(b.Host), cmp.Compare(mainPort(a), mainPort(b)))
		})
		ids := map[string]bool{}
		for _, e := range endpoints {
			if ids[e.ID] {
				t.Errorf("two instances with the id %q", e.ID)
			}
			ids[e.ID] = true
			fmt.Fprintf(&b, "\t%s\n", instance(e))
		}
	}
	for _, f := range w.Refused {
		fmt.Fprintf(&b, "refused %s\n", f.Why)
	}
	for _, f := range w.Reduced {
		fmt.Fprintf(&b, "reduced %s\n", f.Why)
	}
	return b.String()
}

func instance(e catalog.Endpoint) string {
	text := fmt.Sprintf("%s:%d critical", e.Host, mainPort(e))
	if e.Ready {
		text = fmt.Sprintf("%s:%d passing", e.Host, mainPort(e))
	}
	for _, p := range e.Ports {
		text += fmt.Sprintf(" %s=%d", p.Name, p.Number)
	}
	for _, field := range [][2]string{{"zone", e.Zone}, {"node", e.Node}, {"pod", e.Pod}, {"host", e.Hostname}} {
		if field[1] != "" {
			text += " " + field[0] + "=" + field[1]
		}
	}
	if e.Weight != 1 {
		text += fmt.Sprintf(" weight=%d", e.Weight)
	}
	if len(e.Tags) > 0 {
		text += fmt.Sprintf(" tags=%s", e.Tags)
	}
	for _, k := range slices.Sorted(maps.Keys(e.Meta)) {
		if k != catalog.MetaMainPort {
			text += " " + k + "=" + e.Meta[k]
		}
	}
	return text
}

// mainPort is what readers find who know of one port only.
func mainPort(e catalog.Endpoint) uint16 {
	for _, p := range e.Ports {
		if p.Name == e.Meta[catalog.MetaMainPort] && p.Name != "" {
			return p.Number
		}
	}
	if len(e.Ports) == 0 {
		return 0
	}
	return e.Ports[0].Number
}
