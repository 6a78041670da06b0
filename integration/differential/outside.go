package differential

import (
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"
	corev1 "k8s.io/api/core/v1"
)

// What external zones show: services by their external addresses, and by the
// addresses and names of their load balancers.

// outerHosts returns the addresses and names that a service has outside.
func outerHosts(svc *corev1.Service) []string {
	all := append([]string(nil), svc.Spec.ExternalIPs...)
	for _, in := range svc.Status.LoadBalancer.Ingress {
		if in.IP != "" {
			all = append(all, in.IP)
		} else {
			all = append(all, in.Hostname)
		}
	}
	return all
}

// outer adds addresses outside of the cluster to a Service, and what a load
// balancer has.
func outer(svc *corev1.Service, ips []string, ingress ...corev1.LoadBalancerIngress) *corev1.Service {
	svc.Spec.ExternalIPs = ips
	if len(ingress) > 0 {
		svc.Spec.Type = corev1.ServiceTypeLoadBalancer
		svc.Status.LoadBalancer.Ingress = ingress
	}
	return svc
}

// fixedOuter are there from the first round to the last.
func fixedOuter() []object {
	byName := func(name string) corev1.LoadBalancerIngress { return corev1.LoadBalancerIngress{Hostname: name} }
	byIP := func(ip string) corev1.LoadBalancerIngress { return corev1.LoadBalancerIngress{IP: ip} }
	return []object{
		outer(virtual("alpha", "x-web", []string{"10.96.2.1"}, "http:80/TCP", "https:443/TCP", "dns:53/UDP"), []string{"203.0.113.200", "2001:db8::200"}),
		outer(virtual("alpha", "x-lb", []string{"10.96.2.2"}, "http:80/TCP"), []string{"203.0.113.200"}, byIP("203.0.113.201"), byIP("2001:db8::201")),
		outer(virtual("alpha", "x-named", []string{"10.96.2.3"}, "http:80/TCP", "dns:53/UDP"), nil, byName("host.example")),
		outer(virtual("alpha", "x-pair", []string{"10.96.2.4"}, "http:80/TCP"), nil, byName("host.example"), byName("other.example")),
		outer(virtual("alpha", "x-mixed", []string{"10.96.2.5"}, "http:80/TCP"), []string{"203.0.113.202"}, byName("host.example")),
		outer(headless("alpha", "x-fronted", "http:80/TCP"), []string{"203.0.113.203"}),
		slice("alpha", "x-fronted-a", "x-fronted", []string{"http:80/TCP"}, at("10.244.7.1", "host=one")),
		outer(virtual("gamma", "x-web", []string{"10.96.2.6"}, ":80/TCP"), []string{"203.0.113.204"}),
	}
}

// outerIPs returns addresses outside of the cluster, or none.
func (m *maker) outerIPs() []string {
	n := 1 + m.rng.IntN(40)
	v4, v6 := fmt.Sprintf("203.0.113.%d", n), fmt.Sprintf("2001:db8::%x", n)
	return [][]string{nil, {v4}, {v6}, {v4, v6}}[m.rng.IntN(4)]
}

// ingress is what a load balancer tells.
func (m *maker) ingress() []corev1.LoadBalancerIngress {
	n := 50 + m.rng.IntN(40)
	all := []corev1.LoadBalancerIngress{{IP: fmt.Sprintf("203.0.113.%d", n)}, {IP: fmt.Sprintf("2001:db8::%x", n)}}
	return all[m.rng.IntN(2):]
}

