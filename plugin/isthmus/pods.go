package isthmus

import (
	"net/netip"
	"slices"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

// podMode says which names of pods exist.
type podMode int

const (
	podsDisabled podMode = iota // none
	podsInsecure                // every address in a namespace that exists
	podsVerified                // the addresses of pods in their namespaces
)

func setPods(c *config, s stanza.Stanza) error {
	switch mode := s.Args()[0]; mode {
	case "disabled":
		c.pods = podsDisabled
	case "insecure":
		c.pods = podsInsecure
	case "verified":
		c.pods = podsVerified
	default:
		return s.Errorf("unexpected word %q: pods disabled|insecure|verified", mode)
	}
	return nil
}

// verifies reports whether the block wants to know the pods, so that registries
// before and after the word are asked for them.
func verifies(block []stanza.Stanza) bool {
	return slices.ContainsFunc(block, func(s stanza.Stanza) bool {
		return s.Name() == "pods" && len(s.Args()) == 1 && s.Args()[0] == "verified"
	})
}

// askPods returns the stanza of a kubernetes registry that reports what the
// block wants to know of pods, and no more.
func askPods(s stanza.Stanza, block []stanza.Stanza) stanza.Stanza {
	if verifies(block) {
		s = withWord(s, "pods")
	}
	if !hasWord(block, "endpoint_pod_names") {
		s = withWord(s, "nopodnames")
	}
	return s
}

func hasWord(block []stanza.Stanza, word string) bool {
	return slices.ContainsFunc(block, func(o stanza.Stanza) bool { return o.Name() == word })
}

// withWord returns s with that line in its block.
func withWord(s stanza.Stanza, word string) stanza.Stanza {
	if !hasWord(s.Block, word) {
		s.Block = slices.Concat(s.Block, []stanza.Stanza{{File: s.File, Line: s.Line, Words: []string{word}}})
	}
	return s
}

// pod answers for the name of an address below a namespace of pods.
func (v *view) pod(q *query, name string, typ uint16) answer {
	addr, ok := parseDashed(q.host)
	switch {
	case v.conf.pods == podsDisabled || !ok:
		return answer{rcode: dns.RcodeNameError}
	case !v.snap.Namespace(q.key.Namespace) || v.conf.pods == podsVerified && !v.hasPod(q.key.Namespace, addr):
		return v.absent(q.key.Namespace)
	}
	b := builder{naming: v.conf.naming, ttl: v.conf.ttl}
	return ofType(typ)(b.addrs(name, []netip.Addr{addr}))
}

func (v *view) hasPod(ns string, a netip.Addr) bool {
	return slices.ContainsFunc(v.snap.Pods(a), func(p *catalog.Pod) bool { return p.Namespace == ns })
}

// client returns the pod that asks, or nil if it is not known: a node's address
// may be any of its pods', or the node's own.
func (v *view) client(state request.Request) *catalog.Pod {
	if v.conf.pods != podsVerified {
		return nil
	}
	a, err := netip.ParseAddr(state.IP())
	if err != nil {
		return nil
	}
	all := v.snap.Pods(a.Unmap())
	if len(all) != 1 || all[0].Host {
		return nil
	}
	return all[0]
}

// AutoPath implements autopath.AutoPather: the search path of the pod that
// asks, then the server's own. It is nil where the pod is not known, and for the
// first name of the path itself: *autopath* fails where nothing stands before it.
func (p *Isthmus) AutoPath(state request.Request) []string {
	q, ours := p.conf.zones.parse(state.Name())
	if !ours || p.conf.zones[q.zone].reverse || !p.conf.zones[q.zone].ofCluster() {
		return nil
	}
	pod := p.views.newest.Load().client(state)
	if pod == nil {
		return nil
	}
	z := p.conf.zones[q.zone]
	first := z.below(pod.Namespace + ".svc")
	if state.Name() == first {
		return nil
	}
	path := append([]string{first, z.below("svc"), z.name}, p.conf.search...)
	return append(path, "") // the name as it was asked
}

// searchOf reads the search path of the host; there may be none.
func searchOf(resolvConf string) []string {
	conf, err := dns.ClientConfigFromFile(resolvConf)
	if err != nil {
		return nil
	}
	var all []string
	for _, name := range conf.Search {
		all = append(all, plugin.Name(name).Normalize())
	}
	return all
}
