package manifests

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/registrytest"
)

func TestConformance(t *testing.T) {
	registrytest.Run(t, func(t *testing.T) registrytest.Place {
		return &place{folder: t.TempDir()}
	}, registrytest.Writing, registrytest.Cutting, registrytest.Moving, registrytest.Forgetting, registrytest.Sharing, registrytest.Fencing)
}

// place is a folder, changed as people and programs change files.
type place struct {
	folder string
	broken int
}

var _ registrytest.Namespaced = (*place)(nil)

func (p *place) Reader(t registrytest.T) registry.Registry {
	r, err := (&config{name: "test", folder: p.folder}).Reader(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return r
}

func (p *place) Key(_ registrytest.T, namespace, name string) catalog.Key {
	return catalog.Key{Namespace: namespace, Name: name}
}

func (p *place) Seen(s *catalog.Service) *catalog.Service { return s }

// Register writes a file for each service, as GitOps tools do.
func (p *place) Register(t registrytest.T, s *catalog.Service) {
	svc := &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: s.Name},
		Spec:       corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone},
	}
	for _, port := range s.Ports {
		svc.Spec.Ports = append(svc.Spec.Ports, corev1.ServicePort{Name: port.Name, Port: int32(port.Number)})
	}
	docs := []any{svc}
	i := 0
	for part := range slices.Chunk(s.Endpoints, 1000) {
		slice := &discoveryv1.EndpointSlice{
			TypeMeta: metav1.TypeMeta{APIVersion: "discovery.k8s.io/v1", Kind: "EndpointSlice"},
			ObjectMeta: metav1.ObjectMeta{
				Namespace: s.Namespace, Name: fmt.Sprintf("%s-%d", s.Name, i),
				Labels: map[string]string{discoveryv1.LabelServiceName: s.Name},
			},
			AddressType: discoveryv1.AddressTypeIPv4,
		}
		i++
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
		docs = append(docs, slice)
	}
	p.write(t, fileOf(s.Key), docs...)
}

func fileOf(k catalog.Key) string { return "service-" + k.Namespace + "-" + k.Name + ".yaml" }

// write replaces a file in one step.
func (p *place) write(t registrytest.T, name string, docs ...any) {
	var b bytes.Buffer
	for _, doc := range docs {
		text, err := yaml.Marshal(doc)
		if err != nil {
			t.Fatalf("write %s: %v", name, err)
		}
		b.WriteString("---\n")
		b.Write(text)
	}
	p.writeText(t, name, b.String())
}

func (p *place) writeText(t registrytest.T, name, text string) {
	hidden := filepath.Join(p.folder, "."+name)
	err := os.WriteFile(hidden, []byte(text), 0o644)
	if err == nil {
		err = os.Rename(hidden, filepath.Join(p.folder, name))
	}
	if err != nil {
		t.Fatalf("write: %v", err)
	}
}

func (p *place) remove(t registrytest.T, name string) {
	if err := os.Remove(filepath.Join(p.folder, name)); err != nil {
		t.Fatalf("remove: %v", err)
	}
}

func (p *place) Unregister(t registrytest.T, k catalog.Key) { p.remove(t, fileOf(k)) }

// Malform writes a file whose second document is broken. Reported is where
// that one begins.
func (p *place) Malform(t registrytest.T, _ catalog.Key) string {
	p.broken++
	name := fmt.Sprintf("broken-%d.yaml", p.broken)
	p.writeText(t, name, "apiVersion: v1\nkind: Secret\n---\nkind: [\n")
	return name + ":4"
}

func (p *place) Mend(t registrytest.T, record string) {
	name, _, _ := strings.Cut(record, ":")
	p.remove(t, name)
}

func (p *place) AddNamespace(t registrytest.T, name string) string {
	p.write(t, "namespace-"+name+".yaml", &corev1.Namespace{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
	})
	return name
}

func (p *place) RemoveNamespace(t registrytest.T, name string) {
	p.remove(t, "namespace-"+name+".yaml")
}
