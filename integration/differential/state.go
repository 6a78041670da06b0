package differential

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	mcs "sigs.k8s.io/mcs-api/pkg/apis/v1alpha1"
)

// key names an object.
type key struct{ namespace, name string }

func (k key) compare(o key) int {
	return cmp.Or(cmp.Compare(k.namespace, o.namespace), cmp.Compare(k.name, o.name))
}

// state is what the API server holds, as far as DNS is concerned.
type state struct {
	namespaces map[string]*corev1.Namespace
	services   map[key]*corev1.Service
	slices     map[key]*discoveryv1.EndpointSlice
	pods       map[key]*corev1.Pod

	imports      map[key]*mcs.ServiceImport
	importSlices map[key]*discoveryv1.EndpointSlice // of what other clusters export
}

func newState() *state {
	return &state{
		namespaces: map[string]*corev1.Namespace{},
		services:   map[key]*corev1.Service{},
		slices:     map[key]*discoveryv1.EndpointSlice{},
		pods:       map[key]*corev1.Pod{},

		imports:      map[key]*mcs.ServiceImport{},
		importSlices: map[key]*discoveryv1.EndpointSlice{},
	}
}

// seenBy returns what of s the variant shows.
func (s *state) seenBy(v *variant) *state {
	seen := newState()
	maps.Copy(seen.pods, s.pods)
	for name, ns := range s.namespaces {
		if (!v.spaceLabels || ns.Labels[spaceLabel] != "") && (len(v.namespaces) == 0 || slices.Contains(v.namespaces, name)) {
			seen.namespaces[name] = ns
		}
	}
	for k, svc := range s.services {
		if seen.namespaces[k.namespace] != nil && (!v.labels || svc.Labels[label] == labelValue) {
			seen.services[k] = svc
		}
	}
	for k, slice := range s.slices {
		if seen.namespaces[k.namespace] != nil && (!v.labels || slice.Labels[label] == labelValue) {
			seen.slices[k] = slice
		}
	}
	return seen
}

// serviceKeys returns the services that keep takes, in order; nil takes all.
func (s *state) serviceKeys(keep func(key, *corev1.Service) bool) []key {
	var all []key
	for k, svc := range s.services {
		if keep == nil || keep(k, svc) {
			all = append(all, k)
		}
	}
	slices.SortFunc(all, key.compare)
	return all
}

func (s *state) sliceKeys() []key { return slices.SortedFunc(maps.Keys(s.slices), key.compare) }

func (s *state) podKeys() []key { return slices.SortedFunc(maps.Keys(s.pods), key.compare) }

// slicesOf returns the slices of a service, in order.
func (s *state) slicesOf(k key) []*discoveryv1.EndpointSlice {
	var all []*discoveryv1.EndpointSlice
	for _, at := range s.sliceKeys() {
		if at.namespace == k.namespace && s.slices[at].Labels[discoveryv1.LabelServiceName] == k.name {
			all = append(all, s.slices[at])
		}
	}
	return all
}

// isHeadless reports whether endpoints stand for svc itself.
func isHeadless(svc *corev1.Service) bool {
	return svc.Spec.Type != corev1.ServiceTypeExternalName && svc.Spec.ClusterIP == corev1.ClusterIPNone
}

func isAlias(svc *corev1.Service) bool { return svc.Spec.Type == corev1.ServiceTypeExternalName }

func isVirtual(svc *corev1.Service) bool { return !isAlias(svc) && !isHeadless(svc) }

// isReady reports what DNS counts as ready.
func isReady(e *discoveryv1.Endpoint) bool { return e.Conditions.Ready == nil || *e.Conditions.Ready }

// readyOf returns the ready endpoints of a service, each with its slice.
func (s *state) readyOf(k key) []endpoint {
	var all []endpoint
	for _, slice := range s.slicesOf(k) {
		for i := range slice.Endpoints {
			if isReady(&slice.Endpoints[i]) {
				all = append(all, endpoint{slice, &slice.Endpoints[i]})
			}
		}
	}
	return all
}

type endpoint struct {
	slice *discoveryv1.EndpointSlice
	*discoveryv1.Endpoint
}

// host is the label of the endpoint's first address below its service.
func (e endpoint) host() string {
	host := dashed(e.Addresses[0])
	if e.Hostname != nil {
		host = *e.Hostname
	}
	return inCluster(host, e.slice)
}

// dashed spells an address as a label.
func dashed(addr string) string {
	label := strings.NewReplacer(".", "-", ":", "-").Replace(addr)
	if strings.HasSuffix(label, "-") {
		label += "0"
	}
	return label
}

// addrs returns all addresses that services and endpoints have, sorted.
func (s *state) addrs() []netip.Addr {
	var all []netip.Addr
	add := func(text string) {
		if a, err := netip.ParseAddr(text); err == nil {
			all = append(all, a)
		}
	}
	for _, svc := range s.services {
		for _, ip := range slices.Concat(svc.Spec.ClusterIPs, outerHosts(svc)) {
			add(ip)
		}
	}
	for _, slice := range s.slices {
		for _, e := range slice.Endpoints {
			for _, ip := range e.Addresses {
				add(ip)
			}
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}

// ports are those by which a service can be asked for: its own, or those of
// its endpoints.
func (s *state) ports(k key) []port {
	var all []port
	if svc := s.services[k]; svc != nil && isVirtual(svc) {
		for _, p := range svc.Spec.Ports {
			all = append(all, port{p.Name, string(p.Protocol)})
		}
		return all
	}
	for _, slice := range s.slicesOf(k) {
		for _, p := range slice.Ports {
			all = append(all, port{*p.Name, string(*p.Protocol)})
		}
	}
	return all
}

type port struct{ name, proto string }
