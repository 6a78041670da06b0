package mirror

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// AddressPolicy says by which addresses a mirror makes its original reachable.
type AddressPolicy string

// The address policies. Services with an alias are copied as they are; those
// without the addresses that a policy names are left out.
const (
	Auto         AddressPolicy = "auto"         // how others are meant to reach it; see reach
	Endpoints    AddressPolicy = "endpoints"    // the endpoints themselves
	Virtual      AddressPolicy = "clusterip"    // the virtual addresses
	NodePort     AddressPolicy = "nodeport"     // the nodes that endpoints are on, at the node ports
	LoadBalancer AddressPolicy = "loadbalancer" // the load balancer's
	External     AddressPolicy = "external"     // the external addresses that are no load balancer's
)

// ParseAddressPolicy reads the word of a rule or of an annotation.
func ParseAddressPolicy(word string) (AddressPolicy, error) {
	p := AddressPolicy(word)
	if !slices.Contains([]AddressPolicy{Auto, Endpoints, Virtual, NodePort, LoadBalancer, External}, p) {
		return "", fmt.Errorf("unknown address policy %q: want auto, endpoints, clusterip, nodeport, loadbalancer or external", word)
	}
	return p, nil
}

// way is how instances of one original are reached.
type way struct {
	policy   AddressPolicy
	nodes    catalog.Directory // of the source
	internal bool              // nodes at their internal addresses
	outside  bool              // nodes at their external addresses, and none without one
	blind    bool              // nodes are not watched, so none is known
}

var errBlind = fmt.Errorf("it asks for its nodes, which are watched only where the rule or a block of it says address auto or nodeport: %w", registry.ErrInvalid)

// reach returns the instances by which src is reached; false if the policy
// leaves it out. Auto is, of these, the first that applies:
//
//	src has                       it is reached by
//	an alias                      the alias
//	external addresses, of a      these
//	    load balancer or not
//	type LoadBalancer             nothing, until it has an address
//	type NodePort                 the nodes that it has endpoints on
//	anything else                 its endpoints
//
// An error means that it cannot be said now how.
func (w way) reach(src *catalog.Service) ([]catalog.Endpoint, bool, error) {
	if src.Type == catalog.ExternalName {
		return nil, true, nil
	}
	policy, exposed := w.policy, src.Meta[catalog.NoteType]
	switch {
	case policy != Auto:
	case len(src.External) > 0:
		return fronts(src, src.External), true, nil
	case exposed == "LoadBalancer":
		policy = LoadBalancer
	case exposed == "NodePort":
		policy = NodePort
	default:
		policy = Endpoints
	}
	var hosts []catalog.Host
	switch policy {
	case NodePort:
		return w.onNodes(src)
	case Endpoints:
		return src.Endpoints, true, nil
	case Virtual:
		for _, a := range src.Addrs {
			hosts = append(hosts, catalog.Host{Addr: a})
		}
	default:
		balanced := strings.Fields(src.Meta[catalog.NoteBalancer])
		for _, h := range src.External {
			if slices.Contains(balanced, h.String()) == (policy == LoadBalancer) {
				hosts = append(hosts, h)
			}
		}
	}
	return fronts(src, hosts), len(hosts) > 0, nil
}

// fronts makes one instance of each host before src, at the service's own
// ports. They are ready while an endpoint behind them is.
func fronts(src *catalog.Service, hosts []catalog.Host) []catalog.Endpoint {
	ready := src.ReadyEndpoints() > 0
	all := make([]catalog.Endpoint, len(hosts))
	for i, h := range hosts {
		all[i] = catalog.Endpoint{ID: h.String(), Host: h, Ports: src.Ports, Ready: ready, Serving: ready}
	}
	return all
}

// onNodes makes one instance of each node that src has endpoints on, at the
// node ports. It is ready while an endpoint there is, so that a Service whose
// external traffic stays on the node is reached only where it is served. An
// endpoint that is on no node is not reached this way, nor one on a node without
// an address that is asked for; src is left out if there are no others.
func (w way) onNodes(src *catalog.Service) ([]catalog.Endpoint, bool, error) {
	ports := nodePorts(src)
	if len(ports) == 0 {
		return nil, false, nil
	}
	if w.blind {
		return nil, false, errBlind
	}
	at := map[catalog.Host]int{} // index in all
	all := []catalog.Endpoint{}
	var unknown []error
	inside := false // some node has no address that it may be reached at
	for _, e := range src.Endpoints {
		if e.Node == "" {
			continue
		}
		n := w.nodes.Node(strings.ToLower(e.Node))
		if n == nil {
			unknown = append(unknown, fmt.Errorf("the address of node %q is not known: %w", e.Node, registry.ErrInvalid))
			continue
		}
		host, ok := w.hostOf(n)
		if !ok {
			inside = true
			continue
		}
		i, known := at[host]
		if !known {
			i = len(all)
			at[host] = i
			all = append(all, catalog.Endpoint{ID: host.String(), Host: host, Ports: ports, Node: e.Node, Zone: e.Zone})
		}
		all[i].Ready, all[i].Serving = all[i].Ready || e.Ready, all[i].Serving || e.Serving
	}
	switch {
	case len(all) > 0:
	case len(unknown) > 0:
		return nil, false, unknown[0]
	case inside:
		return nil, false, nil
	}
	slices.SortFunc(all, func(a, b catalog.Endpoint) int { return strings.Compare(a.ID, b.ID) })
	return all, true, errors.Join(unknown...)
}

// hostOf returns where a node is reached; false if nowhere.
func (w way) hostOf(n *catalog.Node) (catalog.Host, bool) {
	if outside := n.Meta[catalog.NodeExternal]; outside != "" && !w.internal {
		return catalog.ParseHost(outside), true
	}
	return n.Host, !w.outside
}

// nodePorts are the ports of src as each node has them.
func nodePorts(src *catalog.Service) []catalog.Port {
	var all []catalog.Port
	for _, p := range src.Ports {
		n, err := strconv.ParseUint(src.Meta[catalog.NoteNodePort+p.Name], 10, 16)
		if err == nil && n > 0 {
			p.Number = uint16(n)
			all = append(all, p)
		}
	}
	return all
}
