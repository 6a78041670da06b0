package differential

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
	corev1 "k8s.io/api/core/v1"
)

// shape is one form that names have.
type shape struct {
	name   string
	make   func(*namer) string
	family family
}

// shapes are all of them. What a name needs is there in every state, since the
// fixtures are.
func shapes() []shape {
	return slices.Concat(clusterShapes(), importShapes(), outerShapes())
}

func clusterShapes() []shape {
	return []shape{
		{name: "zone", make: func(n *namer) string { return n.z }},
		{name: "branch", make: func(n *namer) string { return n.in(n.pick("svc", "pod")) }},
		{name: "dns", make: func(n *namer) string { return n.in("dns") }},
		{name: "version", make: func(n *namer) string { return n.in("dns-version") }},
		{name: "nameserver", make: func(n *namer) string { return n.in("ns.dns") }},
		{name: "stray", make: func(n *namer) string {
			return n.in(n.pick("x", "x.y", "kubernetes", "alpha", "web.alpha", "hostmaster", "x.dns"))
		}},
		{name: "namespace", make: func(n *namer) string { return n.in(n.space() + ".svc") }},
		{name: "namespace absent", make: func(n *namer) string {
			return n.in(n.pick("none", nowhere, "delta", "epsilon", "x-y") + n.pick(".svc", ".pod"))
		}},
		{name: "namespace of pods", make: func(n *namer) string { return n.in(n.space() + ".pod") }},
		{name: "virtual", make: func(n *namer) string { return n.svc(n.service(isVirtual)) }},
		{name: "headless", make: func(n *namer) string { return n.svc(n.service(isHeadless)) }},
		{name: "headless empty", make: func(n *namer) string { return n.svc(key{"alpha", n.pick("empty", "none", "r1", "r2")}) }},
		{name: "big", make: func(n *namer) string { return n.svc(key{"alpha", "big"}) }},
		{name: "long", make: (*namer).long},
		{name: "alias", make: func(n *namer) string { return n.svc(n.service(isAlias)) }},
		{name: "alias deep", make: func(n *namer) string {
			if n.z != mainZone { // from there the stock plugin follows more
				return n.svc(key{"alpha", "chain-2"})
			}
			return n.svc(key{"alpha", n.pick("chain-0", "chain-1", "chain-2", "chain-3", "chain-4", "chain-9", "loop-a", "self", "below")})
		}},
		{name: "below alias", make: func(n *namer) string {
			return n.pick("x.", "_http._tcp.", "_._.", "one.", "_tcp.") + n.svc(n.service(isAlias))
		}},
		{name: "service absent", make: func(n *namer) string {
			return n.svc(key{n.space(), n.pick("missing", "r0", "r3", "r6", "gone", "web", "kube-dns")})
		}},
		{name: "port", make: func(n *namer) string { return n.port("_", "_") }},
		{name: "port bare", make: func(n *namer) string { return n.port(n.pick("", "_"), n.pick("", "_")) }},
		{name: "port wild", make: func(n *namer) string {
			return n.pick("_._tcp.", "_._udp.", "_http._.", "_._.", "_._x.") + n.svc(n.anyService())
		}},
		{name: "port absent", make: func(n *namer) string {
			return n.pick("_x._tcp.", "_http._udp.", "_http._x.", "__http._tcp.", "x.y.") + n.svc(n.anyService())
		}},
		{name: "protocol", make: func(n *namer) string { return n.pick("_tcp.", "_udp.", "_sctp.", "tcp.", "_.") + n.svc(n.anyService()) }},
		{name: "endpoint", make: func(n *namer) string { return n.endpoint(func(e endpoint) string { return e.host() }) }},
		{name: "endpoint by address", make: func(n *namer) string { return n.endpoint(func(e endpoint) string { return dashed(e.Addresses[0]) }) }},
		{name: "endpoint by pod", make: (*namer).byPod},
		{name: "endpoint absent", make: func(n *namer) string {
			return n.pick("x.", "10-244-3-9.", "10-244-3-4.", "10-9-9-9.", "one.", "fd00--1.") + n.svc(n.anyService())
		}},
		{name: "zonal", make: func(n *namer) string {
			return n.pick("eu-1a", "eu-1b", "eu.west", "none") + n.pick(".pin", ".prefer") + "._zone." + n.zonal()
		}},
		{name: "zonal parent", make: func(n *namer) string {
			return n.pick("_zone.", "pin._zone.", "prefer._zone.", "x.other._zone.", "other._zone.") + n.zonal()
		}},
		{name: "escaped", make: func(n *namer) string {
			return n.pick(`a\.b.`, `\000.`, `web\.alpha.svc.`, `one\.head.alpha.svc.`, `_http\._tcp.web.alpha.svc.`, `1-2-3-4\.alpha.pod.`, `*.alpha.svc.`, `\ .svc.`) + n.z
		}},
		{name: "too long", make: func(n *namer) string { return n.pick("x.y.z.", "_x._http._tcp.", "a.b.c.d.e.") + n.svc(n.anyService()) }},
		{name: "search path", make: (*namer).search},
		{name: "pod", make: func(n *namer) string {
			return n.podName(n.pick("1-2-3-4", "10-244-16-3", "255-255-255-255", "fd00--1", "--1", "2001-db8--", "--ffff-a00-1"))
		}},
		{name: "pod known", make: (*namer).knownPod},
		{name: "pod odd", make: func(n *namer) string {
			return n.podName(n.pick("1-2-3", "1-2-3-256", "01-2-3-4", "1-2-3-4-5", "x", "1--2-3", "fd00-1", "g--1", "-", "1-2-3-x"))
		}},
		{name: "below pod", make: func(n *namer) string { return n.pick("x.", "_http._tcp.", "x.y.", "a.b.c.") + n.knownPod() }},
		{name: "reverse service", make: func(n *namer) string { return n.reverse(n.serviceAddr()) }},
		{name: "reverse endpoint", make: func(n *namer) string { return n.reverse(n.endpointAddr()) }},
		{name: "reverse absent", make: func(n *namer) string {
			return n.reverse(n.pick("10.9.9.9", "10.96.200.1", "192.0.2.77", "fd00::9", "2001:db8::1", lonely(n.rng.IntN(16), n.rng.IntN(2) == 0)))
		}},
		{name: "reverse part", make: (*namer).part},
		{name: "reverse zone", make: func(n *namer) string { return n.pick(zone4, zone6) }},
		{name: "reverse odd", make: (*namer).oddReverse},
		{name: "outside", make: func(n *namer) string {
			return n.pick("host.example.", "big.example.", "nx.example.", "example.", "local.", ".")
		}},
	}
}

