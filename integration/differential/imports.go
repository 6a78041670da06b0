package differential

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/miekg/dns"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	mcs "sigs.k8s.io/mcs-api/pkg/apis/v1alpha1"
)

// What other clusters export. In a multicluster zone a ServiceImport is what a
// Service is in the cluster's, so that is how it is looked at. The addresses of
// its endpoints are nobody else's, and reverse names of theirs are not asked
// for: the stock plugin packs a name for them that is none, and says nothing.

// imported returns a ServiceImport with these addresses; without any it is
// headless.
func imported(ns, name string, ips []string, ports ...string) *mcs.ServiceImport {
	i := &mcs.ServiceImport{ObjectMeta: meta(ns, name), Spec: mcs.ServiceImportSpec{Type: mcs.Headless, IPs: ips, Ports: []mcs.ServicePort{}}}
	if len(ips) > 0 {
		i.Spec.Type = mcs.ClusterSetIP
	}
	for _, t := range ports {
		name, number, proto := readPort(t)
		i.Spec.Ports = append(i.Spec.Ports, mcs.ServicePort{Name: name, Port: number, Protocol: proto})
	}
	return i
}

// importSlice returns an EndpointSlice of what a cluster exports.
func importSlice(ns, name, service, cluster string, ports []string, endpoints ...discoveryv1.Endpoint) *discoveryv1.EndpointSlice {
	s := slice(ns, name, "", ports, endpoints...)
	delete(s.Labels, discoveryv1.LabelServiceName)
	s.Labels[mcs.LabelServiceName], s.Labels[mcs.LabelSourceCluster] = service, cluster
	return s
}

// fixedImports are there from the first round to the last.
func fixedImports() []object {
	sql := []string{"sql:5432/TCP", "dns:53/UDP"}
	pending := imported("alpha", "pending", nil, "http:80/TCP")
	pending.Spec.Type = mcs.ClusterSetIP
	return []object{
		imported("alpha", "web", []string{"10.97.1.1", "fd00:10:97::101"}, "http:80/TCP", "dns:53/UDP"),
		importSlice("alpha", "i-web-c1", "web", "c1", []string{"http:8080/TCP"}, at("10.1.1.1", "host=one"), at("10.1.1.2")),
		imported("alpha", "idle", []string{"10.97.1.2"}, ":80/TCP"),
		pending,
		imported("alpha", "db", nil, "sql:5432/TCP"),
		importSlice("alpha", "i-db-c1", "db", "c1", sql, at("10.1.2.1", "host=one"), at("10.1.2.2", "pod=db-2"), at("10.1.2.9", "unready")),
		importSlice("alpha", "i-db-c2", "db", "c2", sql, at("10.2.2.1", "host=one"), at("10.2.2.2", "unknown"), at("10.2.2.3", "terminating")),
		importSlice("alpha", "i-db-c2-6", "db", "c2", sql, at("fd00:2::2:1", "host=one")),
		imported("alpha", "down", nil, "sql:5432/TCP"),
		importSlice("alpha", "i-down-c1", "down", "c1", sql, at("10.1.3.1", "unready"), at("10.1.3.2", "terminating")),
		imported("alpha", "noports", nil),
		importSlice("alpha", "i-noports-c1", "noports", "c1", nil, at("10.1.4.1")),
		imported("alpha", "nobody", nil, "sql:5432/TCP"),
		importSlice("alpha", "i-nobody", "nobody", "c_2", sql, at("10.2.5.1", "host=one")),
		imported("gamma", "db", nil, "sql:5432/TCP"),
		importSlice("gamma", "i-db-c1", "db", "c1", sql, at("10.1.6.1", "host=one")),
		importSlice("beta", "i-orphan", "gone", "c1", sql, at("10.1.7.1")),
	}
}

// imported returns what other clusters export as if it were the cluster's own.
func (s *state) imported() *state {
	own := newState()
	maps.Copy(own.namespaces, s.namespaces)
	maps.Copy(own.pods, s.pods)
	for k, i := range s.imports {
		own.services[k] = &corev1.Service{ObjectMeta: i.ObjectMeta, Spec: specOf(i)}
	}
	for k, slice := range s.importSlices {
		c := *slice
		c.Labels = maps.Clone(slice.Labels)
		c.Labels[discoveryv1.LabelServiceName] = slice.Labels[mcs.LabelServiceName]
		own.slices[k] = &c
	}
	return own
}

