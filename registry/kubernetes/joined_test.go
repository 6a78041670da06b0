package kubernetes

import (
	"errors"
	"log/slog"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// testJoins holds that what joins a native Service shows at once to its writer and
// apart from it, to those who answer as a part of it, that it is written and
// removed on condition of its version, and that the Service is not touched.
func (s *shared) testJoins(t *testing.T) {
	p := s.place(t)
	ns := p.AddNamespace(t, "join")
	services := p.client.CoreV1().Services(ns)
	native, err := services.Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "db"},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c := (&config{name: "test", kubeconfig: []string{s.Kubeconfig()}, fenceNamespace: ns, qps: 1000, burst: 1000}).Detailed(registry.Details{Joins: true})
	writer, err := c.Writer("prod", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := writer.Close(); err != nil {
			t.Error(err)
		}
	})
	w := watching(t, writer)
	w.until("sync", func(snap *catalog.Snapshot) bool { return snap.Synced() })
	reader := watching(t, p.Reader(t))
	m := testMirror(catalog.Key{Namespace: ns, Name: "db"}, 2)
	m.Mark.Joins = true
	endpoints := func(n int) {
		t.Helper()
		snap := w.catalog.Snapshot()
		if got := snap.Get(origin, catalog.Ref{Key: m.Key}); got == nil || len(got.Endpoints) > 0 {
			t.Errorf("the native is\n%v", got)
		}
		got := snap.Get(origin, m.Ref())
		if want, _ := writer.Canon(m); n > 0 && (got == nil || !got.Same(want)) || n == 0 && got != nil {
			t.Errorf("what joins is %v, want %d endpoints", got, n)
		}
		reader.until("a part of the native", func(snap *catalog.Snapshot) bool {
			svc := snap.Lookup(m.Key)
			return svc != nil && len(svc.Endpoints) == n && snap.Get(origin, m.Ref()) == nil
		})
	}
	put := func(do func() []registry.Result, want error) string {
		t.Helper()
		r := do()[0]
		if !errors.Is(r.Err, want) {
			t.Fatalf("%v, want %v", r.Err, want)
		}
		return r.Version
	}
	puts := func() []registry.Result { return writer.Put(t.Context(), []*catalog.Service{m}) }
	deletes := func() []registry.Result { return writer.Delete(t.Context(), []*catalog.Service{m}) }
	if err := writer.Claim(t.Context(), prodFence(), false); err != nil {
		t.Fatal(err)
	}
	v := put(puts, nil)
	endpoints(2)
	put(puts, registry.ErrConflict)
	put(deletes, registry.ErrConflict)
	joins := *testMirror(m.Key, 3)
	joins.Mark, joins.Version = m.Mark, v
	m = &joins
	m.Version = put(puts, nil)
	endpoints(3)
	put(deletes, nil)
	endpoints(0)
	now, err := services.Get(t.Context(), "db", metav1.GetOptions{})
	if err != nil || now.ResourceVersion != native.ResourceVersion {
		t.Errorf("the native was written: %v, %v", now, err)
	}
}
