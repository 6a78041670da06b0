package consul

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/hashicorp/consul/api"
	"golang.org/x/sync/errgroup"
)

// listing is what is asked first in each round.
type listing struct {
	names   map[string]bool   // all, in lower case
	natives map[string]bool   // those with instances that no bridge wrote
	nodes   map[string]string // of owners, and whose they are
	failing map[check]string
}

// check is one check that does not pass.
type check struct{ node, id, service, name string }

func (w *watch) list(ctx context.Context) (listing, error) {
	l := listing{nodes: map[string]string{}, failing: map[check]string{}}
	var all, natives map[string][]string
	var nodes []*api.Node
	var checks api.HealthChecks
	group, ctx := errgroup.WithContext(ctx)
	for _, q := range []struct {
		path, filter string
		out          any
	}{
		{"/v1/catalog/services", "", &all},
		{"/v1/catalog/services", nativeFilter, &natives},
		{"/v1/catalog/nodes", ownersFilter, &nodes},
		{"/v1/health/state/any", failingFilter, &checks},
	} {
		group.Go(func() error {
			_, err := w.client.get(ctx, q.path, filtered(q.filter), q.out)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return l, err
	}
	for _, list := range []map[string][]string{all, natives} {
		if err := whole(list); err != nil {
			return l, err
		}
	}
	l.names, l.natives = keyNames(all), keyNames(natives)
	if w.layout.directory {
		l.names[self], l.natives[self] = true, true
	}
	for _, n := range nodes {
		l.nodes[n.Node] = n.Meta[metaOwner]
	}
	for _, c := range checks {
		l.failing[check{c.Node, c.CheckID, c.ServiceID, c.ServiceName}] = c.Status
	}
	return l, nil
}

func filtered(filter string) url.Values {
	if filter == "" {
		return url.Values{}
	}
	return url.Values{"filter": {filter}}
}

// self is the service that every server registers, which is in no catalog.
const self = "consul"

// keyName returns the name in the catalog of a Consul service: Consul itself
// finds services whatever their case.
func keyName(name string) string { return strings.ToLower(name) }

func keyNames(list map[string][]string) map[string]bool {
	names := make(map[string]bool, len(list))
	for name := range list {
		if k := keyName(name); k != self && k != "" {
			names[k] = true
		}
	}
	return names
}

// parted returns the nodes of others, and those of owner.
func (l listing) parted(owner string) (others, own []string) {
	for _, node := range keys(l.nodes) {
		if l.nodes[node] == owner {
			own = append(own, node)
		} else {
			others = append(others, node)
		}
	}
	return others, own
}

func keys[V any](set map[string]V) []string {
	all := make([]string, 0, len(set))
	for k := range set {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}
