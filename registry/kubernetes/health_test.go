package kubernetes

import (
	"errors"
	"log/slog"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/isthmus-dns/isthmus/catalog"
)

var errRefused = errors.New("connection refused")

// TestDelivered holds that whatever a watch brings shows that the server is
// reached, after one request was lost.
func TestDelivered(t *testing.T) {
	svc := func() *corev1.Service {
		return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "web", ResourceVersion: "7"}}
	}
	for _, tt := range []struct {
		name  string
		comes func(*scope[*service]) error
	}{
		{"an object", func(s *scope[*service]) error { return s.Update(svc()) }},
		{"a deletion", func(s *scope[*service]) error { return s.Delete(svc()) }},
		{"a list", func(s *scope[*service]) error { return s.Replace(nil, "7") }},
		{"a bookmark", func(s *scope[*service]) error { s.UpdateResourceVersion("7"); return nil }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := catalog.New(catalog.Policy{}).Feed(origin)
			f.Replace(nil)
			v := newView(&server{conf: &config{}}, f, func(error) {})
			s := &scope[*service]{v.services, keeping(v.services, v.keeper.service), func(types.NamespacedName) bool { return true }, func() {}, v.newPast()}
			v.health.set(connection, errRefused)
			if f.State().Connected {
				t.Fatal("connected after a lost request")
			}
			if err := tt.comes(s); err != nil {
				t.Fatal(err)
			}
			if st := f.State(); !st.Connected {
				t.Errorf("not connected: %v", st.Err)
			}
		})
	}
}

// TestProbe holds that a server which is reached again is found so by nothing
// else: its watches stood all the time, and bring nothing.
func TestProbe(t *testing.T) {
	f := newFake(t)
	s, err := f.config().open("", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	w := watching(t, s)
	poll(t, "three watches", func() bool { return f.watches() == 3 })
	s.heard(errRefused)
	if w.catalog.Snapshot().State(origin).Connected {
		t.Fatal("connected after a lost request")
	}
	w.until("connection", func(s *catalog.Snapshot) bool { return s.State(origin).Connected })
}
