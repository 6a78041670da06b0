package kubeobject

import (
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// NotesOf returns what svc tells a bridge beside what Decode reads; nil for
// nothing, or if svc is a mirror. See catalog.NoteLabel and its like. Texts may
// be nil; what comes again is kept once there.
func NotesOf(svc *corev1.Service, d registry.Details, texts *Texts) map[string]string {
	if !d.Notes || MarkOf(svc) != nil {
		return nil
	}
	n := notes{all: map[string]string{}, texts: texts}
	for k, v := range svc.Annotations {
		if strings.HasPrefix(k, "isthmus.dev/") || strings.HasPrefix(k, "consul.hashicorp.com/") {
			n.set(k, v)
		}
	}
	if d.Labels {
		for k, v := range svc.Labels {
			n.set(catalog.NoteLabel+k, texts.One(v))
		}
	}
	n.first(svc.Spec.Ports)
	if t := svc.Spec.Type; t == corev1.ServiceTypeNodePort || t == corev1.ServiceTypeLoadBalancer {
		n.set(catalog.NoteType, texts.One(string(t)))
		n.nodePorts(svc.Spec.Ports)
		n.balancer(svc.Status.LoadBalancer.Ingress)
	}
	if len(n.all) == 0 {
		return nil
	}
	return n.all
}

type notes struct {
	all   map[string]string
	texts *Texts
}

func (n notes) set(k, v string) { n.all[n.texts.One(k)] = v }

// first tells which port its users put before the others, whose names sort before
// its own.
func (n notes) first(all []corev1.ServicePort) {
	for _, p := range all {
		if first := strings.ToLower(all[0].Name); strings.ToLower(p.Name) < first {
			n.set(catalog.NoteFirst, n.texts.One(first))
			return
		}
	}
}

func (n notes) nodePorts(all []corev1.ServicePort) {
	for _, p := range all {
		if p.NodePort > 0 {
			n.set(catalog.NoteNodePort+strings.ToLower(p.Name), strconv.Itoa(int(p.NodePort)))
		}
	}
}

func (n notes) balancer(all []corev1.LoadBalancerIngress) {
	var hosts []string
	for _, in := range all {
		for _, text := range []string{in.IP, in.Hostname} {
			if text != "" {
				hosts = append(hosts, catalog.ParseHost(text).String())
			}
		}
	}
	if len(hosts) > 0 {
		n.set(catalog.NoteBalancer, strings.Join(hosts, " "))
	}
}

// NodeOf returns what the catalog holds of a node: its first internal address
// and, in its metadata, its first external one; nil if it has neither.
func NodeOf(node *corev1.Node) *catalog.Node {
	internal, external := nodeAddr(node, corev1.NodeInternalIP), nodeAddr(node, corev1.NodeExternalIP)
	out := &catalog.Node{Name: node.Name, Host: internal}
	switch {
	case external == (catalog.Host{}) && internal == (catalog.Host{}):
		return nil
	case internal == (catalog.Host{}):
		out.Host = external
	}
	if external != (catalog.Host{}) {
		out.Meta = map[string]string{catalog.NodeExternal: external.String()}
	}
	return out
}

func nodeAddr(node *corev1.Node, kind corev1.NodeAddressType) catalog.Host {
	for _, a := range node.Status.Addresses {
		if addr, err := parseAddr(a.Address); a.Type == kind && err == nil {
			return catalog.Host{Addr: addr}
		}
	}
	return catalog.Host{}
}
