package consul

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/consul/api"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// maxSources is how many sources a fence can name.
const maxSources = 48

// Claim makes this the one that writes for its owner. The fence is a node
// without services; its metadata are the epoch and the sources.
func (c *consul) Claim(ctx context.Context, f registry.Fence, bump bool) error {
	if f.Owner != c.layout.owner || f.Owner == "" {
		return fmt.Errorf("claim for owner %q as %q: %w", f.Owner, c.layout.owner, registry.ErrNotOwned)
	}
	c.pen.mu.Lock()
	defer c.pen.mu.Unlock()
	if id := c.read.Load(); id != nil {
		if err := c.client.same(ctx, *id); err != nil {
			return err
		}
	}
	old, err := c.client.node(ctx, f.Owner+"-fence")
	if err != nil {
		return err
	}
	if old != nil && c.pen.epoch != 0 && epochOf(old) > c.pen.epoch && !bump {
		return fmt.Errorf("the fence of %q is at epoch %d, after %d: %w", f.Owner, epochOf(old), c.pen.epoch, registry.ErrFenced)
	}
	next, write, err := nextFence(f, old, c.pen.epoch, bump)
	if err != nil {
		return err
	}
	if write {
		if next, err = c.writeFence(ctx, next); err != nil {
			return err
		}
	}
	nodes, err := c.ownNodes(ctx)
	if err != nil {
		return err
	}
	c.pen.fence, c.pen.lost, c.pen.epoch = next, nil, epochOf(next)
	c.pen.nodes, c.pen.making, c.pen.limit = nodes, map[string]bool{}, maxOps
	return nil
}

// nextFence returns the fence as f wants it, and whether that differs from
// the one that stands, if any. One that is new, or older than the epoch last
// claimed, is put above that, so that who was deposed before stays so.
func nextFence(f registry.Fence, old *api.Node, last uint64, bump bool) (next *api.Node, write bool, err error) {
	next = &api.Node{Node: f.Owner + "-fence", Address: nodeAddress, Meta: nodeMeta(f.Owner)}
	var sources []catalog.Identity
	epoch := uint64(0)
	if old != nil {
		if old.Meta[metaOwner] != f.Owner {
			return nil, false, fmt.Errorf("node %q is no fence of ours: %w", old.Node, registry.ErrForeignFence)
		}
		next.ModifyIndex, next.Address = old.ModifyIndex, old.Address
		sources = fenceSources(old.Meta)
		epoch = epochOf(old)
	}
	if len(sources) > 0 && !slices.ContainsFunc(f.Sources, func(id catalog.Identity) bool { return slices.Contains(sources, id) }) {
		return nil, false, fmt.Errorf("the fence of %q names %q: %w", f.Owner, sources, registry.ErrForeignFence)
	}
	all := slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(sources), f.Sources...))))
	bump = bump || old == nil || epoch < last
	write = bump || len(all) != len(sources)
	if bump {
		epoch = max(epoch, last) + 1
	}
	next.Meta[metaEpoch] = strconv.FormatUint(epoch, 10)
	for i, id := range all {
		if i == maxSources || len(id) > maxMetaValue {
			return nil, false, fmt.Errorf("fence of %d sources: %w", len(all), registry.ErrInvalid)
		}
		next.Meta[fmt.Sprintf("%s%02d", metaFenceSources, i)] = string(id)
	}
	if old != nil && !write {
		next.Meta = old.Meta // to the letter, so that comparing it changes nothing
	}
	return next, write, nil
}

// epochOf returns the epoch of a fence; a damaged one begins anew.
func epochOf(n *api.Node) uint64 {
	epoch, _ := strconv.ParseUint(n.Meta[metaEpoch], 10, 64)
	return epoch
}

func fenceSources(meta map[string]string) []catalog.Identity {
	var all []catalog.Identity
	for k, v := range meta {
		if strings.HasPrefix(k, metaFenceSources) && v != "" {
			all = append(all, catalog.Identity(v))
		}
	}
	slices.Sort(all)
	return all
}

// writeFence writes the fence if nobody moved it meanwhile.
func (c *consul) writeFence(ctx context.Context, n *api.Node) (*api.Node, error) {
	ok, out, err := c.client.txn(ctx, api.TxnOps{{Node: &api.NodeTxnOp{Verb: api.NodeCAS, Node: *n}}})
	switch {
	case err != nil:
		return nil, err
	case !ok && len(out.Errors) > 0:
		return nil, fmt.Errorf("write fence: %w", refusal(out.Errors[0].What))
	case !ok || len(out.Results) != 1 || out.Results[0].Node == nil:
		return nil, fmt.Errorf("write fence: no answer: %w", registry.ErrUnknownOutcome)
	}
	next := *n
	next.ModifyIndex = out.Results[0].Node.ModifyIndex
	return &next, nil
}

// node reads one node, nil if there is none.
func (c *client) node(ctx context.Context, name string) (*api.Node, error) {
	var out *struct{ Node *api.Node }
	_, err := c.get(ctx, "/v1/catalog/node/"+url.PathEscape(name), url.Values{"consistent": {""}}, &out)
	if err != nil || out == nil {
		return nil, err
	}
	return out.Node, nil
}

// ownNodes returns the synthetic nodes of the owner that stand.
func (c *consul) ownNodes(ctx context.Context) (map[string]bool, error) {
	var all []*api.Node
	if _, err := c.client.get(ctx, "/v1/catalog/nodes", filtered(ownersFilter), &all); err != nil {
		return nil, err
	}
	own := map[string]bool{}
	for _, n := range all {
		if n.Meta[metaOwner] == c.layout.owner {
			own[n.Node] = true
		}
	}
	return own, nil
}
