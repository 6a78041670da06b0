package kubeobject

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	discoveryv1 "k8s.io/api/discovery/v1"
	mcs "sigs.k8s.io/mcs-api/pkg/apis/v1alpha1"
	"sigs.k8s.io/yaml"

	"github.com/isthmus-dns/isthmus/registry/registrytest/hostile"
)

// imports reads a ServiceImport and its slices, split by "---".
func imports(t testing.TB, text string) (*mcs.ServiceImport, []*discoveryv1.EndpointSlice) {
	t.Helper()
	docs := strings.Split(text, "---\n")
	imp := new(mcs.ServiceImport)
	if err := yaml.UnmarshalStrict([]byte(docs[0]), imp); err != nil {
		t.Fatalf("import: %v", err)
	}
	var all []*discoveryv1.EndpointSlice
	for _, doc := range docs[1:] {
		slice := new(discoveryv1.EndpointSlice)
		if err := yaml.UnmarshalStrict([]byte(doc), slice); err != nil {
			t.Fatalf("slice: %v", err)
		}
		all = append(all, slice)
	}
	return imp, all
}

// TestDecodeImport reads testdata/import/NAME.yaml and wants NAME.txt: the
// service in text form, and what was left out behind "left out: ".
func TestDecodeImport(t *testing.T) {
	files, err := filepath.Glob("testdata/import/*.yaml")
	if err != nil || len(files) < 8 {
		t.Fatalf("testdata/import has %d files (%v)", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			in, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(strings.TrimSuffix(file, "yaml") + "txt")
			if err != nil {
				t.Fatal(err)
			}
			imp, all := imports(t, string(in))
			before, _ := imports(t, string(in))
			if diff := cmp.Diff(string(want), decoded(imp, all)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, imp); diff != "" {
				t.Errorf("the import was modified (-want +got):\n%s", diff)
			}
		})
	}
}

func decoded(imp *mcs.ServiceImport, all []*discoveryv1.EndpointSlice) string {
	var b strings.Builder
	svc, err := DecodeImport(imp, all)
	if svc != nil {
		b.WriteString(svc.Text())
	}
	if err != nil {
		for line := range strings.Lines(err.Error() + "\n") {
			b.WriteString("left out: " + line)
		}
	}
	return b.String()
}

// FuzzDecodeImport holds that no object upsets the decoder, that a service
// comes or an error, and that endpoints have IDs of their own.
func FuzzDecodeImport(f *testing.F) {
	f.Add("Headless", "10.0.0.1", "c1", "10.1.0.1", "10.1.0.1", "http", int32(80))
	f.Add("ClusterSetIP", "fd00::1", "", "x", "127.0.0.1", "", int32(-1))
	f.Add("", "", "a.b", "", "", "_", int32(65536))
	for _, x := range append(hostile.Names(), hostile.Hosts()...) {
		f.Add(x, x, x, x, x, x, int32(0))
	}
	f.Fuzz(func(t *testing.T, typ, ip, cluster, a, b, port string, number int32) {
		imp := &mcs.ServiceImport{Spec: mcs.ServiceImportSpec{
			Type: mcs.ServiceImportType(typ), IPs: []string{ip, a}, Ports: []mcs.ServicePort{{Name: port, Port: number}},
		}}
		var all []*discoveryv1.EndpointSlice
		for _, c := range []string{cluster, "c2"} {
			slice := &discoveryv1.EndpointSlice{
				Ports:     []discoveryv1.EndpointPort{{Name: &port, Port: &number}},
				Endpoints: []discoveryv1.Endpoint{{Addresses: []string{a, b}}, {Addresses: []string{b}}},
			}
			slice.Labels = map[string]string{LabelImport: "web", mcs.LabelSourceCluster: c}
			all = append(all, slice)
		}
		svc, err := DecodeImport(imp, all)
		if svc == nil && err == nil {
			t.Fatal("neither a service nor an error")
		}
		if svc == nil {
			return
		}
		ids := map[string]bool{}
		for _, e := range svc.Endpoints {
			if ids[e.ID] || e.ID == "" || e.Cluster == "" {
				t.Fatalf("endpoint %+v", e)
			}
			ids[e.ID] = true
		}
	})
}
