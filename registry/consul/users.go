package consul

import (
	"context"
	"net/url"
	"sync"
)

// maxUsers is up to how many nodes of users are asked one by one which names
// stand on them. Consul answers that by an index, a thousandth of a second each;
// a query for all names that are not mirrors' alone makes it walk every instance
// and the node of each: a second and a half where there are 100,000 mirrored.
const maxUsers = 256

// user is a node that is no owner's as it was last listed.
type user struct {
	index uint64
	names []string // that stand there, in lower case
}

// onUsers returns the names that stand on users' nodes. What did not change since
// the last time is not listed again.
func (w *watch) onUsers(ctx context.Context, nodes []string) (names map[string]bool, err error) {
	indexes, err := w.indexes(ctx, nodes, "/v1/catalog/node-services/", noneOfNode)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex // guards next
	next := make(map[string]user, len(nodes))
	err = each(ctx, nodes, func(ctx context.Context, node string) (err error) {
		u, known := w.users[node]
		if !known || u.index != indexes[node] {
			u, err = w.user(ctx, node, indexes[node])
		}
		mu.Lock()
		defer mu.Unlock()
		next[node] = u
		return err
	})
	if err != nil {
		return nil, err
	}
	w.users = next
	names = map[string]bool{}
	for _, u := range next {
		for _, name := range u.names {
			names[name] = true
		}
	}
	return names, w.shown(names)
}

// user lists one node; index is one from before.
func (w *watch) user(ctx context.Context, node string, index uint64) (user, error) {
	var list struct{ Services []stands }
	if _, err := w.client.get(ctx, "/v1/catalog/node-services/"+url.PathEscape(node), nil, &list); err != nil {
		return user{}, err
	}
	seen := map[string]bool{}
	for _, s := range list.Services {
		seen[keyName(s.Service)] = true
	}
	return user{index, keys(seen)}, nil
}
