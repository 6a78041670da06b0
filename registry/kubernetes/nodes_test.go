package kubernetes

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// testDetails reads nodes and notes where they are asked for, and only there;
// that nodes may not be read is in the way of nothing else.
func (s *shared) testDetails(t *testing.T) {
	p := s.place(t)
	ns := p.AddNamespace(t, "shop")
	p.expose(t, ns)
	setNode := func(addr string) {
		t.Helper()
		nodes := p.client.CoreV1().Nodes()
		n, err := nodes.Get(t.Context(), ns, metav1.GetOptions{})
		if err != nil {
			n, err = nodes.Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: ns}}, metav1.CreateOptions{})
		}
		if err == nil {
			n.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: addr}}
			_, err = nodes.UpdateStatus(t.Context(), n, metav1.UpdateOptions{})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	conf := func(user string, d registry.Details) *config {
		return &config{name: "test", kubeconfig: []string{s.KubeconfigOf(user)}, qps: 100, burst: 100, details: d}
	}
	s.grant(t, "isthmus-dns", "", []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"services", "namespaces"}, Verbs: []string{"list", "watch"}},
		{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: []string{"list", "watch"}},
	})
	noted := func(snap *catalog.Snapshot) map[string]string {
		if svc := snap.Lookup(catalog.Key{Namespace: ns, Name: "web"}); svc != nil {
			return svc.Meta
		}
		return nil
	}
	setNode("10.9.0.1")
	some := watching(t, conf("isthmus-dns", registry.Details{Notes: true, Nodes: true}).mustRead(t))
	some.until("notes", func(snap *catalog.Snapshot) bool { return noted(snap)["isthmus.dev/export"] == "false" })
	if st := some.catalog.Snapshot().State(origin); !st.Synced || !st.Connected {
		t.Errorf("without rights to nodes: %+v", st)
	}
	admin := &config{name: "test", kubeconfig: []string{s.Kubeconfig()}, qps: 100, burst: 100}
	all := watching(t, admin.Detailed(registry.Details{Notes: true, Labels: true, Nodes: true}).(*config).mustRead(t))
	at := func(addr string) func(*catalog.Snapshot) bool {
		return func(snap *catalog.Snapshot) bool {
			n := snap.Directory(origin).Node(ns)
			return n != nil && n.Host.String() == addr
		}
	}
	all.until("notes", func(snap *catalog.Snapshot) bool {
		return noted(snap)["label:app"] == "web" && noted(snap)["nodeport:"] != ""
	})
	if !at("10.9.0.1")(all.catalog.Snapshot()) {
		t.Error("nodes came later than services")
	}
	setNode("10.9.0.2")
	all.until("a node that moved", at("10.9.0.2"))
	if err := p.client.CoreV1().Nodes().Delete(t.Context(), ns, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	all.until("no node", func(snap *catalog.Snapshot) bool { return snap.Directory(origin).Node(ns) == nil })
	none := watching(t, admin.mustRead(t))
	none.until("services", func(snap *catalog.Snapshot) bool { return snap.Synced(origin) })
	if got := noted(none.catalog.Snapshot()); got != nil {
		t.Errorf("%v was reported without being asked for", got)
	}
}

// expose makes a Service "web" with all that notes are of.
func (p *place) expose(t *testing.T, ns string) {
	t.Helper()
	svc := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Labels: map[string]string{"app": "web"}, Annotations: map[string]string{"isthmus.dev/export": "false"}},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeNodePort, Ports: []corev1.ServicePort{{Port: 80}}},
	}
	if _, err := p.client.CoreV1().Services(ns).Create(t.Context(), svc, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}
