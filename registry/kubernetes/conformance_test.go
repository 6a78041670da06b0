package kubernetes

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/integration/servers"
	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/registrytest"
	"github.com/isthmus-dns/isthmus/registry/registrytest/proxy"
)

// TestServer holds what needs a real API server, which all of it shares.
func TestServer(t *testing.T) {
	s := &shared{Kubernetes: serverstest.Kubernetes(t, servers.KubernetesOptions{Users: []servers.User{{Name: "isthmus-role"}, {Name: "isthmus-exports"}}})}
	s.client = rawClient(t, s.Kubeconfig())
	t.Run("Kinds", s.testKinds)
	t.Run("StockRole", s.testStockRole)
	t.Run("Namespaces", s.testNamespaces)
	t.Run("Role", s.testRole)
	t.Run("Pods", s.testPods)
	t.Run("Details", s.testDetails)
	t.Run("Ranges", s.testRanges)
	t.Run("NoRanges", s.testNoRanges)
	t.Run("Imports", s.testImports)
	t.Run("Exports", s.testExports)
	t.Run("Objects", s.testObjects)
	t.Run("AdoptsSlice", s.testAdoptsSlice)
	t.Run("Joins", s.testJoins)
	t.Run("RoundTrip", s.testRoundTrip)
	t.Run("Election", s.testElection)
	t.Run("Leased", s.testLeased)
	t.Run("Rights", s.testRights)
	t.Run("Conformance", func(t *testing.T) {
		registrytest.Run(t, func(t *testing.T) registrytest.Place { return s.place(t) }, registrytest.Sharing, registrytest.Moving)
	})
}

// shared is the API server with an admin's client of its own.
type shared struct {
	*servers.Kubernetes
	client kubernetes.Interface
	places atomic.Int32
}

func rawClient(t *testing.T, kubeconfig string) kubernetes.Interface {
	t.Helper()
	to, err := (&config{kubeconfig: []string{kubeconfig}, qps: 10000, burst: 10000}).rest()
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(to)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// place is a set of namespaces with one label, reached through a proxy.
type place struct {
	*shared
	name       string
	proxy      *proxy.Proxy
	kubeconfig string // by way of the proxy
}

var (
	_ registrytest.Writable   = (*place)(nil)
	_ registrytest.Linked     = (*place)(nil)
	_ registrytest.Forgetful  = (*place)(nil)
	_ registrytest.Namespaced = (*place)(nil)
)

const placeLabel = "test.isthmus.dev/place"

func (s *shared) place(t *testing.T) *place {
	t.Helper()
	p, err := proxy.New(strings.TrimPrefix(s.URL(), "https://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	text, err := os.ReadFile(s.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "kubeconfig")
	text = []byte(strings.ReplaceAll(string(text), s.URL(), "https://"+p.Addr()))
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	pl := &place{shared: s, name: fmt.Sprintf("p%d", s.places.Add(1)), proxy: p, kubeconfig: file}
	pl.makeNamespace(t, pl.fence(), nil)
	return pl
}

// fence is the namespace that fences are in; no Reader sees it.
func (p *place) fence() string { return p.name + "-fence" }

func (p *place) config() *config {
	return &config{
		name: "test", kubeconfig: []string{p.kubeconfig}, qps: 1000, burst: 2000,
		namespaceLabels: placeLabel + "=" + p.name, fenceNamespace: p.fence(),
	}
}

func (p *place) Link() registrytest.Link { return p.proxy }

func (p *place) Reader(t registrytest.T) registry.Registry {
	r, err := p.config().Reader(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return r
}

func (p *place) Writer(t registrytest.T, owner string) registry.Writer {
	w, err := p.config().Writer(owner, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return w
}

func (p *place) Key(t registrytest.T, namespace, name string) catalog.Key {
	return catalog.Key{Namespace: p.AddNamespace(t, namespace), Name: name}
}

func (p *place) Seen(s *catalog.Service) *catalog.Service { return s }

func (p *place) AddNamespace(t registrytest.T, name string) string {
	name = p.name + "-" + name
	p.makeNamespace(t, name, map[string]string{placeLabel: p.name})
	return name
}

func (p *place) makeNamespace(t registrytest.T, name string, labels map[string]string) {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
	_, err := p.client.CoreV1().Namespaces().Create(t.Context(), ns, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatalf("make namespace: %v", err)
	}
}

// RemoveNamespace does the namespace controller's part, too.
func (p *place) RemoveNamespace(t registrytest.T, name string) {
	all := p.client.CoreV1().Namespaces()
	err := all.Delete(t.Context(), name, metav1.DeleteOptions{})
	if err == nil {
		_, err = all.Finalize(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.UpdateOptions{})
	}
	if err != nil && !apierrors.IsNotFound(err) {
		t.Fatalf("remove namespace: %v", err)
	}
}

func (p *place) Register(t registrytest.T, s *catalog.Service) {
	svc := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: s.Name},
		Spec:       corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone},
	}
	for _, port := range s.Ports {
		svc.Spec.Ports = append(svc.Spec.Ports, corev1.ServicePort{Name: port.Name, Port: int32(port.Number)})
	}
	_, err := p.client.CoreV1().Services(s.Namespace).Create(t.Context(), svc, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatalf("register: %v", err)
	}
	i := 0
	for part := range slices.Chunk(s.Endpoints, 1000) {
		p.putSlice(t, nativeSlice(s, i, part))
		i++
	}
	for p.dropSlice(t, s.Namespace, sliceName(s.Key, i)) {
		i++
	}
}

func sliceName(k catalog.Key, i int) string { return fmt.Sprintf("%s-%d", k.Name, i) }

func nativeSlice(s *catalog.Service, i int, part []catalog.Endpoint) *discoveryv1.EndpointSlice {
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.Namespace, Name: sliceName(s.Key, i),
			Labels: map[string]string{discoveryv1.LabelServiceName: s.Name},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
	}
	for _, port := range part[0].Ports {
		number := int32(port.Number)
		slice.Ports = append(slice.Ports, discoveryv1.EndpointPort{Name: &port.Name, Port: &number})
	}
	for _, e := range part {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{
			Addresses:  []string{e.Host.String()},
			Conditions: discoveryv1.EndpointConditions{Ready: &e.Ready},
		})
	}
	return slice
}

