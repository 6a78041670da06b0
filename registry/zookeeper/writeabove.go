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

// makeFolder makes a node for instances, and those above it that are missing.
func (w *writing) makeFolder(ctx context.Context, path string) error {
	return makeNode(path, func(path string) error {
		return op{do: create, path: path}.failed(w.session.container(ctx, path, w.acl))
	})
}

// makeState makes the node above the owner's side nodes, and those above it that are
// missing, below one of which the owner's fence stands, too.
func (z *zookeeper) makeState(ctx context.Context, s *session) error {
	return makeNode(z.layout.mirrors(z.layout.owner), func(path string) error {
		return op{do: create, path: path}.failed(s.create(ctx, path, nil, z.config.acl()))
	})
}

// makeNode makes a node by create and, if those above it are missing, first those, from
// the lowest up: above one that is there nobody needs to be let write.
func makeNode(path string, create func(path string) error) error {
	err := create(path)
	if up := parent(path); up != "" && errors.Is(err, zk.ErrNoNode) {
		if err = makeNode(up, create); err == nil {
			err = create(path)
		}
	}
	return err
}
