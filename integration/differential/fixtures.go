package differential

import (
	"fmt"
	"net/netip"
	"strings"

	discoveryv1 "k8s.io/api/discovery/v1"
)

// longLabel is as long as a label can be, with first in front.
func longLabel(first string) string { return first + strings.Repeat("x", 63-len(first)) }

// aliasDepth is how many aliases lead on from chain-0; more than either side
// follows.
const aliasDepth = 13

// fixtures are what is there from the first round to the last, so that every
// shape has a name that exists. local is an address of this host by which both
// sides take themselves for the servers of the zone.
func fixtures(local netip.Addr) []object {
	all := []object{
		namespace("alpha", true), namespace("beta", true), namespace("marks", true),
		namespace("gamma", false), namespace(longLabel("n"), true),
	}
	all = append(all, fixedVirtual()...)
	all = append(all, fixedHeadless()...)
	all = append(all, fixedAliases()...)
	all = append(all, fixedOdd()...)
	all = append(all, servers(local)...)
	all = append(all, fixedImports()...)
	all = append(all, fixedOuter()...)
	return append(all, pod("alpha", "fixed", "10.244.9.9", "fd00:10:244::9:9"), pod("gamma", "fixed", "10.244.9.8"))
}

func fixedVirtual() []object {
	return []object{
		virtual("alpha", "web", []string{"10.96.1.1", "fd00:10:96::101"}, "http:80/TCP", "https:443/TCP", "dns:53/UDP", "dns-tcp:53/TCP", "sip:5060/SCTP"),
		slice("alpha", "web-4", "web", []string{"http:8080/TCP", "https:8443/TCP"}, at("10.244.1.1"), at("10.244.1.2", "host=named")),
		slice("alpha", "web-6", "web", []string{"http:8080/TCP"}, at("fd00:10:244::1:1")),
		virtual("alpha", "six", []string{"fd00:10:96::102"}, ":80/TCP"),
		virtual("alpha", "idle", []string{"10.96.1.3"}, "http:80/TCP"),
		virtual("gamma", "web", []string{"10.96.1.4"}, "http:80/TCP"),
		slice("gamma", "web-4", "web", []string{"http:80/TCP"}, at("10.244.1.4")),
		virtual(longLabel("n"), longLabel("s"), []string{"10.96.1.5"}, longLabel("p")[:62]+":80/TCP"),
		slice(longLabel("n"), "long", longLabel("s"), []string{longLabel("p")[:62] + ":80/TCP"}, at("10.244.1.5", "host="+longLabel("h"))),
	}
}

func fixedHeadless() []object {
	big4, big6 := make([]discoveryv1.Endpoint, 0, 120), make([]discoveryv1.Endpoint, 0, 40)
	for i := range cap(big4) {
		big4 = append(big4, at(fmt.Sprintf("10.244.2.%d", i+1)))
	}
	for i := range cap(big6) {
		big6 = append(big6, at(fmt.Sprintf("fd00:10:244::2:%x", i+1), fmt.Sprintf("host=big-%d", i)))
	}
	named := []string{"http:8080/TCP", "dns:53/UDP"}
	return []object{
		headless("alpha", "head", "http:80/TCP", "dns:53/UDP"),
		slice("alpha", "head-a", "head", named, at("10.244.3.1", "host=one", "zone=eu-1a"), at("10.244.3.2", "zone=EU-1b", "pod=head-2"), at("10.244.3.9", "unready")),
		slice("alpha", "head-b", "head", named, at("10.244.3.3", "host=one", "zone=eu.west"), at("10.244.3.4", "terminating"), at("10.244.3.5", "unknown", "also=10.244.3.6")),
		slice("alpha", "head-6", "head", named, at("fd00:10:244::3:1", "host=one", "zone=eu-1a"), at("fd00:10:244::", "zone=eu-1b")),
		headless("alpha", "empty", "http:80/TCP"),
		slice("alpha", "empty-a", "empty", named, at("10.244.3.20", "unready"), at("10.244.3.21", "terminating")),
		headless("alpha", "none", "http:80/TCP"),
		headless("alpha", "big", "http:80/TCP", "dns:53/UDP"),
		slice("alpha", "big-4", "big", named, big4...),
		slice("alpha", "big-6", "big", named, big6...),
		headless("alpha", "noports"),
		slice("alpha", "noports-a", "noports", nil, at("10.244.3.30"), at("10.244.3.31", "host=still")),
		headless("alpha", "unnamed", ":80/TCP"),
		slice("alpha", "unnamed-a", "unnamed", []string{":80/TCP"}, at("10.244.3.40")),
		headless("alpha", "mixed", "http:80/TCP"),
		slice("alpha", "mixed-a", "mixed", []string{"http:80/TCP"}, at("10.244.3.50")),
		slice("alpha", "mixed-b", "mixed", nil, at("10.244.3.51"), at("10.244.3.52")),
	}
}