func (p *place) putSlice(t registrytest.T, slice *discoveryv1.EndpointSlice) {
	client := p.client.DiscoveryV1().EndpointSlices(slice.Namespace)
	_, err := client.Create(t.Context(), slice, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		_, err = client.Update(t.Context(), slice, metav1.UpdateOptions{})
	}
	if err != nil {
		t.Fatalf("put slice: %v", err)
	}
}

func (p *place) dropSlice(t registrytest.T, namespace, name string) bool {
	err := p.client.DiscoveryV1().EndpointSlices(namespace).Delete(t.Context(), name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		t.Fatalf("drop slice: %v", err)
	}
	return err == nil
}

func (p *place) Unregister(t registrytest.T, k catalog.Key) { p.erase(t, k) }

// erase does the garbage collector's part, too.
func (p *place) erase(t registrytest.T, k catalog.Key) {
	if err := p.client.CoreV1().Services(k.Namespace).Delete(t.Context(), k.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatalf("delete service: %v", err)
	}
	for _, slice := range p.slicesOf(t, k) {
		p.dropSlice(t, k.Namespace, slice.Name)
	}
}

func (p *place) slicesOf(t registrytest.T, k catalog.Key) []discoveryv1.EndpointSlice {
	all, err := p.client.DiscoveryV1().EndpointSlices(k.Namespace).List(t.Context(), metav1.ListOptions{
		LabelSelector: discoveryv1.LabelServiceName + "=" + k.Name,
	})
	if err != nil {
		t.Fatalf("list slices: %v", err)
	}
	return all.Items
}

// Malform puts what the API server takes and nobody can resolve.
func (p *place) Malform(t registrytest.T, k catalog.Key) string {
	svc := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: k.Namespace, Name: k.Name + "-bad"},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "10.1.1.1"},
	}
	if _, err := p.client.CoreV1().Services(k.Namespace).Create(t.Context(), svc, metav1.CreateOptions{}); err != nil {
		t.Fatalf("malform: %v", err)
	}
	return "Service " + k.Namespace + "/" + svc.Name
}

func (p *place) Mend(t registrytest.T, record string) {
	ns, name, _ := strings.Cut(strings.TrimPrefix(record, "Service "), "/")
	if err := p.client.CoreV1().Services(ns).Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatalf("mend: %v", err)
	}
}

func (p *place) Tamper(t registrytest.T, ref catalog.Ref) {
	slice := p.slicesOf(t, ref.Key)[0]
	slice.Endpoints[0].Addresses = []string{"10.255.255.7"}
	if _, err := p.client.DiscoveryV1().EndpointSlices(ref.Namespace).Update(t.Context(), &slice, metav1.UpdateOptions{}); err != nil {
		t.Fatalf("tamper: %v", err)
	}
}

func (p *place) Erase(t registrytest.T, ref catalog.Ref) { p.erase(t, ref.Key) }

func (p *place) Advance(t registrytest.T, ref catalog.Ref) {
	client := p.client.CoreV1().Services(ref.Namespace)
	svc, err := client.Get(t.Context(), ref.Name, metav1.GetOptions{})
	if err == nil {
		svc.Annotations["isthmus.dev/format"] = fmt.Sprint(catalog.MarkFormat + 1)
		_, err = client.Update(t.Context(), svc, metav1.UpdateOptions{})
	}
	if err != nil {
		t.Fatalf("advance: %v", err)
	}
}

func (p *place) Stamp(t registrytest.T) string {
	var all []string
	note := func(kind string, o metav1.Object) {
		if o.GetNamespace() == p.fence() || strings.HasPrefix(o.GetNamespace(), p.name+"-") {
			all = append(all, fmt.Sprintf("%s %s/%s %s %s", kind, o.GetNamespace(), o.GetName(), o.GetUID(), o.GetResourceVersion()))
		}
	}
	services, err := p.client.CoreV1().Services("").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatalf("stamp: %v", err)
	}
	for i := range services.Items {
		note("service", &services.Items[i])
	}
	parts, err := p.client.DiscoveryV1().EndpointSlices("").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatalf("stamp: %v", err)
	}
	for i := range parts.Items {
		note("slice", &parts.Items[i])
	}
	fences, err := p.client.CoreV1().ConfigMaps(p.fence()).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatalf("stamp: %v", err)
	}
	for i := range fences.Items {
		note("configmap", &fences.Items[i])
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// Forget starts the API server anew: it keeps what happened in memory, and
// answers 410 to who wants to go on from before.
func (p *place) Forget(t registrytest.T, change func()) {
	p.proxy.Cut()
	change()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := p.Restart(ctx); err != nil {
		t.Fatalf("forget: %v", err)
	}
	p.proxy.Heal()
}
