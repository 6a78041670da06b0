package kubeobject

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// maxAnnotations is how many bytes the JSON of one object may have; the API
// server allows 256 KiB for all annotations of an object together.
const maxAnnotations = 200 << 10

// Objects are what a mirror is made of: the Service and its slices, sorted by
// name.
type Objects struct {
	Service *corev1.Service
	Slices  []*discoveryv1.EndpointSlice
}

// Canon returns s, which has a mark, as it reads back after the objects of
// Encode were written. See registry.Writer.
//
//	s has                                   it becomes
//	virtual or external addresses           as it is, without them
//	the type ClusterIP, but no ports        headless, since such a Service must have ports
//	endpoints with names beside addresses   those with addresses
//	one ready endpoint, with a name         ExternalName
//	only names otherwise                    an error
//	an alias                                ExternalName, without endpoints
//	endpoints of one address and one set    one endpoint, the best said of it
//	    of ports
//	port names that Kubernetes refuses      names that it takes
//	ports of one protocol and number        one of the Service; all of its endpoints
//	what joins a native Service             its endpoints and their ports; absence without any
func Canon(s *catalog.Service) (*catalog.Service, error) {
	objects, err := Encode(s)
	if err != nil {
		return nil, err
	}
	if s.Mark.Joins {
		return canonOfJoin(s.Key, objects.Slices)
	}
	return Decode(objects.Service, objects.Slices)
}

func canonOfJoin(key catalog.Key, all []*discoveryv1.EndpointSlice) (*catalog.Service, error) {
	if len(all) == 0 {
		return nil, nil
	}
	parts := make([]*Part, len(all))
	for i, slice := range all {
		parts[i] = PartOf(slice)
	}
	s, err := joining(key, parts)
	s.Version = ""
	return s, err
}

// Encode returns the objects that hold s, which has a mark; the Service is nil if
// s joins a native one. They depend on s
// alone, and equal services have equal objects. An error wraps
// registry.ErrInvalid and says why s cannot be held. s is neither kept nor
// modified.
func Encode(s *catalog.Service) (*Objects, error) {
	if err := check(s); err != nil {
		return nil, err
	}
	f, err := fit(s)
	if err != nil {
		return nil, err
	}
	all, err := encodeSlices(s, f.endpoints)
	if err != nil || s.Mark.Joins {
		return &Objects{Slices: all}, err
	}
	svc, err := encodeService(s, f)
	if err != nil {
		return nil, err
	}
	return &Objects{Service: svc, Slices: all}, nil
}

// check refuses what no server would take.
func check(s *catalog.Service) error {
	if err := checkMark(s.Mark); err != nil {
		return err
	}
	for _, name := range []string{s.Name, s.Namespace} {
		if errs := validation.IsDNS1123Label(name); len(errs) > 0 {
			return fmt.Errorf("name %q: %s: %w", name, errs[0], registry.ErrInvalid)
		}
	}
	if !utf8.ValidString(string(s.Mark.Of+s.Mark.Via)) || !utf8.ValidString(s.Mark.Key.String()) {
		return fmt.Errorf("mark of key %q is not UTF-8: %w", s.Mark.Key, registry.ErrInvalid)
	}
	return nil
}

func encodeService(s *catalog.Service, f fitted) (*corev1.Service, error) {
	labels, annotations := markService(s.Mark)
	if err := annotate(annotations, s); err != nil {
		return nil, err
	}
	svc := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: s.Name, Labels: labels, Annotations: annotations},
		Spec: corev1.ServiceSpec{
			Type:            corev1.ServiceTypeClusterIP,
			ClusterIP:       corev1.ClusterIPNone,
			SessionAffinity: corev1.ServiceAffinityNone,
			Ports:           servicePorts(f.ports),
		},
	}
	switch {
	case f.alias != "":
		svc.Spec.Type = corev1.ServiceTypeExternalName
		svc.Spec.ClusterIP = ""
		svc.Spec.ExternalName = f.alias
	case s.Type == catalog.ClusterIP && len(f.ports) > 0:
		svc.Spec.ClusterIP = "" // the server's to give, of both families where it has them
		svc.Spec.IPFamilyPolicy = new(corev1.IPFamilyPolicyPreferDualStack)
	}
	return svc, nil
}

// annotate adds what a Service has no field for.
func annotate(annotations map[string]string, s *catalog.Service) error {
	if s.TTL > 0 && s.TTL <= maxTTL {
		annotations[annotationTTL] = ttlText(s.TTL)
	}
	rest := maps.Clone(s.Meta)
	tags, tagged := rest[MetaTags]
	delete(rest, MetaTags)
	if tagged {
		annotations[MetaTags] = tags
	}
	if len(rest) == 0 && len(tags) <= maxAnnotations {
		return nil
	}
	text, err := json.Marshal(rest)
	if err != nil {
		return fmt.Errorf("encode metadata: %w", err)
	}
	if n := len(text) + len(tags); n > maxAnnotations {
		return fmt.Errorf("metadata has %d bytes, at most %d fit: %w", n, maxAnnotations, registry.ErrInvalid)
	}
	annotations[annotationMeta] = string(text)
	return nil
}

func ttlText(ttl time.Duration) string {
	if ttl%time.Second == 0 {
		return strconv.Itoa(int(ttl / time.Second))
	}
	return ttl.String()
}

func servicePorts(all []catalog.Port) []corev1.ServicePort {
	var ports []corev1.ServicePort
	for _, p := range all {
		port := corev1.ServicePort{
			Name:       p.Name,
			Protocol:   corev1.Protocol(p.Proto),
			Port:       int32(p.Number),
			TargetPort: intstr.FromInt32(int32(p.Number)),
		}
		if p.App != "" {
			port.AppProtocol = &p.App
		}
		ports = append(ports, port)
	}
	return ports
}

// nameAlias checks a target of an ExternalName Service.
func nameAlias(name string) (string, error) {
	alias, err := aliasOf(name)
	if err != nil {
		return "", err
	}
	if errs := validation.IsDNS1123Subdomain(alias); len(errs) > 0 {
		return "", fmt.Errorf("alias %q: %s: %w", name, errs[0], registry.ErrInvalid)
	}
	return alias, nil
}

func label(text string) string {
	text = strings.ToLower(text)
	if len(validation.IsDNS1123Label(text)) > 0 {
		return ""
	}
	return text
}