// fixedAliases lead out of the zone, into it, to nothing and in circles.
func fixedAliases() []object {
	in := func(name string) string { return name + "." + strings.TrimSuffix(mainZone, ".") }
	targets := map[string]string{
		"out": "host.example", "out-dot": "host2.example.", "out-big": "big.example", "out-nx": "nx.example", "out-alias": "alias.example",
		"in": in("web.alpha.svc"), "in-head": in("head.alpha.svc"), "in-six": in("six.alpha.svc"), "in-missing": in("missing.alpha.svc"),
		"in-empty": in("empty.alpha.svc"), "in-port": in("http.tcp.web.alpha.svc"), "in-host": in("one.head.alpha.svc"),
		"to-apex": strings.TrimSuffix(mainZone, "."), "to-svc": in("svc"), "to-space": in("alpha.svc"), "to-version": in("dns-version"),
		"to-ns": in("ns.dns"), "to-pod": in("1-2-3-4.alpha.pod"), "to-stray": in("stray"), "to-reverse": "1.1.96.10.in-addr.arpa",
		"to-second": "web.alpha.svc.example.net", "to-second-missing": "missing.alpha.svc.example.net",
		"to-inner": "web.alpha.svc.inner.cluster.local",
		"loop-a":   in("loop-b.alpha.svc"), "loop-b": in("loop-a.alpha.svc"), "self": in("self.alpha.svc"), "below": in("x.below.alpha.svc"),
		"out-below": in("out.alpha.svc"), "address": "10.1.1.1",
	}
	for i := range aliasDepth {
		targets[fmt.Sprintf("chain-%d", i)] = in(fmt.Sprintf("chain-%d.alpha.svc", i+1))
	}
	targets[fmt.Sprintf("chain-%d", aliasDepth)] = in("web.alpha.svc")
	var all []object
	for name, target := range targets {
		all = append(all, alias("alpha", name, target))
	}
	return all
}

// fixedOdd are what controllers rarely leave behind, and the API takes.
func fixedOdd() []object {
	return []object{
		slice("alpha", "orphan", "gone", []string{"http:80/TCP"}, at("10.244.4.1")),
		slice("alpha", "of-alias", "out", []string{"http:80/TCP"}, at("10.244.4.2", "host=a")),
		headless("alpha", "names", "http:80/TCP"),
		slice("alpha", "names-a", "names", []string{"http:80/TCP"}, at("host.example")),
		headless("alpha", "numberless", "http:80/TCP"),
		slice("alpha", "numberless-a", "numberless", []string{"http:/TCP", "metrics:9100/TCP"}, at("10.244.4.3")),
		headless("alpha", "twins", "http:80/TCP"),
		slice("alpha", "twins-a", "twins", []string{"http:80/TCP"}, at("10.244.4.4", "host=first"), at("10.244.4.4", "host=second")),
	}
}

// servers is the Service of DNS, whose endpoint is this host.
func servers(local netip.Addr) []object {
	addr := "10.244.5.1" // on a host without an address of its own nobody knows the servers
	if local.IsValid() {
		addr = local.String()
	}
	return []object{
		virtual("kube-system", "kube-dns", []string{"10.96.0.10", "fd00:10:96::10"}, "dns:53/UDP", "dns-tcp:53/TCP", "metrics:9153/TCP"),
		slice("kube-system", "kube-dns-a", "kube-dns", []string{"dns:53/UDP", "dns-tcp:53/TCP", "metrics:9153/TCP"}, at(addr)),
	}
}