func specOf(i *mcs.ServiceImport) corev1.ServiceSpec {
	spec := corev1.ServiceSpec{ClusterIPs: i.Spec.IPs}
	if i.Spec.Type == mcs.Headless {
		spec.ClusterIP = corev1.ClusterIPNone
	}
	for _, p := range i.Spec.Ports {
		spec.Ports = append(spec.Ports, corev1.ServicePort{Name: p.Name, Protocol: p.Protocol, Port: p.Port})
	}
	return spec
}

// inCluster adds to an endpoint's host the cluster that the slice is of.
func inCluster(host string, slice *discoveryv1.EndpointSlice) string {
	if cluster := slice.Labels[mcs.LabelSourceCluster]; cluster != "" {
		return host + "." + cluster
	}
	return host
}

// importShapes are the forms of names in a multicluster zone. Some are asked
// for in the cluster's own, which has nothing of it.
func importShapes() []shape {
	all := []shape{
		{name: "imported zone", make: func(n *namer) string {
			return n.pick("", "", "svc.", "pod.", "dns.", "ns.dns.", "ns.dns.", "dns-version.", "dns-version.", "x.", "kubernetes.") + n.z
		}},
		{name: "imported namespace", make: func(n *namer) string {
			return n.in(n.pick(n.space()+".svc", n.space()+".svc", n.space()+".pod", "none.svc", "1-2-3-4."+n.space()+".pod", "x.1-2-3-4.alpha.pod"))
		}},
		{name: "imported virtual", make: func(n *namer) string { return n.svc(n.service(isVirtual)) }},
		{name: "imported headless", make: func(n *namer) string { return n.svc(n.service(isHeadless)) }},
		{name: "imported absent", make: func(n *namer) string {
			return n.svc(key{n.space(), n.pick("missing", "r0", "r1", "r2", "r3", "gone", "head", "web", "kube-dns")})
		}},
		{name: "imported port", make: func(n *namer) string {
			return n.port(n.pick("_", "_", "_", ""), n.pick("_", "_", "_", ""))
		}},
		{name: "imported port odd", make: func(n *namer) string {
			return n.pick("_._tcp.", "_._.", "_http._udp.", "_x._tcp.", "_sql.tcp.", "sql._tcp.", "_tcp.", "_udp.", "_c1.", "x.y.", "_one.c1.", "one._c1.") + n.svc(n.anyService())
		}},
		{name: "imported endpoint", make: func(n *namer) string { return n.endpoint(func(e endpoint) string { return e.host() }) }},
		{name: "imported endpoint odd", make: func(n *namer) string {
			return n.pick("one.", "c1.", "c2.", "one.c3.", "c1.one.", "x.one.c1.", "10-1-16-1.c1.", "two.c1.", "db-2.c1.", "eu-1a.pin._zone.", "_zone.") + n.svc(n.anyService())
		}},
	}
	for i := range all {
		all[i].family = ofClusters
	}
	return all
}

// isImported reports whether the name is in a multicluster zone.
func (d *dispute) isImported() bool { return d.zone == setZone }

func (d *dispute) importedVersion() bool {
	var want []string
	for _, r := range d.stock.answer {
		want = append(want, strings.Replace(r, `"1.1.0"`, `"1.0.0"`, 1))
	}
	return d.isImported() && d.typ == dns.TypeTXT && slices.Equal(d.labels, []string{"dns-version"}) && d.ours.is(d.stock.with(want))
}

func (d *dispute) importedPod() bool {
	n := len(d.labels)
	return d.isImported() && n > 0 && d.labels[n-1] == "pod" && !d.denies(d.name, dns.TypeA) && d.ours.is(d.denial())
}

// importedEndpoint: behind a ClusterSetIP no endpoint has a name.
func (d *dispute) importedEndpoint() bool {
	k, below := d.service()
	svc := d.s.services[k]
	return svc != nil && isVirtual(svc) && d.namesEndpoint(below) && !d.denies(d.name, dns.TypeA) && d.ours.is(d.denial())
}

