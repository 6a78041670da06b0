package differential

import (
	"slices"
	"strings"
)

// variant is one server block that both sides have.
type variant struct {
	name    string
	share   int      // of a hundred questions
	options []string // lines of the block
	bind    string   // "" for all addresses
	more    []string // zones besides the main one and those of addresses

	pods         bool // of pods there are names
	verified     bool
	podNames     bool
	noEndpoints  bool
	zonal        bool
	ignoreEmpty  bool
	namespaces   []string // none: all
	labels       bool     // only what has the label
	spaceLabels  bool     // only what is in a namespace that has it
	fallsThrough bool     // in every zone; reverse zones alone do in main

	family family // of the shapes that are asked for
	outer  string // lines of the block of external zones
	plain  string // variant whose answers are the same where nothing is ignored; "" for defaults
}

// family tells names of different schemas apart.
type family int

const (
	ofCluster  family = iota
	ofClusters        // multicluster zones
	ofOutside         // external zones
)

const (
	mainZone   = "cluster.local."
	secondZone = "example.net."
	innerZone  = "inner.cluster.local."
	setZone    = "clusterset.local." // the multicluster one
	outerZone  = "example.org."      // the external one, and those of its addresses
	outerZone4 = "113.0.203.in-addr.arpa."
	outerZone6 = "8.b.d.0.1.0.0.2.ip6.arpa."
	zone4      = "in-addr.arpa."
	zone6      = "ip6.arpa."

	label      = "tier" // what the variant labels selects by
	labelValue = "dns"
	spaceLabel = "team"    // what the variant namespace_labels selects by
	nowhere    = "nowhere" // a namespace that is configured and never there
)

// variants are the Corefiles. The first is that of most clusters and gets most
// questions. The shares of each family make a hundred.
func variants() []*variant {
	return []*variant{
		{name: "main", share: 46, pods: true, options: []string{"pods insecure", "fallthrough in-addr.arpa ip6.arpa", "ttl 30"}},
		{name: "defaults", share: 6},
		{name: "verified", share: 6, pods: true, verified: true, podNames: true, options: []string{"pods verified", "endpoint_pod_names", "ttl 0"}},
		{name: "noendpoints", share: 6, noEndpoints: true, options: []string{"noendpoints", "ttl 3600"}},
		{name: "ignore", share: 6, ignoreEmpty: true, fallsThrough: true, options: []string{"ignore empty_service", "fallthrough"}},
		{name: "zonal", share: 6, zonal: true, options: []string{"zonal"}},
		{name: "namespaces", share: 6, pods: true, namespaces: []string{"alpha", "beta", nowhere}, options: []string{"namespaces alpha beta " + nowhere, "pods insecure"}},
		{name: "labels", share: 6, labels: true, options: []string{"labels " + label + "=" + labelValue}},
		{name: "namespace_labels", share: 6, spaceLabels: true, pods: true, options: []string{"namespace_labels " + spaceLabel, "pods insecure"}},
		{name: "bound", share: 6, bind: "127.0.0.1", more: []string{secondZone, innerZone}, options: []string{"ttl 60"}},

		{name: "multicluster", family: ofClusters, share: 60, more: []string{setZone}, pods: true, options: []string{"multicluster " + setZone, "pods insecure"}},
		{name: "multicluster ignore", family: ofClusters, share: 20, more: []string{setZone}, ignoreEmpty: true, fallsThrough: true, podNames: true, plain: "multicluster",
			options: []string{"multicluster " + setZone, "ignore empty_service", "endpoint_pod_names", "fallthrough"}},
		{name: "multicluster labels", family: ofClusters, share: 20, more: []string{setZone}, labels: true, options: []string{"multicluster " + setZone, "labels " + label + "=" + labelValue}},

		{name: "external", family: ofOutside, share: 50, pods: true, options: []string{"pods insecure"}},
		{name: "external headless", family: ofOutside, share: 50, outer: "headless\nttl 20", options: []string{"ttl 20"}},
	}
}

func variantNamed(name string) *variant {
	all := variants()
	if i := slices.IndexFunc(all, func(v *variant) bool { return v.name == name }); i >= 0 {
		return all[i]
	}
	return all[1] // defaults
}

// zones are those that the variant serves.
func (v *variant) zones() []string {
	return append([]string{mainZone, zone4, zone6}, v.more...)
}

// outerZones are those in which services are found from outside.
func (v *variant) outerZones() []string {
	if v.family != ofOutside {
		return nil
	}
	return []string{outerZone, outerZone4, outerZone6}
}

// block writes the server block, with word for the plugin.
func (v *variant) block(word, port, kubeconfig, upstream string) string {
	var b strings.Builder
	b.WriteString(".:" + port + " {\n")
	if v.bind != "" {
		b.WriteString("    bind " + v.bind + "\n")
	}
	b.WriteString("    " + word + " " + strings.Join(v.zones(), " ") + " {\n")
	for _, line := range append([]string{"kubeconfig " + kubeconfig}, v.options...) {
		b.WriteString("        " + line + "\n")
	}
	switch outer := strings.Join(v.outerZones(), " ") + " {\n" + v.outer; {
	case v.family == ofOutside && word == "kubernetes":
		b.WriteString("    }\n    k8s_external " + outer + "\n")
	case v.family == ofOutside:
		b.WriteString("        external " + outer + "\n        }\n")
	}
	b.WriteString("    }\n    forward . " + upstream + "\n}\n")
	return b.String()
}

// corefile writes the Corefile of all variants, each at its port.
func corefile(word string, ports []string, kubeconfig, upstream string) string {
	var b strings.Builder
	for i, v := range variants() {
		b.WriteString(v.block(word, ports[i], kubeconfig, upstream))
	}
	return b.String()
}

// split returns the zone that a name in lower case is in, and the labels left
// of it; "" if it is in none.
func (v *variant) split(name string) (zone string, labels []string) {
	for _, z := range append(v.zones(), v.outerZones()...) {
		if name == z {
			return z, nil
		}
		if left, in := strings.CutSuffix(name, "."+z); in && len(z) > len(zone) {
			zone, labels = z, strings.Split(left, ".")
		}
	}
	return zone, labels
}

func isReverseZone(z string) bool {
	return strings.HasSuffix("."+z, "."+zone4) || strings.HasSuffix("."+z, "."+zone6)
}
