package isthmus

import (
	"net/netip"
	"slices"

	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"

	"github.com/isthmus-dns/isthmus/catalog"
)

// With prefer_zone, the endpoints of a headless service that stand in the zone
// of the client come first. The client's zone is that of its pod's node, and a
// node's zone is what the endpoints on it say: nodes themselves are not read.

// placed counts the endpoints on a node that name one zone as theirs.
type placed struct {
	zone      string
	endpoints int
}

// site is a node and its zone.
type site struct{ node, zone string }

// countSites counts in moved by how much the endpoints at each became more.
func (c *config) countSites(x *content, by int, moved map[site]int) {
	if !c.preferZone || x == nil || x.svc.Origin.Type() != "kubernetes" {
		return
	}
	for i := range x.svc.Endpoints {
		if ep := &x.svc.Endpoints[i]; ep.Node != "" && ep.Zone != "" {
			moved[site{ep.Node, ep.Zone}] += by
		}
	}
}

// move brings the zones of nodes up to date.
func (v *view) move(moved map[site]int) {
	for at, by := range moved {
		if by == 0 {
			continue
		}
		old, _ := v.nodes.Get(at.node)
		next := slices.Clone(old)
		i := slices.IndexFunc(next, func(p placed) bool { return p.zone == at.zone })
		if i < 0 {
			i, next = len(next), append(next, placed{zone: at.zone})
		}
		next[i].endpoints += by
		if next[i].endpoints == 0 {
			next = slices.Delete(next, i, i+1)
		}
		if len(next) == 0 {
			v.nodes = v.nodes.Delete(at.node)
		} else {
			v.nodes = v.nodes.Set(at.node, next)
		}
	}
}

// zoneOfNode is the zone that most endpoints on the node name, or "".
func (v *view) zoneOfNode(node string) string {
	all, _ := v.nodes.Get(node)
	var most placed
	for _, p := range all {
		if p.endpoints > most.endpoints || p.endpoints == most.endpoints && p.zone < most.zone {
			most = p
		}
	}
	return most.zone
}

// zoneOfClient is the zone that the client stands in, or "" if that is not
// known. The pods that share an address stand on one node.
func (v *view) zoneOfClient(state request.Request) string {
	a, err := netip.ParseAddr(state.IP())
	if err != nil {
		return ""
	}
	pods := v.snap.Pods(a.Unmap())
	if len(pods) == 0 || slices.ContainsFunc(pods, func(p *catalog.Pod) bool { return p.Node != pods[0].Node }) {
		return ""
	}
	return v.zoneOfNode(pods[0].Node)
}

// nearFirst returns the endpoints that e answers for q, those in the client's
// zone first and in their order otherwise. It is nil where the usual order is
// right: the zone is not known, or none or all of them stand there.
func (v *view) nearFirst(e *entry, q *query) []*catalog.Endpoint {
	if q.near == "" {
		return nil
	}
	x := v.contentOf(e)
	if x.svc.Type != catalog.Headless {
		return nil
	}
	var near, far []*catalog.Endpoint
	for _, ep := range x.ready {
		if ep.Zone == q.near {
			near = append(near, ep)
		} else {
			far = append(far, ep)
		}
	}
	if len(near) == 0 || len(far) == 0 {
		return nil
	}
	return append(near, far...)
}

// nearService answers for the service's own name, in the client's order.
func (v *view) nearService(e *entry, q *query, near []*catalog.Endpoint, name string, typ uint16) answer {
	b := v.builder(e, q.zone)
	b.ready = near
	return b.service(name, anyPort, typ, true)
}

// service answers for a name of a service as the builder has its endpoints.
func (b *builder) service(name string, keep portFilter, typ uint16, ordered bool) answer {
	var a answer
	if typ == dns.TypeSRV {
		a = answer{rrset: b.srv(name, keep)}
	} else {
		a = ofType(typ)(b.addrs(name, addrsOf(b.svc, b.ready, keep)))
	}
	a.ordered = ordered
	return a
}