// types are asked of every shape.
func types() []uint16 {
	return []uint16{
		dns.TypeA, dns.TypeAAAA, dns.TypeSRV, dns.TypeTXT, dns.TypeCNAME, dns.TypePTR,
		dns.TypeSOA, dns.TypeNS, dns.TypeMX, dns.TypeANY, dns.TypeHTTPS, 65280,
	}
}

// namer makes names out of what is there, or was, or never will be.
type namer struct {
	rng *rand.Rand
	s   *state
	z   string // the zone that is not a reverse one
}

func (n *namer) pick(all ...string) string { return all[n.rng.IntN(len(all))] }

func (n *namer) in(left string) string { return left + "." + n.z }

func (n *namer) svc(k key) string {
	if n.z == outerZone {
		return n.in(k.name + "." + k.namespace)
	}
	return n.in(k.name + "." + k.namespace + ".svc")
}

func (n *namer) space() string {
	return n.pick("alpha", "alpha", "beta", "gamma", "delta", "kube-system", "default", longLabel("n"))
}

// service returns one that is there.
func (n *namer) service(keep func(*corev1.Service) bool) key {
	all := n.s.serviceKeys(func(_ key, svc *corev1.Service) bool { return keep(svc) })
	return all[n.rng.IntN(len(all))]
}

func (n *namer) anyService() key {
	return n.service(func(svc *corev1.Service) bool { return !isAlias(svc) })
}

func (n *namer) zonal() string {
	if n.rng.IntN(3) == 0 {
		return n.svc(n.service(func(*corev1.Service) bool { return true }))
	}
	return n.svc(n.service(isHeadless))
}

func (n *namer) long() string {
	at := n.svc(key{longLabel("n"), longLabel("s")})
	return n.pick("", "_"+longLabel("p")[:62]+"._tcp.", longLabel("h")+".", "_tcp.") + at
}

func (n *namer) port(before, between string) string {
	k := n.anyService()
	ports := n.s.ports(k)
	if len(ports) == 0 {
		return "_http._tcp." + n.svc(k)
	}
	p := ports[n.rng.IntN(len(ports))]
	if p.name == "" {
		before = "_"
	}
	return strings.ToLower(before+p.name+"."+between+p.proto+".") + n.svc(k)
}

