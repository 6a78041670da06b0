package kubernetes

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// fake is an API server that can do what a real one does too seldom: go back
// in time, and become another one. It takes a watch from any version, and what
// it then tells is up to the test.
type fake struct {
	*httptest.Server

	mu       sync.Mutex // guards what follows
	version  int
	cluster  string         // UID of kube-system
	services map[string]int // in the namespace "a", with their versions
	denied   bool           // kube-system is, and "b"
	ranges   string         // a Service range, "denied", or "": it knows of none
	open     int            // watches
	cut      chan struct{}  // closed to end all watches
}

func newFake(t *testing.T) *fake {
	f := &fake{version: 1000, cluster: "u1", services: map[string]int{}, cut: make(chan struct{})}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	t.Cleanup(f.endWatches)
	return f
}

func (f *fake) config() *config {
	return &config{name: "test", endpoint: f.URL, qps: 1000, burst: 1000}
}

// become changes what the server is.
func (f *fake) become(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
}

// cutWatches ends the watches, once they are there.
func (f *fake) cutWatches(t *testing.T) {
	t.Helper()
	poll(t, "three watches", func() bool { return f.watches() == 3 })
	f.endWatches()
}

// watches says how many are open.
func (f *fake) watches() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open
}

func (f *fake) endWatches() {
	f.become(func() {
		close(f.cut)
		f.cut = make(chan struct{})
	})
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	cut, q := f.cut, r.URL.Query()
	code, answer := f.answerLocked(r)
	f.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if q.Has("sendInitialEvents") {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.WriteHeader(code)
	if !q.Has("watch") || code != http.StatusOK {
		_ = json.NewEncoder(w).Encode(answer)
		return
	}
	w.(http.Flusher).Flush()
	f.become(func() { f.open++ })
	defer f.become(func() { f.open-- })
	select {
	case <-cut:
	case <-r.Context().Done():
	}
}

func (f *fake) answerLocked(r *http.Request) (int, any) {
	about := metav1.ListMeta{ResourceVersion: fmt.Sprint(f.version)}
	switch kind := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]; kind {
	case "services":
		l := &corev1.ServiceList{TypeMeta: metav1.TypeMeta{Kind: "ServiceList", APIVersion: "v1"}, ListMeta: about}
		for _, name := range slices.Sorted(maps.Keys(f.services)) {
			l.Items = append(l.Items, corev1.Service{
				ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: name, ResourceVersion: fmt.Sprint(f.services[name])},
				Spec:       corev1.ServiceSpec{ClusterIP: "10.0.0.1"},
			})
		}
		return http.StatusOK, l
	case "endpointslices":
		return http.StatusOK, &discoveryv1.EndpointSliceList{TypeMeta: metav1.TypeMeta{Kind: "EndpointSliceList", APIVersion: "discovery.k8s.io/v1"}, ListMeta: about}
	case "namespaces":
		return f.namespacesLocked(r.URL.Query().Get("fieldSelector"), about)
	case "servicecidrs":
		return f.rangesLocked(about)
	}
	return http.StatusOK, "ok"
}

func (f *fake) namespacesLocked(which string, about metav1.ListMeta) (int, any) {
	if f.denied && (which == byName(metav1.NamespaceSystem) || which == byName("b")) {
		return failure(http.StatusForbidden, metav1.StatusReasonForbidden)
	}
	l := &corev1.NamespaceList{TypeMeta: metav1.TypeMeta{Kind: "NamespaceList", APIVersion: "v1"}, ListMeta: about}
	for name, uid := range map[string]string{metav1.NamespaceSystem: f.cluster, "a": "a-" + f.cluster} {
		if which == "" || which == byName(name) {
			l.Items = append(l.Items, corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(uid), ResourceVersion: "1"}})
		}
	}
	return http.StatusOK, l
}

func (f *fake) rangesLocked(about metav1.ListMeta) (int, any) {
	switch f.ranges {
	case "":
		return failure(http.StatusNotFound, metav1.StatusReasonNotFound)
	case "denied":
		return failure(http.StatusForbidden, metav1.StatusReasonForbidden)
	}
	return http.StatusOK, &networkingv1.ServiceCIDRList{
		TypeMeta: metav1.TypeMeta{Kind: "ServiceCIDRList", APIVersion: "networking.k8s.io/v1"}, ListMeta: about,
		Items: []networkingv1.ServiceCIDR{{ObjectMeta: metav1.ObjectMeta{Name: "kubernetes", ResourceVersion: "1"}, Spec: networkingv1.ServiceCIDRSpec{CIDRs: []string{f.ranges}}}},
	}
}

func failure(code int, reason metav1.StatusReason) (int, any) {
	return code, &metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusFailure, Reason: reason, Code: int32(code),
	}
}
