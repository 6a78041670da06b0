package kubernetes

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	mcs "sigs.k8s.io/mcs-api/pkg/apis/v1alpha1"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// testExports reads which services are exported where that is asked for: before
// the resource is defined, as it is, and after it is gone; by a user who may
// read them in one namespace alone; and in the newer version. Not to know it is
// in the way of nothing else.
func (s *shared) testExports(t *testing.T) {
	p := s.place(t)
	ns, other := p.AddNamespace(t, "shop"), p.AddNamespace(t, "other")
	for _, in := range []string{ns, other} {
		p.expose(t, in)
	}
	web, elsewhere := catalog.Key{Namespace: ns, Name: "web"}, catalog.Key{Namespace: other, Name: "web"}
	noted := func(snap *catalog.Snapshot, k catalog.Key) string {
		if svc := snap.Lookup(k); svc != nil {
			return svc.Meta[catalog.NoteExport]
		}
		return "no service"
	}
	is := func(k catalog.Key, want string) func(*catalog.Snapshot) bool {
		return func(snap *catalog.Snapshot) bool { return snap.Synced(origin) && noted(snap, k) == want }
	}
	conf := func(kubeconfig string, namespaces ...string) registry.Registry {
		c := &config{name: "test", kubeconfig: []string{kubeconfig}, qps: 100, burst: 100, namespaces: namespaces}
		return c.Detailed(registry.Details{Notes: true, Exports: true}).(*config).mustRead(t)
	}
	all := watching(t, conf(s.Kubeconfig()))
	all.until("that nobody knows", is(web, catalog.ExportUnknown))
	if st := all.catalog.Snapshot().State(origin); !st.Connected {
		t.Errorf("without the resource: %+v", st)
	}
	s.define(t, mcs.ServiceExportPluralName)
	all.until("that it is known", is(web, ""))
	const user = "isthmus-exports"
	s.grant(t, user, ns, []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"services"}, Verbs: []string{"list", "watch"}},
		{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: []string{"list", "watch"}},
		{APIGroups: []string{mcs.GroupName}, Resources: []string{"serviceexports"}, Verbs: []string{"list", "watch"}},
	})
	s.grant(t, user, other, []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"services"}, Verbs: []string{"list", "watch"}},
		{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: []string{"list", "watch"}},
	})
	some := watching(t, conf(s.KubeconfigOf(user), ns, other))
	some.until("the one that may be read", is(web, ""))
	some.until("the one that may not", is(elsewhere, catalog.ExportUnknown))

	path := "/apis/" + mcs.GroupName + "/v1beta1/namespaces/" + ns + "/serviceexports"
	s.post(t, path, map[string]any{"apiVersion": mcs.GroupName + "/v1beta1", "kind": "ServiceExport", "metadata": map[string]any{"name": "web"}})
	all.until("an export", is(web, catalog.ExportWanted))
	some.until("an export", is(web, catalog.ExportWanted))
	if got := all.catalog.Snapshot().Lookup(web).Meta["isthmus.dev/export"]; got != "false" {
		t.Errorf("other notes are lost: %q", got)
	}
	if err := p.client.CoreV1().Services(ns).Delete(t.Context(), "web", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	all.until("no service", is(web, "no service"))
	if _, err := p.client.CoreV1().Services(ns).Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	all.until("a service that comes after its export", is(web, catalog.ExportWanted))
	if err := s.client.Discovery().RESTClient().Delete().AbsPath(path + "/web").Do(t.Context()).Error(); err != nil {
		t.Fatal(err)
	}
	all.until("no export", is(web, ""))

	// The older version is served no more, and then nothing is.
	s.serveExports(t, "v1alpha1", false)
	s.post(t, path, map[string]any{"apiVersion": mcs.GroupName + "/v1beta1", "kind": "ServiceExport", "metadata": map[string]any{"name": "web"}})
	newer := watching(t, conf(s.Kubeconfig()))
	newer.until("an export in the newer version", is(web, catalog.ExportWanted))
	if err := s.client.Discovery().RESTClient().Delete().AbsPath(definitions + "/serviceexports." + mcs.GroupName).Do(t.Context()).Error(); err != nil {
		t.Fatal(err)
	}
	newer.until("that nobody knows any more", is(web, catalog.ExportUnknown))
	none := watching(t, (&config{name: "test", kubeconfig: []string{s.Kubeconfig()}, qps: 100, burst: 100}).mustRead(t))
	none.until("a service without what nobody asked for", is(web, ""))
}

// serveExports sets whether a version of exports is served.
func (s *shared) serveExports(t *testing.T, version string, served bool) {
	t.Helper()
	index := map[string]string{"v1alpha1": "0", "v1beta1": "1"}[version]
	patch := `[{"op":"replace","path":"/spec/versions/` + index + `/served","value":` + map[bool]string{true: "true", false: "false"}[served] + `}]`
	err := s.client.Discovery().RESTClient().Patch("application/json-patch+json").
		AbsPath(definitions + "/serviceexports." + mcs.GroupName).Body([]byte(patch)).Do(t.Context()).Error()
	if err != nil {
		t.Fatal(err)
	}
	poll(t, "a version that is not served", func() bool {
		err := s.client.Discovery().RESTClient().Get().AbsPath("/apis/" + mcs.GroupName + "/" + version + "/serviceexports").Do(t.Context()).Error()
		return (err == nil) == served
	})
}