// outerShapes are the forms of names in an external zone.
func outerShapes() []shape {
	all := []shape{
		{name: "outer zone", make: func(n *namer) string {
			return n.pick("", "", "dns.", "ns1.dns.", "ns1.dns.", "ns2.dns.", "hostmaster.dns.", "a.ns1.dns.", "svc.", "x.") + n.pick(n.z, n.z, n.z, outerZone4, outerZone6)
		}},
		{name: "outer namespace", make: func(n *namer) string { return n.in(n.pick(n.space(), n.space(), "none", "x.none", "web.alpha.svc")) }},
		{name: "outer service", make: func(n *namer) string { return n.svc(n.service(isOuter)) }},
		{name: "outer named", make: func(n *namer) string {
			return n.pick("", "", "_http._tcp.", "_tcp.", "_._.", "x.") + n.svc(key{"alpha", n.pick("x-named", "x-pair", "x-mixed")})
		}},
		{name: "outer other", make: func(n *namer) string {
			return n.svc(n.service(func(svc *corev1.Service) bool { return !isOuter(svc) }))
		}},
		{name: "outer headless", make: func(n *namer) string { return n.svc(n.service(isHeadless)) }},
		{name: "outer port", make: func(n *namer) string { return n.port(n.pick("_", "_", ""), n.pick("_", "_", "")) }},
		{name: "outer below", make: func(n *namer) string {
			k := n.anyService()
			if n.rng.IntN(2) == 0 {
				k = n.service(isOuter)
			}
			return n.pick("_tcp.", "_udp.", "_._.", "_x._tcp.", "x.", "one.", "x._http._tcp.", "a.b.c.d.") + n.svc(k)
		}},
		{name: "outer endpoint", make: func(n *namer) string { return n.endpoint(func(e endpoint) string { return e.host() }) }},
		{name: "outer reverse", make: func(n *namer) string {
			ips := n.s.services[n.service(func(svc *corev1.Service) bool { return len(svc.Spec.ExternalIPs) > 0 })].Spec.ExternalIPs
			return n.reverse(n.pick(ips[n.rng.IntN(len(ips))], "203.0.113.250", "203.0.113.251", "2001:db8::99", ips[0]))
		}},
	}
	for i := range all {
		all[i].family = ofOutside
	}
	return all
}

// isOuter reports whether svc is found outside.
func isOuter(svc *corev1.Service) bool { return len(outerHosts(svc)) > 0 }

// isOuter reports whether the name is in an external zone.
func (d *dispute) isOuter() bool {
	return d.zone == outerZone || d.zone == outerZone4 || d.zone == outerZone6
}

// outerLabel: to the stock plugin any label is in front of a service with
// external addresses, and to us none but the protocols of its ports.
func (d *dispute) outerLabel() bool {
	k, below := d.service()
	svc := d.s.services[k]
	if d.zone != outerZone || svc == nil || !isOuter(svc) || len(below) != 1 || d.denies(d.name, dns.TypeA) {
		return false
	}
	if slices.ContainsFunc(svc.Spec.Ports, func(p corev1.ServicePort) bool {
		return strings.EqualFold(string(p.Protocol), strings.TrimPrefix(below[0], "_"))
	}) {
		return d.ours.is(d.nodata())
	}
	return d.ours.is(d.denial())
}

// outerOfEndpoints: the parent of the names of a service's endpoints, which
// does not stand for them itself.
func (d *dispute) outerOfEndpoints() bool {
	k, below := d.service()
	svc := d.s.services[k]
	return d.zone == outerZone && d.v.outer != "" && svc != nil && isVirtual(svc) && !isOuter(svc) && len(below) == 0 &&
		len(d.s.readyOf(k))+len(d.standIns(k)) > 0 && d.stock.is(d.denial()) && d.ours.is(d.nodata())
}

// outerNames: names stand for a service only where it has no address. Then the
// first is an alias for every type. What else they have stays outside.
func (d *dispute) outerNames() bool {
	k, below := d.service()
	svc := d.s.services[k]
	if d.zone != outerZone || svc == nil || len(below) == 1 {
		return false
	}
	names := slices.DeleteFunc(outerHosts(svc), func(h string) bool { return !strings.HasSuffix(h, ".example") })
	slices.Sort(names)
	want := d.stock
	switch {
	case len(names) == 0:
		return false
	case len(below) == 0 && len(names) == len(outerHosts(svc)):
		want = answer{flags: d.nodata().flags, answer: union([]string{d.record(d.name, "CNAME", names[0]+".")}, ownedBy(d.stock.answer, names[0]+"."))}
	case d.typ == dns.TypeSRV:
		want.extra = ownedBy(d.stock.extra, d.serviceName(k))
	default:
		want.answer = slices.DeleteFunc(ownedBy(d.stock.answer, d.name), func(r string) bool { return parseRR(r).Header().Rrtype == dns.TypeCNAME })
		if len(want.answer) == 0 {
			want = d.nodata()
		}
	}
	return !want.is(d.stock) && d.ours.is(want)
}

func (d *dispute) serviceName(k key) string { return k.name + "." + k.namespace + "." + d.zone }

// ownedBy returns the records of a name.
func ownedBy(all []string, name string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(r string) bool { return parseRR(r).Header().Name != name })
}
