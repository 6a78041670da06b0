package isthmus

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/registry/all"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

// TestStockRegistryWords holds what the words of the kubernetes plugin at the
// top of the block say to the registry itself. What is asked of pods is
// TestPodsAsked.
func TestStockRegistryWords(t *testing.T) {
	for _, tt := range []struct{ inside, want, err string }{
		{"", "kubernetes cluster", ""},
		{"noendpoints", "kubernetes cluster { noendpoints }", ""},
		{"kubeconfig /k ctx\nendpoint https://10.0.0.1\ntls c k a\nnamespaces a b\nlabels app in (x, y)",
			"kubernetes cluster { kubeconfig /k ctx; endpoint https://10.0.0.1; tls c k a; namespaces a b; labels app in (x, y) }", ""},
		{"endpoint https://10.0.0.1 https://10.0.0.2 https://10.0.0.3", "kubernetes cluster { endpoint https://10.0.0.1 }", ""},
		{"namespace_labels team = a, !hidden", "kubernetes cluster { namespace_labels team = a, !hidden }", ""},
		{"apiserver_qps 0.5\napiserver_burst 20\napiserver_max_inflight 3", "kubernetes cluster { qps 0.5; burst 20; max_inflight 3 }", ""},
		{"apiserver_qps 0\napiserver_burst 0\napiserver_max_inflight 0", "kubernetes cluster", ""},
		{"kubernetes prod {\nqps 7\nmax_inflight 2\nnamespace_labels x\n}", "kubernetes prod { qps 7; max_inflight 2; namespace_labels x }", ""},
		{"namespaces a\nnamespace_labels b", "", "Corefile:1: namespaces and namespace_labels exclude each other"},
		{"apiserver_qps 1\napiserver_qps 2", "", `Corefile:3: "qps" stands here twice`},
		{"apiserver_qps 1 {\n}", "", `Corefile:2: "qps" takes no block`},
	} {
		lines, err := stanza.Parse("Corefile", []byte("isthmus cluster.local {\n"+tt.inside+"\nendpoint_pod_names\n}\n"))
		if err != nil {
			t.Fatal(err)
		}
		conf, err := parse(lines[0], nil, all.Types(), func(string) string { return "" })
		if tt.err != "" {
			if err == nil || err.Error() != tt.err {
				t.Errorf("%q: error = %v\nwant    %s", tt.inside, err, tt.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", tt.inside, err)
			continue
		}
		if diff := cmp.Diff(tt.want, conf.registries[0].String()); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.inside, diff)
		}
	}
}

// TestSeveralEndpoints holds that URLs which are left out are said, without
// what they may carry.
func TestSeveralEndpoints(t *testing.T) {
	conf := block(t, "ttl 5\nendpoint https://a:secret@10.0.0.1 https://b:secret@10.0.0.2")
	want := []string{`Corefile:3: only the first URL of "endpoint" is used`}
	if diff := cmp.Diff(want, conf.warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}