// endpoint names a ready endpoint of some service by label.
func (n *namer) endpoint(name func(endpoint) string) string {
	for range 20 {
		k := n.anyService()
		if all := n.s.readyOf(k); len(all) > 0 {
			return name(all[n.rng.IntN(len(all))]) + "." + n.svc(k)
		}
	}
	return "one." + n.svc(key{"alpha", "head"})
}

func (n *namer) byPod() string {
	return n.endpoint(func(e endpoint) string {
		if e.TargetRef != nil && len(e.TargetRef.Name) < 64 {
			return e.TargetRef.Name
		}
		return "head-2"
	})
}

func (n *namer) search() string {
	name := n.pick("web.alpha.svc.cluster.local", "host.example", "web", "ns.dns.cluster.local", "dns-version.cluster.local", "ns.dns", "1-2-3-4.alpha.pod.cluster.local")
	return name + n.pick(".alpha.svc.", ".svc.", ".") + n.z
}

func (n *namer) podName(label string) string {
	return n.in(label + "." + n.pick(n.space(), n.space(), n.space(), nowhere) + ".pod")
}

// knownPod spells an address of a pod, not always as the API does.
func (n *namer) knownPod() string {
	keys := n.s.podKeys()
	k := keys[n.rng.IntN(len(keys))]
	ips := n.s.pods[k].Status.PodIPs
	addr := netip.MustParseAddr(ips[n.rng.IntN(len(ips))].IP)
	label := dashed(addr.String())
	if n.rng.IntN(3) == 0 {
		label = dashed(addr.StringExpanded())
	}
	return n.in(label + "." + k.namespace + ".pod")
}

func (n *namer) reverse(addr string) string {
	name, err := dns.ReverseAddr(addr)
	if err != nil {
		return zone4
	}
	return name
}

func (n *namer) serviceAddr() string {
	ips := n.s.services[n.service(isVirtual)].Spec.ClusterIPs
	return ips[n.rng.IntN(len(ips))]
}

func (n *namer) endpointAddr() string {
	keys := slices.DeleteFunc(n.s.sliceKeys(), func(k key) bool {
		return len(n.s.slices[k].Endpoints) == 0 || n.s.slices[k].AddressType == "FQDN"
	})
	s := n.s.slices[keys[n.rng.IntN(len(keys))]]
	return s.Endpoints[n.rng.IntN(len(s.Endpoints))].Addresses[0]
}

// part cuts labels off the front of a reverse name.
func (n *namer) part() string {
	alone := lonely(n.rng.IntN(16), n.rng.IntN(2) == 0)
	name := n.reverse(n.pick(n.serviceAddr(), n.endpointAddr(), alone, alone, "10.9.9.9", "2001:db8::1"))
	labels := dns.SplitDomainName(name)
	cut := 1 + n.rng.IntN(len(labels)-3)
	return strings.Join(labels[cut:], ".") + "."
}

func (n *namer) oddReverse() string {
	switch n.rng.IntN(4) {
	case 0:
		return n.pick("svc.", "pod.", "dns-version.", "ns.dns.", "dns.", "alpha.svc.", "web.alpha.svc.", "x.ns.dns.") + n.pick(zone4, zone6)
	case 1:
		return n.pick("x.", "0.", "1.2.3.", "_http._tcp.") + n.reverse(n.pick(n.serviceAddr(), n.endpointAddr()))
	case 2:
		addr, err := netip.ParseAddr(n.serviceAddr())
		if err == nil && addr.Is4() {
			return mapped(addr)
		}
	}
	return n.pick("x.", "256.1.1.1.", "01.0.96.10.", "00.0.96.10.", "g.0.0.0.", "-1.2.", "1.1.1.1.1.") + n.pick(zone4, zone6)
}

// mapped is the name of an IPv4 address below ip6.arpa.
func mapped(a netip.Addr) string {
	b := a.As16()
	var s strings.Builder
	for i := len(b) - 1; i >= 0; i-- {
		fmt.Fprintf(&s, "%x.%x.", b[i]&15, b[i]>>4)
	}
	return s.String() + zone6
}

// respell changes the case of some letters.
func respell(rng *rand.Rand, name string) string {
	if rng.IntN(4) == 0 {
		return strings.ToUpper(name)
	}
	b := []byte(name)
	for i, c := range b {
		if 'a' <= c && c <= 'z' && rng.IntN(3) == 0 {
			b[i] = c - 'a' + 'A'
		}
	}
	return string(b)
}
