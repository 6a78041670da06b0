package consul

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/isthmus-dns/isthmus/catalog"
)

// listing is what is asked first in each round.
type listing struct {
	names   map[string]bool   // all, in lower case; nil: they are those on nodes
	natives map[string]bool   // those with instances that no bridge wrote, or on nodes that are no owner's
	nodes   map[string]string // of owners, and whose they are
	failing map[check]string
}

// check is one check that does not pass.
type check struct{ node, id, service, name string }

func (w *watch) list(ctx context.Context) (l listing, err error) {
	var users []string
	var odd bool
	if l.nodes, users, odd, err = w.listNodes(ctx); err != nil {
		return l, err
	}
	if l.failing, err = w.listFailing(ctx); err != nil {
		return l, err
	}
	if len(users) <= maxUsers && !odd {
		l.natives, err = w.onUsers(ctx, users)
	} else {
		w.users = nil
		if l.names, err = w.listNames(ctx, ""); err == nil {
			l.natives, err = w.listNames(ctx, nativeFilter)
		}
	}
	return l, err
}

// listNodes returns the nodes of owners, and those that are no owner's, and whether
// there are odd ones among these, about which Consul cannot be asked. A node of
// that kind which says that it is an owner's is none that a bridge made.
func (w *watch) listNodes(ctx context.Context) (owned map[string]string, users []string, odd bool, err error) {
	var all []*api.Node
	if _, err := w.client.get(ctx, "/v1/catalog/nodes", nil, &all); err != nil {
		return nil, nil, false, err
	}
	owned = map[string]string{}
	if err := w.known(ctx, all); err != nil {
		return nil, nil, false, err
	}
	for _, n := range all {
		owner, there := n.Meta[metaOwner]
		switch {
		case !askable(n.Node):
			odd = odd || !there
		case there:
			owned[n.Node] = owner
		default:
			users = append(users, n.Node)
		}
	}
	return owned, users, odd, nil
}

// known returns an error if nodes are another datacenter's than the one that is read:
// where no server is one that was there before, its identity is asked for. That it
// cannot be told is for those to say who look for what access rules left out.
func (w *watch) known(ctx context.Context, nodes []*api.Node) error {
	if slices.ContainsFunc(nodes, func(n *api.Node) bool { return w.client.isServer(n.ID) }) {
		return nil
	}
	if err := w.client.same(ctx, w.id); errors.Is(err, errOther) {
		return err
	}
	return nil
}

// listNames returns the names that have instances of which filter lets some
// through.
func (w *watch) listNames(ctx context.Context, filter string) (map[string]bool, error) {
	var all map[string][]string
	if _, err := w.client.get(ctx, "/v1/catalog/services", filtered(filter), &all); err != nil {
		return nil, err
	}
	names := make(map[string]bool, len(all))
	for name := range all {
		names[keyName(name)] = true
	}
	return names, w.shown(names)
}

// shown takes out of names what is in no catalog, but for the directory. That
// Consul itself is missing is an error: others may be as well.
func (w *watch) shown(names map[string]bool) error {
	err := whole(names)
	delete(names, "")
	if !w.layout.directory {
		delete(names, self)
	}
	return err
}

// oddPause is how long apart checks in no state that Consul has an index of are
// looked for: that walks all checks, and only what others write by hand into the
// catalog is ever in another state.
const oddPause = time.Minute

// listFailing returns the checks that do not pass.
func (w *watch) listFailing(ctx context.Context) (map[check]string, error) {
	queries := []waker{{"/v1/health/state/any", failingFilter}}
	failing := map[check]string{}
	if !w.oddDue() {
		queries = nil
		for _, state := range failingStates() {
			queries = append(queries, waker{"/v1/health/state/" + state, ""})
		}
		for c, status := range w.last.failing {
			if !slices.Contains(failingStates(), status) {
				failing[c] = status
			}
		}
	}
	for _, q := range queries {
		var list []seenCheck
		if _, err := w.client.get(ctx, q.path, filtered(q.filter), &list); err != nil {
			return nil, err
		}
		for _, c := range list {
			failing[check{c.Node, c.CheckID, c.ServiceID, c.ServiceName}] = c.Status
		}
	}
	return failing, nil
}

// oddDue reports whether all checks are looked through, and takes note of it.
func (w *watch) oddDue() bool {
	now := time.Now()
	due := now.After(w.odd)
	if due {
		w.odd = now.Add(oddPause)
	}
	return due
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
// finds services whatever their case. Of a name that is too long to be one there is
// so much that it is told from others.
func keyName(name string) string { return strings.ToLower(catalog.Brief(name)) }

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
