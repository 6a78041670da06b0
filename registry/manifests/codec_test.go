package manifests

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/registrytest/hostile"
)

// render is what tests compare: namespaces, services in text form without
// versions, and refusals.
func render(t testing.TB, c content) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "namespaces %s\n", strings.Join(c.namespaces, " "))
	var all []*catalog.Service
	for _, svc := range c.services {
		svc.Version = ""
		all = append(all, svc)
	}
	if err := catalog.WriteText(&b, all); err != nil {
		t.Fatal(err)
	}
	for _, place := range sortedKeys(c.refused) {
		fmt.Fprintf(&b, "refused %s: %v\n", place, c.refused[place])
	}
	return b.String()
}

func read(files map[string]string) content {
	var all []record
	broken := map[string]error{}
	for _, name := range sortedKeys(files) {
		records, faults := parseFile(name, []byte(files[name]))
		all = append(all, records...)
		for _, f := range faults {
			broken[fmt.Sprintf("%s:%d", name, f.line)] = f.err
		}
	}
	c := assemble(all, registry.Details{Notes: true})
	for place, err := range broken {
		c.refused[place] = err
	}
	return c
}

func TestContent(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  string
	}{{
		name: "a Service and the pods that it selects",
		files: map[string]string{"a.yaml": `
# the tutorial's service
apiVersion: v1
kind: Service
metadata: {name: my-service}
spec:
  clusterIP: 10.96.0.10
  selector: {app: my-app}
  ports:
  - {name: http, port: 80, targetPort: 8080}
  - {name: metrics, port: 9090, targetPort: stats}
  - {name: dns, port: 53, protocol: UDP}
`, "b.yaml": `
apiVersion: v1
kind: Pod
metadata: {name: one, labels: {app: my-app}}
spec: {nodeName: n1, containers: [{name: c, image: i, ports: [{name: stats, containerPort: 9100}]}]}
status: {podIP: 10.244.0.5, podIPs: [{ip: 10.244.0.5}, {ip: "fd00::5"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: two, labels: {app: my-app, more: x}}
status: {podIP: 10.244.0.6, conditions: [{type: Ready, status: "False"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: done, labels: {app: my-app}}
status: {podIP: 10.244.0.7, phase: Succeeded}
---
apiVersion: v1
kind: Pod
metadata: {name: other, labels: {app: other}}
status: {podIP: 10.244.0.8}
---
apiVersion: v1
kind: Pod
metadata: {name: elsewhere, namespace: shop, labels: {app: my-app}}
status: {podIP: 10.244.0.9}
`},
		want: `namespaces default shop
service default/my-service ClusterIP
	addr 10.96.0.10
	port dns UDP 53
	port http TCP 80
	port metrics TCP 9090
	meta first:=http
	endpoint 10.244.0.5 id=10.244.0.5 ready serving pod=one node=n1
		port dns UDP 53
		port http TCP 8080
		port metrics TCP 9100
	endpoint 10.244.0.6 id=10.244.0.6 pod=two
		port dns UDP 53
		port http TCP 8080
	endpoint fd00::5 id=fd00::5 ready serving pod=one node=n1
		port dns UDP 53
		port http TCP 8080
		port metrics TCP 9100
`,
	}, {
		name: "a StatefulSet's pods have host names; without a clusterIP a Service is headless",
		files: map[string]string{"a.yml": `
kind: Service
apiVersion: v1
metadata: {name: db, namespace: shop}
spec: {selector: {app: db}, publishNotReadyAddresses: true}
--- # comment behind the dashes
kind: Pod
apiVersion: v1
metadata: {name: db-0, namespace: shop, labels: {app: db}, deletionTimestamp: "2026-01-01T00:00:00Z"}
spec: {hostname: db-0, subdomain: db}
status: {podIP: 10.244.0.5}
`},
		want: `namespaces shop
service shop/db Headless
	endpoint 10.244.0.5 id=10.244.0.5 ready serving terminating hostname=db-0 pod=db-0
`,
	}, {
		name: "EndpointSlices stand before pods; lists; JSON; other kinds",
		files: map[string]string{"all.json": `{"apiVersion":"v1","kind":"List","items":[
{"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"shop"},"spec":{"clusterIP":"None","selector":{"a":"b"}}},
{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"shop","labels":{"a":"b"}},"status":{"podIP":"10.1.1.9"}},
{"apiVersion":"v1","kind":"ServiceList","items":[{"metadata":{"name":"x","namespace":"y"},"spec":{"type":"ExternalName","externalName":"x.example.org"}}]},
{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"}},
{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"web-1","namespace":"shop","labels":{"kubernetes.io/service-name":"web"}},"addressType":"IPv4","endpoints":[{"addresses":["10.1.1.1"]}]}
]}`, "ns.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: empty}\n"},
		want: `namespaces empty shop y
service shop/web Headless
	endpoint 10.1.1.1 id=10.1.1.1 ready serving
service y/x ExternalName
	alias x.example.org
`,
	}, {
		name: "what cannot be read is named, and the rest counts",
		files: map[string]string{
			"a.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {clusterIP: None}\n---\nkind: [\n---\napiVersion: v1\nkind: Service\nmetadata: {name: bad_name}\n---\njust words\n---\nspec: {}\n---\napiVersion: discovery.k8s.io/v1beta1\nkind: EndpointSlice\nmetadata: {name: x}\n",
			"b.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: ip}\nspec: {type: ExternalName, externalName: 10.1.1.1}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: port}\nspec: {clusterIP: None, ports: [{port: many}]}\n",
		},
		want: `namespaces default
service default/web Headless
refused a.yaml:12: not an object with apiVersion and kind
refused a.yaml:14: kind is missing
refused a.yaml:16: EndpointSlice has apiVersion "discovery.k8s.io/v1beta1", only "discovery.k8s.io/v1" is read
refused a.yaml:6: yaml: line 6: did not find expected node content
refused a.yaml:8: Service: metadata.name "bad_name": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')
refused b.yaml:1: Service default/web is defined in a.yaml:1 already
refused b.yaml:10: Service: json: cannot unmarshal string into Go struct field ServicePort.spec.ports.port of type int32
refused b.yaml:5: Service default/ip: externalName "10.1.1.1" is an address, not a name: cannot be held
`,
	}, {
		name:  "nothing",
		files: map[string]string{"a.yaml": "", "b.yaml": "# only words\n---\n\n---\n"},
		want:  "namespaces \n",
	}} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, render(t, read(tt.files))); diff != "" {
				t.Errorf("content (-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzParseFile holds that no file breaks the reading of others, and that
// everything read has what a catalog relies on.
func FuzzParseFile(f *testing.F) {
	f.Add([]byte("apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {a: b}, ports: [{port: 80, targetPort: x}]}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {a: b}}\nstatus: {podIP: 10.1.1.1}\n"))
	f.Add([]byte("kind: List\napiVersion: v1\nitems: [null, {kind: List, items: [{}]}]"))
	f.Add([]byte("--- {kind: ServiceList, apiVersion: v1, items: [{metadata: {name: a}}]}"))
	for _, text := range hostile.Documents() {
		f.Add([]byte(text))
	}
	for _, v := range hostile.Values() {
		f.Add([]byte(v.Text))
	}
	f.Add([]byte("apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: web-1, labels: {kubernetes.io/service-name: web}}\naddressType: IPv4\nports: [{name: http, port: 8080}]\nendpoints: [{addresses: [10.1.1.1], conditions: {ready: true}}]\n---\n# words\n--- \nkind: Service\napiVersion: v2\nmetadata: {name: web}\n"))
	f.Add([]byte("{\"kind\": \"Service\", \"apiVersion\": \"v1\", \"metadata\": {\"name\": \"Web\", \"namespace\": \"-\"}}\n---\n\tkind: x\n---\nkind: Namespace\napiVersion: v1\nmetadata: {name: shop}\n"))
	good, _ := parseFile("good.yaml", []byte("apiVersion: v1\nkind: Service\nmetadata: {name: good, namespace: good-neighbour}\nspec: {clusterIP: 10.0.0.1}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		records, faults := parseFile("a.yaml", text)
		lines := bytes.Count(text, []byte("\n")) + 1
		for _, r := range records {
			if r.line < 1 || r.line > lines {
				t.Errorf("%s in a file of %d lines", r.place(), lines)
			}
		}
		for _, bad := range faults {
			if bad.line < 1 || bad.line > lines || bad.err == nil || bad.err.Error() == "" {
				t.Errorf("line %d of %d: %v", bad.line, lines, bad.err)
			}
		}
		c := assemble(append(good[:len(good):len(good)], records...), registry.Details{})
		if c.services[catalog.Ref{Key: catalog.Key{Namespace: "good-neighbour", Name: "good"}}] == nil {
			t.Error("the neighbour is gone")
		}
		for place, err := range c.refused {
			if !strings.HasPrefix(place, "a.yaml:") || err.Error() == "" {
				t.Errorf("refused %q: %v", place, err)
			}
		}
		for ref, svc := range c.services {
			if svc.Ref() != ref || ref.Namespace == "" || ref.Name == "" {
				t.Errorf("service %v under %v", svc.Ref(), ref)
			}
			ids := map[string]bool{}
			for _, e := range svc.Endpoints {
				if e.ID == "" || ids[e.ID] || !e.Host.Addr.IsValid() {
					t.Errorf("endpoint %+v", e)
				}
				ids[e.ID] = true
			}
		}
	})
}
