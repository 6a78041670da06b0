package kubernetes

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	mcs "sigs.k8s.io/mcs-api/pkg/apis/v1alpha1"
	"sigs.k8s.io/yaml"

	"github.com/isthmus-dns/isthmus/catalog"
)

// testImports reads what other clusters export, by a user with no more rights
// than that takes, before and after the resource is defined.
func (s *shared) testImports(t *testing.T) {
	p := s.place(t)
	ns := p.AddNamespace(t, "shop")
	const user = "isthmus-dns"
	s.grant(t, user, "", []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"services", "namespaces"}, Verbs: []string{"list", "watch"}},
		{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: []string{"list", "watch"}},
		{APIGroups: []string{mcs.GroupName}, Resources: []string{"serviceimports"}, Verbs: []string{"list", "watch"}},
	})
	conf := &config{name: "test", kubeconfig: []string{s.KubeconfigOf(user)}, qps: 100, burst: 100, pods: true, maxInflight: 10}
	r, err := conf.Imports(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	w := watching(t, r)
	w.until("what is missing", func(s *catalog.Snapshot) bool {
		err := s.State(origin).Err
		return err != nil && strings.Contains(err.Error(), "install the resource definitions of the Multi-Cluster Services API")
	})
	if w.catalog.Snapshot().Synced() {
		t.Fatal("synced with what is not defined")
	}
	own := watching(t, (&config{name: "test", kubeconfig: []string{s.Kubeconfig()}, qps: 100, burst: 100}).mustRead(t))
	s.define(t, mcs.ServiceImportPluralName)
	w.until("a sync", func(s *catalog.Snapshot) bool {
		return s.Synced() && s.State(origin).Connected && s.HoldsNamespace(origin, ns)
	})

	db := catalog.Key{Namespace: ns, Name: "db"}
	s.post(t, "/apis/discovery.k8s.io/v1/namespaces/"+ns+"/endpointslices", importedSlice("db-c1", "c1", "10.1.0.1"))
	s.post(t, "/apis/"+mcs.GroupName+"/v1alpha1/namespaces/"+ns+"/serviceimports", mcs.ServiceImport{
		TypeMeta:   metav1.TypeMeta{APIVersion: mcs.GroupName + "/v1alpha1", Kind: "ServiceImport"},
		ObjectMeta: metav1.ObjectMeta{Name: "db"},
		Spec:       mcs.ServiceImportSpec{Type: mcs.Headless, Ports: []mcs.ServicePort{{Name: "sql", Port: 5432}}},
	})
	hosts := func(s *catalog.Snapshot) string {
		svc := s.Lookup(db)
		if svc == nil {
			return "none"
		}
		var all []string
		for _, e := range svc.Endpoints {
			all = append(all, e.ID)
		}
		return strings.Join(all, " ")
	}
	w.until("an import", func(s *catalog.Snapshot) bool { return hosts(s) == "c1/10.1.0.1" })
	s.post(t, "/apis/discovery.k8s.io/v1/namespaces/"+ns+"/endpointslices", importedSlice("db-c2", "c2", "10.1.0.1"))
	w.until("a second cluster", func(s *catalog.Snapshot) bool { return hosts(s) == "c1/10.1.0.1 c2/10.1.0.1" })
	if err := s.client.DiscoveryV1().EndpointSlices(ns).Delete(t.Context(), "db-c1", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	w.until("one cluster less", func(s *catalog.Snapshot) bool { return hosts(s) == "c2/10.1.0.1" })
	if err := s.client.Discovery().RESTClient().Delete().AbsPath("/apis/" + mcs.GroupName + "/v1alpha1/namespaces/" + ns + "/serviceimports/db").Do(t.Context()).Error(); err != nil {
		t.Fatal(err)
	}
	w.until("no import", func(s *catalog.Snapshot) bool { return hosts(s) == "none" })

	// The cluster's own services are none of them, and theirs none of its own.
	if svc := w.catalog.Snapshot().Lookup(catalog.Key{Namespace: "default", Name: "kubernetes"}); svc != nil {
		t.Errorf("%v was imported", svc)
	}
	own.until("a sync", func(s *catalog.Snapshot) bool { return s.Synced() })
	if keys := slices.Collect(own.catalog.Snapshot().Keys()); slices.Contains(keys, db) || slices.Contains(keys, catalog.Key{Namespace: ns}) {
		t.Errorf("an import is one of the cluster's own services: %v", keys)
	}
}

func importedSlice(name, cluster, addr string) discoveryv1.EndpointSlice {
	return discoveryv1.EndpointSlice{
		TypeMeta:    metav1.TypeMeta{APIVersion: "discovery.k8s.io/v1", Kind: "EndpointSlice"},
		ObjectMeta:  metav1.ObjectMeta{Name: name, Labels: map[string]string{mcs.LabelServiceName: "db", mcs.LabelSourceCluster: cluster}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{addr}}},
	}
}

const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

// define installs a resource definition as its makers publish it.
func (s *shared) define(t *testing.T, resource string) {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/mcs-api").Output()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "config/crd/multicluster.x-k8s.io_"+resource+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var crd any
	if err := yaml.Unmarshal(text, &crd); err != nil {
		t.Fatal(err)
	}
	s.post(t, definitions, crd)
	poll(t, "the resource that was defined", func() bool {
		return s.client.Discovery().RESTClient().Get().AbsPath("/apis/"+mcs.GroupName+"/v1alpha1/"+resource).Do(t.Context()).Error() == nil
	})
}

// post creates an object, in the form that people write.
func (s *shared) post(t *testing.T, path string, o any) {
	t.Helper()
	body, err := yaml.Marshal(o)
	if err == nil {
		body, err = yaml.YAMLToJSON(body)
	}
	if err != nil {
		t.Fatal(err)
	}
	err = s.client.Discovery().RESTClient().Post().AbsPath(path).SetHeader("Content-Type", "application/json").Body(body).Do(t.Context()).Error()
	if err != nil {
		t.Fatalf("post %s: %v", path, err)
	}
}

// TestImportsOpen has what Imports leaves of the stanza, and when it fails.
func TestImportsOpen(t *testing.T) {
	if _, err := (&config{name: "test", kubeconfig: []string{"/nowhere"}}).Imports(slog.New(slog.DiscardHandler)); err == nil || !strings.HasPrefix(err.Error(), "open the imports of kubernetes/test: ") {
		t.Errorf("Imports = %v", err)
	}
	c := &config{name: "test", endpoint: "http://127.0.0.1:1", labels: "a=b", pods: true, qps: 1, burst: 1}
	r, err := c.Imports(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if s := r.(*server); s.imports == nil || s.conf.pods || s.conf.labels != "a=b" || !c.pods {
		t.Errorf("opened %+v", s)
	}
}
