package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

const origin catalog.Origin = "kubernetes/test"

// watched is a registry with a Watch on it, which ends with the test.
type watched struct {
	t       *testing.T
	catalog *catalog.Catalog
}

func watching(t *testing.T, r registry.Registry) *watched {
	t.Helper()
	w := &watched{t, catalog.New(catalog.Policy{Origins: []catalog.OriginPolicy{{Origin: origin, Speaks: true}}})}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.Watch(ctx, w.catalog.Feed(origin)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Watch = %v, want %v", err, context.Canceled)
		}
	})
	return w
}

// until waits for a snapshot that holds.
func (w *watched) until(what string, holds func(*catalog.Snapshot) bool) {
	w.t.Helper()
	late := time.After(30 * time.Second)
	for {
		s := w.catalog.Snapshot()
		if holds(s) {
			return
		}
		select {
		case <-s.Changed():
		case <-late:
			w.t.Fatalf("%s: not seen; the state is %+v", what, s.State(origin))
		}
	}
}

func (c *config) mustRead(t *testing.T) registry.Registry {
	t.Helper()
	r, err := c.Reader(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// testClusterIPs has what a headless Service of the conformance suite has not.
func (s *shared) testKinds(t *testing.T) {
	p := s.place(t)
	ns := p.AddNamespace(t, "shop")
	two := corev1.IPFamilyPolicyRequireDualStack
	for _, svc := range []corev1.Service{
		{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeNodePort, IPFamilyPolicy: &two, Ports: []corev1.ServicePort{{Port: 80}}}},
		{ObjectMeta: metav1.ObjectMeta{Name: "alias"}, Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "db.example.org"}},
	} {
		if _, err := p.client.CoreV1().Services(ns).Create(t.Context(), &svc, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	w := watching(t, p.Reader(t))
	w.until("dual-stack ClusterIP", func(s *catalog.Snapshot) bool {
		svc := s.Lookup(catalog.Key{Namespace: ns, Name: "web"})
		return svc != nil && svc.Type == catalog.ClusterIP && len(svc.Addrs) == 2 && len(svc.Ports) == 1
	})
	w.until("ExternalName", func(s *catalog.Snapshot) bool {
		svc := s.Lookup(catalog.Key{Namespace: ns, Name: "alias"})
		return svc != nil && svc.Alias == "db.example.org"
	})
	if err := p.client.CoreV1().Services(ns).Delete(t.Context(), "web", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	w.until("deletion", func(s *catalog.Snapshot) bool { return s.Lookup(catalog.Key{Namespace: ns, Name: "web"}) == nil })
}

// testStockRole reads with no more rights than the role that comes with
// CoreDNS's stock kubernetes plugin.
func (s *shared) testStockRole(t *testing.T) {
	rules := []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"endpoints", "services", "pods", "namespaces"}, Verbs: []string{"list", "watch"}},
		{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: []string{"list", "watch"}},
	}
	s.grant(t, "isthmus-dns", "", rules)
	w := watching(t, (&config{name: "test", kubeconfig: []string{s.KubeconfigOf("isthmus-dns")}, qps: 100, burst: 100}).mustRead(t))
	w.until("default/kubernetes", func(s *catalog.Snapshot) bool {
		svc := s.Lookup(catalog.Key{Namespace: "default", Name: "kubernetes"})
		return svc != nil && len(svc.Endpoints) == 1
	})
	st := w.catalog.Snapshot().State(origin)
	if !strings.HasPrefix(string(st.Identity), "kubernetes:") || !st.Connected {
		t.Errorf("state %+v", st)
	}
}

// testRole reads with a Role in one namespace and no other right.
func (s *shared) testRole(t *testing.T) {
	p := s.place(t)
	ns := p.AddNamespace(t, "role")
	s.grant(t, "isthmus-role", ns, []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"services", "pods"}, Verbs: []string{"list", "watch"}},
		{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: []string{"list", "watch"}},
	})
	c := &config{name: "test", kubeconfig: []string{s.KubeconfigOf("isthmus-role")}, namespaces: []string{ns}, pods: true, qps: 100, burst: 100}
	w := watching(t, c.mustRead(t))
	w.until("sync", func(snap *catalog.Snapshot) bool { return snap.Synced() && snap.HoldsNamespace(origin, ns) })
	svc := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "db.example.org"}}
	if _, err := p.client.CoreV1().Services(ns).Create(t.Context(), svc, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.until("service", func(snap *catalog.Snapshot) bool { return snap.Lookup(catalog.Key{Namespace: ns, Name: "web"}) != nil })
	if st := w.catalog.Snapshot().State(origin); !st.Connected || st.Identity != "" {
		t.Errorf("state %+v, want connected and without identity", st)
	}
}