// importedCluster: the names of a cluster's endpoints stand below it.
func (d *dispute) importedCluster() bool {
	k, below := d.service()
	svc := d.s.services[k]
	if !d.isImported() || svc == nil || !isHeadless(svc) || len(below) != 1 {
		return false
	}
	return slices.ContainsFunc(d.s.readyOf(k), func(e endpoint) bool { return strings.HasSuffix(e.host(), "."+below[0]) }) &&
		d.stock.is(d.denial()) && d.ours.is(d.nodata())
}

func (d *dispute) importedServer() bool { return d.isNameserver() && d.isImported() && d.ownServer() }

// importedOfNobody: no slice of the service says of which cluster it is, in a
// name that DNS could have.
func (d *dispute) importedOfNobody() bool {
	k, _ := d.service()
	svc, ready := d.s.services[k], d.s.readyOf(k)
	if !d.isImported() || svc == nil || !isHeadless(svc) || len(ready) == 0 || d.denies(d.name, dns.TypeA) {
		return false
	}
	return d.ours.is(d.denial()) && !slices.ContainsFunc(ready, func(e endpoint) bool {
		return len(validation.IsDNS1123Label(e.slice.Labels[mcs.LabelSourceCluster])) == 0
	})
}

// importedUnlabelled: the stock plugin lets labels select slices alone.
func (d *dispute) importedUnlabelled() bool {
	k, _ := d.service()
	return d.isImported() && d.v.labels && k.name != "" && d.s.services[k] == nil && !d.denies(d.name, dns.TypeA) && d.ours.is(d.denial())
}

// imported makes, changes or deletes a ServiceImport.
func (m *maker) imported() {
	k := key{m.spaceFor(), m.randomName()}
	have := m.s.imports[k]
	switch {
	case have == nil:
		i := imported(k.namespace, k.name, nil, m.ports()...)
		if m.rng.IntN(2) == 0 {
			i = imported(k.namespace, k.name, m.setIPs(), m.ports()...)
		}
		if m.rng.IntN(4) == 0 {
			delete(i.Labels, label)
		}
		m.change(i, false)
	case m.rng.IntN(3) == 0:
		m.change(have, true)
	default:
		i := have.DeepCopy()
		i.Spec.Ports = imported("", "", nil, m.ports()...).Spec.Ports
		if i.Spec.Type == mcs.ClusterSetIP {
			i.Spec.IPs = m.setIPs()
		}
		m.change(i, false)
	}
}

// setIPs returns addresses of one family or both. Others may have them, too.
func (m *maker) setIPs() []string {
	n := 1 + m.rng.IntN(120)
	v4, v6 := fmt.Sprintf("10.97.16.%d", n), fmt.Sprintf("fd00:10:97::16%02x", n)
	return [][]string{{v4}, {v6}, {v4, v6}, {v6, v4}}[m.rng.IntN(4)]
}

// importSlice makes, changes or deletes a slice of another cluster's.
func (m *maker) importSlice() {
	ns, service, cluster := m.spaceFor(), m.randomName(), m.pick("c1", "c2", "c3")
	k := key{ns, "i-" + service + "-" + cluster + m.pick("", "-6")}
	if have := m.s.importSlices[k]; have != nil && m.rng.IntN(4) == 0 {
		m.change(have, true)
		return
	}
	v6 := strings.HasSuffix(k.name, "-6")
	var all []discoveryv1.Endpoint
	for range m.rng.IntN(5) {
		n := 1 + m.rng.IntN(20)
		addr := fmt.Sprintf("10.%s.16.%d", cluster[1:], n)
		if v6 {
			addr = fmt.Sprintf("fd00:%s::16:%x", cluster[1:], n)
		}
		words := []string{m.pick("", "", "", "unready", "terminating", "unknown"), fmt.Sprintf("pod=p-%d", n)}
		if m.rng.IntN(3) == 0 {
			words = append(words, "host="+m.pick("one", "two", "three"))
		}
		all = append(all, at(addr, words...))
	}
	var ports []string
	if m.rng.IntN(8) > 0 {
		ports = m.ports()
	}
	s := importSlice(ns, k.name, service, cluster, ports, all...)
	if v6 {
		s.AddressType = discoveryv1.AddressTypeIPv6
	}
	if m.rng.IntN(6) == 0 {
		delete(s.Labels, label)
	}
	m.change(s, false)
}
