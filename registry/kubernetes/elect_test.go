package kubernetes

import (
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/registrytest"
)

// quickTimes make a lease end while a test waits.
func quickTimes() registry.LeaseTimes {
	return registry.LeaseTimes{Lease: 5 * time.Second, Deadline: 3 * time.Second, Retry: 500 * time.Millisecond}
}

// testElection holds the contract of elections.
func (s *shared) testElection(t *testing.T) {
	for _, c := range registrytest.ElectionCases() {
		t.Run(c.Name, func(t *testing.T) {
			p := s.place(t)
			open := func() registry.Election {
				e, err := p.config().Election("prod", p.fence()+"/isthmus-prod", quickTimes(), slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatal(err)
				}
				return e
			}
			remove := func(t *testing.T) {
				if err := p.client.CoordinationV1().Leases(p.fence()).Delete(t.Context(), "isthmus-prod", metav1.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			c.Do(t, registrytest.Electing{Open: open, Link: p.proxy, Remove: remove, Times: quickTimes()})
		})
	}
}

// testLeased holds that nothing is sent that changes anything while the check
// says no: neither a claim nor a write, and that reading goes on.
func (s *shared) testLeased(t *testing.T) {
	p := s.place(t)
	writer := p.Writer(t, "prod")
	var deposed atomic.Bool
	writer.(registry.Leased).Lease(func() error {
		if deposed.Load() {
			return registry.ErrNotLeading
		}
		return nil
	})
	w := watching(t, writer)
	w.until("sync", func(s *catalog.Snapshot) bool { return s.Synced() })
	fence := registry.Fence{Owner: "prod", Sources: []catalog.Identity{"consul:dc1"}}
	if err := writer.Claim(t.Context(), fence, false); err != nil {
		t.Fatal(err)
	}
	held := testMirror(p.Key(t, "consul", "web"), 1)
	r := writer.Put(t.Context(), []*catalog.Service{held})[0]
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	held.Version = r.Version
	before := p.Stamp(t)
	deposed.Store(true)
	more := testMirror(held.Key, 2)
	more.Version = held.Version
	for what, err := range map[string]error{
		"Claim":           writer.Claim(t.Context(), fence, true),
		"create":          writer.Put(t.Context(), []*catalog.Service{testMirror(p.Key(t, "consul", "db"), 1)})[0].Err,
		"Put":             writer.Put(t.Context(), []*catalog.Service{more})[0].Err,
		"Delete":          writer.Delete(t.Context(), []*catalog.Service{held})[0].Err,
		"CreateNamespace": writer.(registry.NamespaceCreator).CreateNamespace(t.Context(), p.name+"-new"),
	} {
		if !errors.Is(err, registry.ErrNotLeading) || errors.Is(err, registry.ErrUnknownOutcome) {
			t.Errorf("%s = %v, want %v", what, err, registry.ErrNotLeading)
		}
	}
	if p.Stamp(t) != before {
		t.Error("something was written")
	}
	native := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "native"}, Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "db.example.org"}}
	if _, err := p.client.CoreV1().Services(held.Namespace).Create(t.Context(), native, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.until("what others write", func(s *catalog.Snapshot) bool {
		return s.Lookup(catalog.Key{Namespace: held.Namespace, Name: "native"}) != nil
	})
	deposed.Store(false)
	if r := writer.Put(t.Context(), []*catalog.Service{more})[0]; r.Err != nil {
		t.Errorf("Put once it leads again: %v", r.Err)
	}
}

// TestElectionPlace holds where an election may be.
func TestElectionPlace(t *testing.T) {
	c := &config{name: "test", endpoint: "http://127.0.0.1:1"}
	for place, want := range map[string]string{
		"isthmus/isthmus-bridge": "",
		"isthmus":                "want NAMESPACE/NAME",
		"is.thmus/x":             "want NAMESPACE/NAME",
		"isthmus/a/b":            "want NAMESPACE/NAME",
		"":                       "find the namespace of this pod",
	} {
		e, err := c.Election("prod", place, quickTimes(), slog.New(slog.DiscardHandler))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("Election at %q = %v, %v, want %q", place, e, err, want)
		}
	}
}
