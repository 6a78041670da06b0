package mirror

import (
	"errors"
	"fmt"
	"slices"

	"github.com/isthmus-dns/isthmus/catalog"
)

// AddressPolicy says by which addresses a mirror makes its original reachable.
type AddressPolicy string

// The address policies. Services with an alias are copied as they are.
const (
	Auto         AddressPolicy = "auto"         // the addresses outside the cluster where there are any, else the endpoints
	Endpoints    AddressPolicy = "endpoints"    // the endpoints themselves
	Virtual      AddressPolicy = "clusterip"    // the virtual addresses; services without are left out
	LoadBalancer AddressPolicy = "loadbalancer" // the load balancer's; services without are left out
	External     AddressPolicy = "external"     // the external addresses; services without are left out
)

// ParseAddressPolicy reads the word of a rule.
func ParseAddressPolicy(word string) (AddressPolicy, error) {
	p := AddressPolicy(word)
	switch {
	case word == "nodeport":
		return "", fmt.Errorf("address policy %q: %w in this version", word, errors.ErrUnsupported)
	case !slices.Contains([]AddressPolicy{Auto, Endpoints, Virtual, LoadBalancer, External}, p):
		return "", fmt.Errorf("unknown address policy %q: want auto, endpoints, clusterip, loadbalancer or external", word)
	}
	return p, nil
}

// reach returns the instances by which src is reached under the policy; false
// if the policy leaves src out.
func (p AddressPolicy) reach(src *catalog.Service) ([]catalog.Endpoint, bool) {
	switch {
	case src.Type == catalog.ExternalName:
		return nil, true
	case p == Virtual:
		return fronts(src, virtual(src)), len(src.Addrs) > 0
	case p == LoadBalancer, p == External:
		return fronts(src, src.External), len(src.External) > 0
	case p != Endpoints && len(src.External) > 0:
		return fronts(src, src.External), true
	}
	return src.Endpoints, true
}

func virtual(src *catalog.Service) []catalog.Host {
	hosts := make([]catalog.Host, len(src.Addrs))
	for i, a := range src.Addrs {
		hosts[i] = catalog.Host{Addr: a}
	}
	return hosts
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
