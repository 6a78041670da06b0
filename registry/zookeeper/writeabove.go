package zookeeper

import (
	"context"
	"errors"
	"slices"

	"github.com/go-zookeeper/zk"
	"golang.org/x/sync/errgroup"
)

// maxMade is how often what is above a part's nodes is made: the server may take a
// folder away before anything is in it.
const maxMade = 3

// makeFolders makes the nodes above those that the parts create, as far as they are not
// known to be there, once it is sure that the fence still holds: what is made so is no
// part of a transaction. It returns the parts without those of which it sets the result.
func (w *writing) makeFolders(ctx context.Context, held *fence, batch []part) (rest []part) {
	var lacking []int
	for i := range batch {
		if p := &batch[i]; p.made == 0 && p.adds() && !w.z.table.knows(p.plan.folder) {
			lacking = append(lacking, i)
		}
	}
	if len(lacking) == 0 {
		return batch
	}
	if is, err := w.session.exists(ctx, held.node(), false); err != nil || is == nil {
		return batch // the transaction finds out
	}
	var makers errgroup.Group
	makers.SetLimit(maxAsked)
	for _, i := range lacking {
		batch[i].made++
		makers.Go(func() error {
			w.results[batch[i].index].Err = w.makeFolder(ctx, batch[i].plan.folder)
			return nil
		})
	}
	_ = makers.Wait() // they return none
	return slices.DeleteFunc(batch, func(p part) bool { return w.results[p.index].Err != nil })
}

// adds reports whether a part creates an instance.
func (p *part) adds() bool {
	return slices.ContainsFunc(p.ops, func(o op) bool { return o.do == create && o.path != p.plan.side.path })
}

// makeAbove makes what is above the node that o could not create.
func (w *writing) makeAbove(ctx context.Context, p *plan, o op) error {
	if o.path == p.side.path {
		return w.z.makeState(ctx, w.session)
	}
	return w.makeFolder(ctx, p.folder)
}

// makeFolder makes a node for instances, and all above it.
func (w *writing) makeFolder(ctx context.Context, path string) error {
	err := w.session.container(ctx, path, w.acl)
	if errors.Is(err, zk.ErrNoNode) {
		if err = w.makeFolder(ctx, parent(path)); err == nil {
			err = w.session.container(ctx, path, w.acl)
		}
	}
	if err != nil {
		return op{do: create, path: path}.failed(err)
	}
	return nil
}