// testNamespaces reads and writes with rights in two namespaces alone.
func (s *shared) testNamespaces(t *testing.T) {
	p := s.place(t)
	names := []string{p.AddNamespace(t, "a"), p.AddNamespace(t, "b")}
	other := p.Key(t, "c", "web")
	s.grant(t, "isthmus-bridge", "", []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"namespaces"}, ResourceNames: names, Verbs: []string{"list", "watch"}},
	})
	all := []string{"get", "list", "watch", "create", "update", "delete"}
	for _, ns := range names {
		s.grant(t, "isthmus-bridge", ns, []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"services"}, Verbs: all},
			{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: all},
			{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get", "create", "update"}},
		})
	}
	c := &config{name: "test", kubeconfig: []string{s.KubeconfigOf("isthmus-bridge")}, namespaces: names, fenceNamespace: names[0], qps: 100, burst: 100}
	writer, err := c.Writer("prod", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	w := watching(t, writer)
	w.until("both namespaces", func(s *catalog.Snapshot) bool {
		return s.Synced() && s.HoldsNamespace(origin, names[0]) && s.HoldsNamespace(origin, names[1]) && !s.HoldsNamespace(origin, other.Namespace)
	})
	if err := writer.Claim(t.Context(), registry.Fence{Owner: "prod", Sources: []catalog.Identity{"consul:dc1"}}, false); err != nil {
		t.Fatal(err)
	}
	good, bad := testMirror(catalog.Key{Namespace: names[1], Name: "web"}, 3), testMirror(other, 3)
	results := writer.Put(t.Context(), []*catalog.Service{good, bad})
	if results[0].Err != nil || !errors.Is(results[1].Err, registry.ErrInvalid) {
		t.Errorf("Put = %v, want the first done and the second refused", results)
	}
	if got := w.catalog.Snapshot().Get(origin, good.Ref()); got == nil || len(got.Endpoints) != 3 || got.Version != results[0].Version {
		t.Errorf("the feed shows %v after Put", got)
	}
}

// testObjects looks at what a mirror is on the server: what people and other
// controllers see.
func (s *shared) testObjects(t *testing.T) {
	p := s.place(t)
	writer := p.Writer(t, "prod")
	w := watching(t, writer)
	if err := writer.Claim(t.Context(), registry.Fence{Owner: "prod", Sources: []catalog.Identity{"consul:dc1"}}, false); err != nil {
		t.Fatal(err)
	}
	w.until("sync", func(s *catalog.Snapshot) bool { return s.Synced() })
	m := testMirror(p.Key(t, "consul", "web"), 2)
	put := func() {
		t.Helper()
		if r := writer.Put(t.Context(), []*catalog.Service{m})[0]; r.Err != nil {
			t.Fatal(r.Err)
		} else if m.Version = r.Version; w.catalog.Snapshot().Get(origin, m.Ref()).Version != r.Version {
			t.Fatal("the feed does not show what was written")
		}
	}
	put()
	svc, err := p.client.CoreV1().Services(m.Namespace).Get(t.Context(), m.Name, metav1.GetOptions{})
	if err != nil || svc.Spec.ClusterIP != "None" || len(svc.Spec.Selector) != 0 {
		t.Fatalf("service %+v, %v", svc, err)
	}
	all := p.slicesOf(t, m.Key)
	if len(all) != 1 || len(all[0].OwnerReferences) != 1 || all[0].OwnerReferences[0].UID != svc.UID || all[0].Labels[discoveryv1.LabelManagedBy] != "isthmus.dev" {
		t.Fatalf("slices %+v", all)
	}
	// A headless Service becomes an ExternalName one and back, in place.
	m.Type, m.Alias = catalog.ExternalName, "db.example.org"
	put()
	if len(p.slicesOf(t, m.Key)) != 0 {
		t.Error("an ExternalName Service keeps slices")
	}
	m.Type, m.Alias = catalog.Headless, ""
	m.Ports = append(m.Ports, catalog.Port{Name: "more", Proto: catalog.UDP, Number: 53})
	put()
	again, err := p.client.CoreV1().Services(m.Namespace).Get(t.Context(), m.Name, metav1.GetOptions{})
	if err != nil || again.UID != svc.UID || again.Spec.ClusterIP != "None" || len(again.Spec.Ports) != 2 || len(p.slicesOf(t, m.Key)) != 1 {
		t.Errorf("service %+v, %v", again, err)
	}
	before := p.Stamp(t)
	put()
	if p.Stamp(t) != before {
		t.Error("the same again was written")
	}
}

