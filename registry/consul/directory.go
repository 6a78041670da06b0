package consul

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/consul/api"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// list returns what Consul's own DNS has under a name: the instances of
// everybody, proxies and Consul itself among them. It is nil if there are none.
// The first port of an endpoint is the one that is told where none is asked
// for.
func list(name string, entries []*api.ServiceEntry, refused map[string]error) *catalog.Service {
	s := &catalog.Service{Key: catalog.Key{Name: strings.ToLower(name)}, Type: catalog.Headless}
	seen := map[string]bool{}
	for _, e := range entries {
		if e == nil || e.Node == nil || e.Service == nil || seen[recordName(e)] {
			continue
		}
		seen[recordName(e)] = true
		ep, err := listEndpoint(e)
		err = cmp.Or(err, checkHeft(e))
		if err != nil {
			refused[recordName(e)] = err
			continue
		}
		s.Endpoints = append(s.Endpoints, ep)
	}
	if len(s.Endpoints) == 0 {
		return nil
	}
	slices.SortFunc(s.Endpoints, func(a, b catalog.Endpoint) int { return cmp.Compare(a.ID, b.ID) })
	return s
}

func listEndpoint(e *api.ServiceEntry) (catalog.Endpoint, error) {
	ep := catalog.Endpoint{
		ID: recordName(e), Host: catalog.ParseHost(cmp.Or(e.Service.Address, e.Node.Address)),
		Node: e.Node.Node, Tags: tags(e.Service.Tags),
	}
	if e.Service.Address == "" {
		ep.Hostname = e.Node.Node
	}
	state := health(e, false)
	ep.Ready, ep.Serving, ep.Weight = state.ready, state.ready, state.weight
	main := e.Service.Port
	for _, p := range e.Service.Ports {
		if p.Default {
			main = p.Port
		}
	}
	ep.Ports = append(ep.Ports, catalog.Port{Proto: catalog.TCP, Number: uint16(main)})
	for _, p := range e.Service.Ports {
		ep.Ports = append(ep.Ports, catalog.Port{Name: strings.ToLower(p.Name), Proto: catalog.TCP, Number: uint16(p.Port)})
	}
	return ep, checkHost(ep.Host)
}

// readNodes reports the nodes if they are others than the last time.
func (w *watch) readNodes(ctx context.Context) error {
	if !w.layout.directory {
		return nil
	}
	var all []*api.Node
	index, err := w.client.get(ctx, "/v1/catalog/nodes", nil, &all)
	if err != nil || index == w.nodesIndex {
		return err
	}
	if err := w.client.seesAll(ctx); err != nil {
		return err
	}
	var nodes []*catalog.Node
	refused := map[string]error{}
	for _, n := range all {
		host := catalog.ParseHost(n.Address)
		err := checkHost(host)
		if err == nil && len(n.Node) > maxNode {
			err = fmt.Errorf("name of %d characters, at most %d: %w", len(n.Node), maxNode, registry.ErrInvalid)
		}
		if err != nil {
			refused[catalog.Brief("node "+n.Node)] = err
			continue
		}
		nodes = append(nodes, &catalog.Node{Name: n.Node, Host: host, Meta: n.Meta})
	}
	datacenter := ""
	if len(all) > 0 {
		datacenter = all[0].Datacenter
	}
	w.view.nodes(datacenter, nodes, refused)
	w.nodesIndex = index
	return nil
}

// nodes reports all nodes, and which are left out.
func (v *view) nodes(datacenter string, all []*catalog.Node, refused map[string]error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.feed.ReplaceNodes(datacenter, all)
	v.refuseLocked(v.refusedNodes, refused)
	v.refusedNodes = map[string]bool{}
	for record := range refused {
		v.refusedNodes[record] = true
	}
}

// listLocked reports what names that were read anew list, before they are kept.
func (v *view) listLocked(all []answer) {
	var set []*catalog.Service
	var gone []string
	for _, a := range all {
		was, now := v.names[a.name].listed, a.listed
		switch {
		case a.ticket != v.tickets[a.name]:
		case now == nil && was != nil:
			gone = append(gone, a.name)
		case now != nil && (was == nil || !was.Same(now)):
			set = append(set, now)
		}
	}
	if len(set)+len(gone) > 0 {
		v.feed.UpdateListed(set, gone)
	}
}
