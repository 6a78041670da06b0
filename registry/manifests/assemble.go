package manifests

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/kubeobject"
)

// content is what a folder holds.
type content struct {
	details    registry.Details
	namespaces []string
	services   map[catalog.Ref]*catalog.Service
	refused    map[string]error // by the place of the record
}

// assemble makes services out of all records, which stand in the order in
// which they count, with details as asked for. It is pure.
func assemble(all []record, d registry.Details) content {
	c := content{details: d, services: map[catalog.Ref]*catalog.Service{}, refused: map[string]error{}}
	spaces := map[string]bool{}
	var services []record
	var pods []*corev1.Pod
	bySvc := map[types.NamespacedName][]*discoveryv1.EndpointSlice{}
	for _, r := range c.once(all) {
		spaces[r.object.GetNamespace()] = true
		switch o := r.object.(type) {
		case *corev1.Service:
			services = append(services, r)
		case *discoveryv1.EndpointSlice:
			of := types.NamespacedName{Namespace: o.Namespace, Name: o.Labels[discoveryv1.LabelServiceName]}
			bySvc[of] = append(bySvc[of], o)
		case *corev1.Pod:
			pods = append(pods, o)
		case *corev1.Namespace:
			spaces[o.Name] = true
		}
	}
	delete(spaces, "")
	c.namespaces = slices.Sorted(maps.Keys(spaces))
	near := byNamespace(pods)
	for _, r := range services {
		svc := r.object.(*corev1.Service)
		slices := bySvc[types.NamespacedName{Namespace: svc.Namespace, Name: svc.Name}]
		if slices == nil {
			slices = selected(svc, near[svc.Namespace])
		}
		c.add(r, svc, slices)
	}
	return c
}

// once leaves out what is defined already.
func (c *content) once(all []record) []record {
	first := map[string]record{}
	var kept []record
	for _, r := range all {
		if was, there := first[r.id()]; there {
			c.refuse(r, fmt.Errorf("%s is defined in %s already", r.id(), was.place()))
			continue
		}
		first[r.id()] = r
		kept = append(kept, r)
	}
	return kept
}

func (c *content) add(r record, svc *corev1.Service, slices []*discoveryv1.EndpointSlice) {
	out, err := kubeobject.Decode(svc, slices)
	if err != nil {
		c.refuse(r, fmt.Errorf("%s: %w", r.id(), err))
	}
	if out != nil {
		out.Version = ""
		if out.Mark == nil {
			out.Meta = kubeobject.NotesOf(svc, c.details, nil)
		}
		sum := sha256.Sum256([]byte(out.Text()))
		out.Version = hex.EncodeToString(sum[:8])
		c.services[out.Ref()] = out
	}
}

// refuse notes what is wrong with a record; several of one document join.
func (c *content) refuse(r record, err error) {
	if was := c.refused[r.place()]; was != nil {
		err = fmt.Errorf("%w; %w", was, err)
	}
	c.refused[r.place()] = err
}
