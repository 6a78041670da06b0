package kubeobject

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"sigs.k8s.io/yaml"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/registrytest/hostile"
)

// decodable are what one Service is decoded from.
type decodable struct {
	Service corev1.Service
	Slices  []*discoveryv1.EndpointSlice
}

// FuzzDecode holds for whatever an API server may hand out: it is a service or
// an error, an error of a slice names it, everything answered was checked, and
// a copy of it reads back as itself. Nothing that was handed in is modified.
func FuzzDecode(f *testing.F) {
	for _, text := range seeds(f) {
		f.Add([]byte(text))
	}
	for _, v := range hostile.Values() {
		f.Add([]byte(v.Text))
	}
	for _, name := range append(hostile.Names(), hostile.Hosts()...) {
		text, err := json.Marshal(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(fmt.Appendf(nil, `{"Service":{"metadata":{"name":%[1]s,"namespace":%[1]s},"spec":{"type":"ExternalName","externalName":%[1]s,"externalIPs":[%[1]s]}},
			"Slices":[{"metadata":{"name":%[1]s},"addressType":"IPv4","endpoints":[{"addresses":[%[1]s],"hostname":%[1]s,"zone":%[1]s}],"ports":[{"name":%[1]s,"port":70000}]}]}`, text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var o decodable
		if json.Unmarshal(text, &o) != nil {
			return
		}
		for _, slice := range o.Slices {
			if slice == nil {
				return // no API server sends none
			}
		}
		before, err := json.Marshal(o)
		if err != nil {
			return
		}
		out, err := Decode(&o.Service, o.Slices)
		if after, _ := json.Marshal(o); string(after) != string(before) {
			t.Errorf("Decode modified its arguments: %s\n%s", before, after)
		}
		if out == nil {
			if err == nil {
				t.Error("neither a service nor an error")
			}
			return
		}
		checkLeftOut(t, err, o.Slices)
		checkDecoded(t, out)
		checkCopy(t, out)
	})
}

// checkLeftOut holds that what is said of a slice names one that is there.
func checkLeftOut(t *testing.T, err error, all []*discoveryv1.EndpointSlice) {
	t.Helper()
	if err == nil {
		return
	}
	for _, line := range strings.Split(err.Error(), "\n") {
		if line == "" {
			t.Errorf("an error without a word: %q", err)
		}
		rest, of := strings.CutPrefix(line, "endpoint slice ")
		named := false
		for _, slice := range all {
			quoted, _ := json.Marshal(slice.Name)
			named = named || strings.HasPrefix(rest, string(quoted)) || strings.HasPrefix(rest, `"`)
		}
		if of && !named {
			t.Errorf("%q names no slice", line)
		}
	}
}

func checkDecoded(t *testing.T, out *catalog.Service) {
	t.Helper()
	ids := map[string]bool{}
	for _, e := range out.Endpoints {
		if e.ID == "" || ids[e.ID] || registry.CheckAddr(e.Host.Addr) != nil || e.Weight < 0 {
			t.Errorf("endpoint %+v", e)
		}
		ids[e.ID] = true
	}
	for _, a := range out.Addrs {
		if registry.CheckAddr(a) != nil {
			t.Errorf("address %s", a)
		}
	}
	if out.Type == catalog.ExternalName && (out.Alias == "" || len(out.Endpoints) > 0) {
		t.Errorf("an alias %q with %d endpoints", out.Alias, len(out.Endpoints))
	}
	if out.Key.Namespace != strings.ToLower(out.Key.Namespace) || out.Key.Name != strings.ToLower(out.Key.Name) {
		t.Errorf("key %q", out.Key)
	}
}

// checkCopy holds that a copy of out can be held as it reads back, or is
// refused.
func checkCopy(t *testing.T, out *catalog.Service) {
	t.Helper()
	c := *out
	c.Mark = &catalog.Mark{Owner: "prod", Of: "kubernetes:1", Key: catalog.Key{Namespace: "shop", Name: "web"}, Format: catalog.MarkFormat}
	once, err := Canon(&c)
	if err != nil {
		if !errors.Is(err, registry.ErrInvalid) {
			t.Errorf("Canon: %v", err)
		}
		return
	}
	if once == nil {
		return
	}
	twice, err := Canon(once)
	if err != nil {
		t.Fatalf("Canon of Canon: %v\n%s", err, once.Text())
	}
	if diff := cmp.Diff(once.Text(), twice.Text()); diff != "" {
		t.Errorf("Canon of Canon (-first +again):\n%s", diff)
	}
}

// seeds are a mirror as it is written, and Services as API servers have them.
func seeds(f *testing.F) []string {
	f.Helper()
	all := []string{
		`{"Service":{"metadata":{"namespace":"Shop","name":"web","annotations":{"isthmus.dev/ttl":"30","isthmus.dev/weight":"7"}},"spec":{"type":"LoadBalancer","clusterIPs":["10.0.0.1","fd00::1"],"externalIPs":["192.0.2.7"],"ports":[{"name":"http","port":80,"appProtocol":"http"},{"port":53,"protocol":"UDP"}]},"status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.8"},{"hostname":"lb.example.org"}]}}},
		  "Slices":[{"metadata":{"name":"web-1"},"addressType":"IPv4","ports":[{"name":"http","port":8080,"protocol":"TCP"}],"endpoints":[{"addresses":["10.1.0.1"],"conditions":{"ready":true},"hostname":"Web-0","zone":"a","nodeName":"n","targetRef":{"kind":"Pod","name":"web-0"}},{"addresses":["10.1.0.2"],"conditions":{"ready":false,"serving":true,"terminating":true}}]}]}`,
		`{"Service":{"metadata":{"namespace":"a","name":"b"},"spec":{"clusterIP":"None"}},"Slices":[{"metadata":{"name":"x"},"addressType":"FQDN","endpoints":[{"addresses":["db.example.org"]}]},{"metadata":{"name":"y"},"addressType":"IPv6","ports":[{"port":0},{"port":70000},{}],"endpoints":[{"addresses":["fe80::1%eth0","127.0.0.1","::ffff:10.0.0.1","010.0.0.1",""]},{}]}]}`,
		`{"Service":{"metadata":{"namespace":"a","name":"b"},"spec":{"type":"ExternalName","externalName":"Db.Example.Org."}}}`,
		`{"Service":{"metadata":{"namespace":"a","name":"b"},"spec":{"type":"ExternalName","externalName":"10.0.0.1"}}}`,
		`{"Service":{"metadata":{"namespace":"a","name":"b","annotations":{"isthmus.dev/ttl":"9223372036"}},"spec":{"type":"Odd"}}}`,
		`{"Service":{"metadata":{"namespace":"a","name":"b","labels":{"isthmus.dev/owner":"prod"},"annotations":{"isthmus.dev/key":"x","isthmus.dev/meta":"{","isthmus.dev/format":"99"}},"spec":{"clusterIP":"10.0.0.1"}},"Slices":[{"metadata":{"name":"z","labels":{"isthmus.dev/owner":"prod"},"annotations":{"isthmus.dev/endpoints":"[]"}},"addressType":"IPv4","endpoints":[{"addresses":["10.1.0.1"]}]}]}`,
	}
	text, err := os.ReadFile(filepath.Join("testdata", "mirror.yaml"))
	if err != nil {
		f.Fatal(err)
	}
	docs := strings.Split(string(text), "---\n")[1:]
	var o decodable
	for i, doc := range docs {
		into := any(&o.Service)
		if i > 0 {
			o.Slices = append(o.Slices, new(discoveryv1.EndpointSlice))
			into = o.Slices[i-1]
		}
		if err := yaml.Unmarshal([]byte(doc), into); err != nil {
			f.Fatal(err)
		}
	}
	mirror, err := json.Marshal(o)
	if err != nil {
		f.Fatal(err)
	}
	return append(all, string(mirror))
}
