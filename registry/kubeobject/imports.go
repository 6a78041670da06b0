package kubeobject

import (
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	mcs "sigs.k8s.io/mcs-api/pkg/apis/v1alpha1"

	"github.com/isthmus-dns/isthmus/catalog"
)

// DecodeImport returns what the catalog holds of a service that other clusters
// export to this one. A ClusterSetIP is what ClusterIP means within one
// cluster. all are the slices labelled with the service's name, in any order;
// each belongs to the cluster in its label. What is returned, and what happens
// to the arguments, is as with Decode.
func DecodeImport(imp *mcs.ServiceImport, all []*discoveryv1.EndpointSlice) (*catalog.Service, error) {
	parts := make([]*Part, len(all))
	for i, slice := range all {
		parts[i] = PartOfImport(slice)
	}
	return HeadOfImport(imp).Join(parts)
}

// HeadOfImport reads imp, which is neither kept nor modified.
func HeadOfImport(imp *mcs.ServiceImport) *Head {
	d := decoder{out: &catalog.Service{
		Key:     catalog.Key{Namespace: strings.ToLower(imp.Namespace), Name: strings.ToLower(imp.Name)},
		Version: imp.ResourceVersion,
	}}
	switch imp.Spec.Type {
	case mcs.Headless:
		d.out.Type = catalog.Headless
	case mcs.ClusterSetIP:
		d.out.Type = catalog.ClusterIP
		d.addrs("ips", imp.Spec.IPs)
	default:
		return &Head{err: fmt.Errorf("unknown type %q", imp.Spec.Type)}
	}
	d.ports(importPorts(imp.Spec.Ports))
	return d.head(0)
}

// PartOfImport is PartOf for a slice of what another cluster exports. One that
// does not tell its cluster could have no names for its endpoints, and is left
// out.
func PartOfImport(slice *discoveryv1.EndpointSlice) *Part {
	cluster := strings.ToLower(slice.Labels[mcs.LabelSourceCluster])
	r := sliceReader{slice: slice, cluster: cluster}
	if len(validation.IsDNS1123Label(cluster)) == 0 {
		return r.part()
	}
	r.leaveOut("label %s: %q is no name of a cluster", mcs.LabelSourceCluster, cluster)
	p := newPart(slice)
	p.err = errors.Join(r.left...)
	return p
}

// importPorts returns the ports as those of a Service.
func importPorts(all []mcs.ServicePort) []corev1.ServicePort {
	ports := make([]corev1.ServicePort, len(all))
	for i, p := range all {
		ports[i] = corev1.ServicePort{Name: p.Name, Protocol: p.Protocol, AppProtocol: p.AppProtocol, Port: p.Port}
	}
	return ports
}

// ImportOf returns the name of the ServiceImport that a slice belongs to, in
// the slice's namespace, or "".
func ImportOf(slice *discoveryv1.EndpointSlice) string { return slice.Labels[LabelImport] }

// LabelImport is the label that ImportOf reads.
const LabelImport = mcs.LabelServiceName