// testAdoptsSlice puts a mirror whose slice a write that was cut short left.
func (s *shared) testAdoptsSlice(t *testing.T) {
	p := s.place(t)
	writer := p.Writer(t, "prod")
	if err := writer.Claim(t.Context(), registry.Fence{Owner: "prod", Sources: []catalog.Identity{"consul:dc1"}}, false); err != nil {
		t.Fatal(err)
	}
	m := testMirror(p.Key(t, "consul", "web"), 2)
	if r := writer.Put(t.Context(), []*catalog.Service{m})[0]; r.Err != nil {
		t.Fatal(r.Err)
	}
	if err := p.client.CoreV1().Services(m.Namespace).Delete(t.Context(), m.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if r := writer.Put(t.Context(), []*catalog.Service{m})[0]; r.Err != nil {
		t.Fatal(r.Err)
	}
	svc, err := p.client.CoreV1().Services(m.Namespace).Get(t.Context(), m.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if all := p.slicesOf(t, m.Key); len(all) != 1 || all[0].OwnerReferences[0].UID != svc.UID {
		t.Errorf("slices %+v of service %s", all, svc.UID)
	}
}

func testMirror(k catalog.Key, endpoints int) *catalog.Service {
	s := &catalog.Service{
		Key:   k,
		Mark:  &catalog.Mark{Owner: "prod", Of: "consul:dc1", Key: catalog.Key{Namespace: "consul", Name: "web"}, Format: catalog.MarkFormat},
		Type:  catalog.Headless,
		Ports: []catalog.Port{{Name: "http", Proto: catalog.TCP, Number: 80}},
	}
	for i := range endpoints {
		addr := netip.AddrFrom4([4]byte{10, 200, byte(i >> 8), byte(i)})
		s.Endpoints = append(s.Endpoints, catalog.Endpoint{ID: addr.String(), Host: catalog.Host{Addr: addr}, Ready: true, Serving: true, Ports: s.Ports})
	}
	s.Sort()
	return s
}

// grant gives a user rights, in a namespace or ("") everywhere.
func (s *shared) grant(t *testing.T, user, ns string, rules []rbacv1.PolicyRule) {
	t.Helper()
	name := metav1.ObjectMeta{Namespace: ns, Name: fmt.Sprintf("%s-%d", user, s.places.Add(1))}
	who := []rbacv1.Subject{{Kind: "User", APIGroup: rbacv1.GroupName, Name: user}}
	rbac := s.client.RbacV1()
	var err error
	if ns == "" {
		_, err = rbac.ClusterRoles().Create(t.Context(), &rbacv1.ClusterRole{ObjectMeta: name, Rules: rules}, metav1.CreateOptions{})
		if err == nil {
			_, err = rbac.ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{ObjectMeta: name, Subjects: who,
				RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name.Name}}, metav1.CreateOptions{})
		}
	} else {
		_, err = rbac.Roles(ns).Create(t.Context(), &rbacv1.Role{ObjectMeta: name, Rules: rules}, metav1.CreateOptions{})
		if err == nil {
			_, err = rbac.RoleBindings(ns).Create(t.Context(), &rbacv1.RoleBinding{ObjectMeta: name, Subjects: who,
				RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name.Name}}, metav1.CreateOptions{})
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules {
		s.granted(t, user, ns, r)
	}
}

// granted waits until the server has taken a rule up, which it does by a watch.
func (s *shared) granted(t *testing.T, user, ns string, r rbacv1.PolicyRule) {
	t.Helper()
	what := &authorizationv1.ResourceAttributes{Namespace: ns, Group: r.APIGroups[0], Resource: r.Resources[0], Verb: r.Verbs[0]}
	if len(r.ResourceNames) > 0 {
		what.Name = r.ResourceNames[0]
	}
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: user, ResourceAttributes: what}}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for tick := time.NewTicker(50 * time.Millisecond); ; {
		answer, err := s.client.AuthorizationV1().SubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
		if err != nil {
			t.Fatalf("%s may not %s %s: %v", user, what.Verb, what.Resource, err)
		}
		if answer.Status.Allowed {
			return
		}
		<-tick.C
	}
}
