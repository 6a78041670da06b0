package kubeobject

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// maxEndpoints is how many endpoints the API server takes in one slice.
const maxEndpoints = 1000

// encodeSlices puts endpoints of one address family and one set of ports into
// a group, and a group into as many slices as it needs. Which slice of its
// group an endpoint is in depends on its address alone, so that one that comes
// or goes changes one slice.
func encodeSlices(s *catalog.Service, endpoints []catalog.Endpoint) ([]*discoveryv1.EndpointSlice, error) {
	groups := map[string][]catalog.Endpoint{}
	for _, e := range endpoints {
		id := string(family(e)) + " " + portsText(e.Ports)
		groups[id] = append(groups[id], e)
	}
	var all []*discoveryv1.EndpointSlice
	for id, group := range groups {
		parts, err := split(group)
		if err != nil {
			return nil, err
		}
		for i, part := range parts {
			if len(part) > 0 {
				all = append(all, encodeSlice(s, sliceName(s.Name, salt(s.Mark)+id, i), part))
			}
		}
	}
	slices.SortFunc(all, func(a, b *discoveryv1.EndpointSlice) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return all, nil
}

func family(e catalog.Endpoint) discoveryv1.AddressType {
	if e.Host.Addr.Is4() {
		return discoveryv1.AddressTypeIPv4
	}
	return discoveryv1.AddressTypeIPv6
}

func sliceName(service, group string, part int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s|%d", group, part))
	return service + "-" + hex.EncodeToString(sum[:5])
}

// salt lets several bridges join one Service.
func salt(m *catalog.Mark) string {
	if m.Joins {
		return "joins by " + m.Owner + "|"
	}
	return ""
}

// split parts a group by its addresses' hashes into the least power of two of
// parts that each fit into a slice.
func split(group []catalog.Endpoint) ([][]catalog.Endpoint, error) {
	for n := 1; ; n *= 2 {
		parts := make([][]catalog.Endpoint, n)
		for _, e := range group {
			h := fnv.New32a()
			h.Write(e.Host.Addr.AsSlice())
			i := int(h.Sum32() % uint32(n))
			parts[i] = append(parts[i], e)
		}
		tooLarge := slices.IndexFunc(parts, func(part []catalog.Endpoint) bool { return !fits(part) })
		if tooLarge < 0 {
			return parts, nil
		}
		if part := parts[tooLarge]; len(part) == 1 || n > len(group)*1024 {
			return nil, fmt.Errorf("endpoint %q has too much metadata: %w", part[0].ID, registry.ErrInvalid)
		}
	}
}

func fits(part []catalog.Endpoint) bool {
	return len(part) <= maxEndpoints && len(extrasText(part)) <= maxAnnotations
}

// extrasText is the JSON of what the slice has no field for, "" if nothing.
func extrasText(part []catalog.Endpoint) string {
	all := map[string]extra{}
	for _, e := range part {
		if x := (extra{Pod: e.Pod, Node: e.Node, Weight: e.Weight, Prio: e.Priority, Tags: e.Tags, Meta: e.Meta}); !x.empty() {
			all[e.Host.String()] = x
		}
	}
	if len(all) == 0 {
		return ""
	}
	text, err := json.Marshal(all)
	if err != nil {
		panic(err) // strings and numbers only
	}
	return string(text)
}

func encodeSlice(s *catalog.Service, name string, part []catalog.Endpoint) *discoveryv1.EndpointSlice {
	labels, annotations := markObject(s.Mark)
	if s.Mark.Joins {
		labels, annotations = markService(s.Mark)
	}
	labels[discoveryv1.LabelServiceName] = s.Name
	labels[discoveryv1.LabelManagedBy] = SliceManagedBy
	if text := extrasText(part); text != "" {
		annotations[annotationEndpoints] = text
	}
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: s.Namespace, Name: name, Labels: labels, Annotations: annotations},
		AddressType: family(part[0]),
	}
	for _, p := range part[0].Ports {
		slice.Ports = append(slice.Ports, encodePort(p))
	}
	for _, e := range part {
		slice.Endpoints = append(slice.Endpoints, encodeEndpoint(e))
	}
	return slice
}

func encodePort(p catalog.Port) discoveryv1.EndpointPort {
	proto, number := corev1.Protocol(p.Proto), int32(p.Number)
	out := discoveryv1.EndpointPort{Name: &p.Name, Protocol: &proto, Port: &number}
	if p.App != "" {
		out.AppProtocol = &p.App
	}
	return out
}

func encodeEndpoint(e catalog.Endpoint) discoveryv1.Endpoint {
	out := discoveryv1.Endpoint{
		Addresses:  []string{e.Host.Addr.String()},
		Conditions: discoveryv1.EndpointConditions{Ready: &e.Ready, Serving: &e.Serving, Terminating: &e.Terminating},
	}
	if e.Hostname != "" {
		out.Hostname = &e.Hostname
	}
	if e.Zone != "" {
		out.Zone = &e.Zone
	}
	return out
}
