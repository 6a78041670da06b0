package kubernetes

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/kubeobject"
)

// id is what tells one object of a kind, and one state of it, from others.
type id struct {
	name    types.NamespacedName
	version uint64 // the resource version
}

func idOf(o metav1.Object, texts *kubeobject.Texts) id {
	name := nameOf(o)
	name.Namespace = texts.One(name.Namespace)
	return id{name, versionOf(o)}
}

// identity is the object's name and version.
func (i id) identity() id { return i }

// service is what is kept of a Service: what it means, and itself only where
// this process may have to write it.
type service struct {
	id
	head  kubeobject.Head
	notes map[string]string // see kubeobject.NotesOf
	whole *corev1.Service   // trimmed; nil unless it is a mirror of this process's owner
}

// slice is what is kept of an EndpointSlice. There are many, so that it has no
// text twice.
type slice struct {
	namespace string
	version   uint64
	of        string // its Service
	part      kubeobject.Part
	whole     *discoveryv1.EndpointSlice
}

func (s *slice) identity() id {
	return id{types.NamespacedName{Namespace: s.namespace, Name: s.part.Name()}, s.version}
}

// namespace is what is kept of a Namespace.
type namespace struct{ id }

// keeper makes of objects what is kept of them.
type keeper struct {
	owner      string // "": nothing is written
	details    registry.Details
	noPodNames bool
	texts      *kubeobject.Texts
}

func (k keeper) service(svc *corev1.Service) *service {
	s := &service{id: idOf(svc, k.texts), head: *kubeobject.HeadOf(svc), notes: kubeobject.NotesOf(svc, k.details, k.texts)}
	if m := kubeobject.MarkOf(svc); k.owner != "" && m != nil && m.Owner == k.owner {
		trimService(svc)
		s.head, s.whole = *s.head.Own(), svc
	}
	return s
}

func (k keeper) slice(o *discoveryv1.EndpointSlice) *slice {
	k.trimPods(o)
	s := k.newSlice(o, kubeobject.PartOf(o), o.Labels[discoveryv1.LabelServiceName])
	if k.owner != "" && kubeobject.OwnsSlice(k.owner, o) {
		trimSlice(o)
		s.whole = o
	}
	return s
}

// trimPods drops what tells the pods behind the endpoints, if nobody asks.
func (k keeper) trimPods(o *discoveryv1.EndpointSlice) {
	for i := range o.Endpoints {
		if k.noPodNames {
			o.Endpoints[i].TargetRef = nil
		}
	}
}

// newSlice makes the slice of a Service. Most are named after it, whose name is
// no text of its own then.
func (k keeper) newSlice(o *discoveryv1.EndpointSlice, part *kubeobject.Part, of string) *slice {
	s := &slice{namespace: k.texts.One(o.Namespace), version: versionOf(o), of: of, part: *part}
	if name := s.part.Name(); strings.HasPrefix(name, of) {
		s.of = name[:len(of)]
	}
	return s
}

func (k keeper) namespace(ns *corev1.Namespace) *namespace { return &namespace{idOf(ns, k.texts)} }

// keeping adapts one of a keeper's ways to what a reflector hands over: an
// object as it came, or what was made of it before, maybe as an item.
func keeping[O metav1.Object, T object](t *table[T], keep func(O) T) func(any) (T, error) {
	return func(o any) (T, error) {
		if i, ok := o.(item); ok {
			o = i.kept
		}
		switch o := o.(type) {
		case T:
			return o, nil
		case O:
			if same, ok := t.same(nameOf(o), versionOf(o)); ok {
				return same, nil
			}
			return keep(o), nil
		}
		var none T
		return none, fmt.Errorf("unexpected object %T", o)
	}
}
