package kubeobject

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// Decode returns what the catalog holds of svc, whose slices may be in any
// order. A nil service with an error means that svc cannot be read at all; a
// service with an error that a part of it was left out. Neither svc nor slices
// are kept or modified.
//
// Of a mirror, only what its owner wrote counts: foreign slices are left out,
// and Own leaves out what the server fills in. Of a native one, slices that a bridge
// wrote are left out, but for those that join it; see Head.Apart.
func Decode(svc *corev1.Service, all []*discoveryv1.EndpointSlice) (*catalog.Service, error) {
	parts := make([]*Part, len(all))
	for i, slice := range all {
		parts[i] = PartOf(slice)
	}
	return HeadOf(svc).Join(parts)
}

// Head is what a Service says by itself, read once and kept small. It is
// immutable.
type Head struct {
	svc    catalog.Packed // without endpoints; its version is the Service's own. "": unreadable
	weight int            // of every endpoint that has none of its own
	err    error          // what was left out, or why it is unreadable
}

// HeadOf reads svc, which is neither kept nor modified.
func HeadOf(svc *corev1.Service) *Head {
	d := decoder{out: &catalog.Service{
		Key:     catalog.Key{Namespace: strings.ToLower(svc.Namespace), Name: strings.ToLower(svc.Name)},
		Mark:    MarkOf(svc),
		Version: svc.ResourceVersion,
	}}
	if err := d.kind(svc); err != nil {
		return &Head{err: err}
	}
	d.ports(svc.Spec.Ports)
	d.annotations(svc)
	if d.out.Mark == nil {
		d.external(svc)
	}
	weight := 0
	if d.out.Type != catalog.ExternalName {
		weight = d.weight(svc.Annotations[annotationWeight])
	}
	return d.head(weight)
}

// Own is what is read of a mirror of one's own: without what the server fills
// in, so that it is what was written.
func (h *Head) Own() *Head {
	if h.svc == "" {
		return h
	}
	own, svc := *h, h.svc.Service()
	svc.Addrs = nil
	own.svc = catalog.Pack(svc)
	return &own
}

type decoder struct {
	out  *catalog.Service
	left []error
}

func (d *decoder) head(weight int) *Head {
	d.out.Sort()
	return &Head{svc: catalog.Pack(d.out), weight: weight, err: errors.Join(d.left...)}
}

func (d *decoder) leaveOut(format string, args ...any) {
	d.left = append(d.left, fmt.Errorf(format, args...))
}

// kind reads the type with what belongs to it.
func (d *decoder) kind(svc *corev1.Service) error {
	switch svc.Spec.Type {
	case corev1.ServiceTypeExternalName:
		d.out.Type = catalog.ExternalName
		alias, err := aliasOf(svc.Spec.ExternalName)
		d.out.Alias = alias
		return err
	case corev1.ServiceTypeClusterIP, corev1.ServiceTypeNodePort, corev1.ServiceTypeLoadBalancer, "":
		d.clusterIPs(svc)
		return nil
	}
	return fmt.Errorf("unknown service type %q", svc.Spec.Type)
}

// aliasOf checks and normalises an ExternalName's target.
func aliasOf(name string) (string, error) {
	switch host := catalog.ParseHost(strings.TrimSpace(name)); {
	case host.Addr.IsValid():
		return "", fmt.Errorf("externalName %q is an address, not a name: %w", name, registry.ErrInvalid)
	case host.Name == "":
		return "", fmt.Errorf("externalName is empty: %w", registry.ErrInvalid)
	default:
		return host.Name, nil
	}
}

// clusterIPs reads the virtual addresses. A Service that has none is headless,
// but for a bridge's that waits for the server to give it one.
func (d *decoder) clusterIPs(svc *corev1.Service) {
	texts := svc.Spec.ClusterIPs
	if len(texts) == 0 {
		texts = []string{svc.Spec.ClusterIP}
	}
	texts = slices.DeleteFunc(slices.Clone(texts), func(text string) bool { return text == "" || text == corev1.ClusterIPNone })
	d.out.Type = catalog.Headless
	if len(texts) > 0 {
		d.out.Type = catalog.ClusterIP
	}
	d.addrs("clusterIP", texts)
	if m := d.out.Mark; m != nil && m.Owner != catalog.UnknownOwner && svc.Spec.ClusterIP != corev1.ClusterIPNone {
		d.out.Type = catalog.ClusterIP
	}
}

