package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isthmus-dns/isthmus/bridge"
)

const rightsFile = `bridge prod {
    kubernetes prod {
        kubeconfig nowhere
        fence_namespace isthmus
    }
    kubernetes lead {
        kubeconfig nowhere
    }
    consul dc1 http://127.0.0.1:1
    etcd edge http://127.0.0.1:1
    manifests vms nowhere
    mirror kubernetes/prod consul/dc1 {
        name k8s-{service}
        for names web {
            name front-{service}
        }
    }
    mirror manifests/vms etcd/edge {
        namespace vms
    }
    mirror consul/dc1 kubernetes/prod {
        namespace consul
    }
    lead kubernetes kubernetes/lead isthmus/bridge
}
`

// TestRights holds what is printed of each registry, though none is there.
func TestRights(t *testing.T) {
	file := filepath.Join(t.TempDir(), "isthmus.conf")
	if err := os.WriteFile(file, []byte(rightsFile), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if status := run([]string{"rights", "-conf", file, "-o", "json"}, &out, &errs); status != 0 || errs.Len() > 0 {
		t.Fatalf("status %d: %s", status, errs.String())
	}
	var all []bridge.RightsAt
	if err := json.Unmarshal(out.Bytes(), &all); err != nil || len(all) != 4 {
		t.Fatalf("%d registries, %v\n%s", len(all), err, out.String())
	}
	for i, want := range []struct {
		origin   string
		has, not []string
	}{
		{"kubernetes/prod", []string{"namespace: consul", "namespace: isthmus", "isthmus-fence-prod", "events"}, []string{"leases", "pods", "multicluster"}},
		{"kubernetes/lead", []string{"leases", "resourceNames:\n  - bridge"}, []string{"configmaps", "events", "nodes"}},
		{"consul/dc1", []string{`service_prefix "k8s-"`, `service_prefix "front-"`, `node_prefix "prod-"`}, []string{"key", "operator", "acl"}},
		{"etcd/edge", []string{"readwrite '/skydns/local/cluster/svc/vms/'", "--prefix read '/skydns/local/cluster/'"}, []string{"arpa", "lead"}},
	} {
		got := all[i]
		if string(got.Origin) != want.origin || got.Form == "" {
			t.Errorf("registry %d is %q, in %q; want %q", i, got.Origin, got.Form, want.origin)
		}
		for _, part := range want.has {
			if !strings.Contains(got.Text, part) {
				t.Errorf("%s: without %q:\n%s", want.origin, part, got.Text)
			}
		}
		for _, part := range want.not {
			if strings.Contains(got.Text, part) {
				t.Errorf("%s: with %q:\n%s", want.origin, part, got.Text)
			}
		}
	}
	out.Reset()
	if status := run([]string{"rights", "-conf", file}, &out, &errs); status != 0 || !strings.HasPrefix(out.String(), "# kubernetes/prod: a ClusterRole and Roles, in YAML\napiVersion: ") {
		t.Errorf("status %d:\n%s", status, out.String())
	}
	for _, args := range [][]string{{"rights"}, {"rights", "-conf", file, "-o", "xml"}, {"rights", "-conf", file + "x"}} {
		if status := run(args, &out, &errs); status != 1 {
			t.Errorf("%q: status %d", args, status)
		}
	}
}