// addrs reads virtual addresses, which stand in a field of that name.
func (d *decoder) addrs(field string, texts []string) {
	for _, text := range texts {
		addr, err := parseAddr(text)
		if err != nil {
			d.leaveOut("%s: %w", field, err)
			continue
		}
		d.out.Addrs = append(d.out.Addrs, addr)
	}
}

func (d *decoder) ports(all []corev1.ServicePort) {
	if len(all) > 0 {
		d.out.Ports = make([]catalog.Port, 0, len(all))
	}
	for _, p := range all {
		if p.Port < 1 || p.Port > 65535 {
			d.leaveOut("port %d is out of range", p.Port)
			continue
		}
		d.out.Ports = append(d.out.Ports, catalog.Port{
			Name:   strings.ToLower(p.Name),
			Proto:  protoOf(p.Protocol),
			Number: uint16(p.Port),
			App:    deref(p.AppProtocol, ""),
		})
	}
}

// protoOf returns constants where there are any, so that no object is held for
// the sake of three letters.
func protoOf(p corev1.Protocol) catalog.Protocol {
	switch p {
	case "", corev1.ProtocolTCP:
		return catalog.TCP
	case corev1.ProtocolUDP:
		return catalog.UDP
	case corev1.ProtocolSCTP:
		return catalog.SCTP
	}
	return catalog.Protocol(p)
}

// external reads the addresses and names by which others reach the service.
func (d *decoder) external(svc *corev1.Service) {
	for _, text := range svc.Spec.ExternalIPs {
		d.addExternal("externalIPs", catalog.ParseHost(text))
	}
	for _, in := range svc.Status.LoadBalancer.Ingress {
		if in.IP != "" {
			d.addExternal("load balancer", catalog.ParseHost(in.IP))
		}
		if in.Hostname != "" {
			d.addExternal("load balancer", catalog.ParseHost(in.Hostname))
		}
	}
}

func (d *decoder) addExternal(where string, host catalog.Host) {
	if host.Addr.IsValid() {
		if err := registry.CheckAddr(host.Addr); err != nil {
			d.leaveOut("%s: %w", where, err)
			return
		}
	}
	if !slices.Contains(d.out.External, host) {
		d.out.External = append(d.out.External, host)
	}
}

// annotations reads the time to live and a mirror's metadata.
func (d *decoder) annotations(svc *corev1.Service) {
	if text, ok := svc.Annotations[annotationTTL]; ok {
		ttl, err := parseTTL(text)
		if err != nil {
			d.leaveOut("annotation %s: %w", annotationTTL, err)
		}
		d.out.TTL = ttl
	}
	if text := svc.Annotations[annotationMeta]; d.out.Mark != nil && text != "" {
		if err := json.Unmarshal([]byte(text), &d.out.Meta); err != nil {
			d.leaveOut("annotation %s: %w", annotationMeta, err)
		}
	}
	if tags, tagged := svc.Annotations[MetaTags]; tagged {
		if d.out.Meta == nil {
			d.out.Meta = map[string]string{}
		}
		d.out.Meta[MetaTags] = tags
	}
}

// weight reads the annotation that gives all endpoints of a service their
// weight.
func (d *decoder) weight(text string) int {
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 65535 {
		d.leaveOut("annotation %s: %q is no weight", annotationWeight, text)
		return 0
	}
	return n
}

// maxTTL is the longest time to live that is taken for one.
const maxTTL = 365 * 24 * time.Hour

// parseTTL reads whole seconds, or a duration with its unit.
func parseTTL(text string) (time.Duration, error) {
	ttl, err := time.ParseDuration(text)
	if n, nerr := strconv.Atoi(text); nerr == nil {
		ttl, err = time.Duration(n)*time.Second, nil
	}
	if err != nil || ttl < 0 || ttl > maxTTL {
		return 0, fmt.Errorf("%q is no time to live", text)
	}
	return ttl, nil
}

func parseAddr(text string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return addr, fmt.Errorf("%q is not an IP address: %w", text, registry.ErrInvalid)
	}
	return addr, registry.CheckAddr(addr)
}
