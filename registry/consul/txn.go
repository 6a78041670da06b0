package consul

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/hashicorp/consul/api"

	"github.com/isthmus-dns/isthmus/registry"
)

// Limits of one transaction: of its operations, which is the server's, and of
// its size, where the server allows 512 KB.
const (
	maxOps  = 128
	minOps  = 4 // fence, node, instance, check: room for one step
	maxSize = 400_000
)

// batch is one transaction: the fence, nodes that have to be made, and parts
// of jobs.
type batch struct {
	ops   api.TxnOps
	nodes map[int]string // by operation
	parts []part
	size  int
}

// part is the operations of a batch from first on, n of them, that are the
// first steps of a job.
type part struct {
	job      *job
	steps    int
	first, n int
}

func (b *batch) jobs() []*job {
	all := make([]*job, len(b.parts))
	for i, p := range b.parts {
		all[i] = p.job
	}
	return all
}

// batch takes as many steps as fit, in order, of jobs that are in no batch
// under way. A job whose steps do not fit into what is left waits for the next
// batch, unless it is larger than any.
func (c *consul) batch(jobs []*job) *batch {
	b := &batch{nodes: map[int]string{}}
	if c.pen.fence != nil {
		b.ops = api.TxnOps{{Node: &api.NodeTxnOp{Verb: api.NodeCAS, Node: *c.pen.fence}}}
	}
	for _, j := range jobs {
		if j.busy || j.err != nil || len(j.steps) == 0 || c.awaits(j) {
			continue
		}
		if !c.add(b, j) {
			break
		}
	}
	return b
}

// add adds what fits of j to b and reports whether that is all of it.
func (c *consul) add(b *batch, j *job) bool {
	undo, nodes := *b, maps.Clone(b.nodes)
	p := part{job: j}
	for _, node := range c.missing(b, j) {
		b.nodes[len(b.ops)] = node
		n := api.Node{Node: node, Address: nodeAddress, Meta: nodeMeta(c.layout.owner)}
		b.ops = append(b.ops, &api.TxnOp{Node: &api.NodeTxnOp{Verb: api.NodeCAS, Node: n}})
	}
	p.first = len(b.ops)
	for _, s := range j.steps {
		size := sizeOf(s.ops)
		if len(b.ops)+len(s.ops) > c.pen.limit || b.size+size > maxSize && len(b.parts)+p.steps > 0 {
			break
		}
		b.ops, b.size = append(b.ops, s.ops...), b.size+size
		p.steps++
		p.n += len(s.ops)
	}
	all := p.steps == len(j.steps)
	if p.steps == 0 || !all && len(undo.parts) > 0 {
		*b = undo
		b.nodes = nodes
		return false
	}
	b.parts = append(b.parts, p)
	return all
}

// missing returns the nodes that j needs and nobody made yet.
func (c *consul) missing(b *batch, j *job) []string {
	var all []string
	seen := map[string]bool{"": true}
	for _, n := range b.nodes {
		seen[n] = true
	}
	for _, s := range j.steps {
		if !seen[s.node] && !c.pen.nodes[s.node] {
			seen[s.node] = true
			all = append(all, s.node)
		}
	}
	return all
}

func (c *consul) mayWrite(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if c.pen.fence == nil {
		return cmp.Or(c.pen.lost, fmt.Errorf("no fence claimed: %w", registry.ErrFenced))
	}
	return nil
}

// fail gives up the batch's jobs.
func (b *batch) fail(err error) {
	for _, p := range b.parts {
		p.job.err = fmt.Errorf("write %q: %w", p.job.service.Key, err)
	}
}

// sendFailed judges a transaction without a proper answer. One that the
// server cannot take as a whole is tried again in halves, until the step that
// is to blame stands alone.
func (c *consul) sendFailed(b *batch, err error) (fatal error) {
	var status *statusError
	if errors.As(err, &status) && (status.code == http.StatusRequestEntityTooLarge || status.code == http.StatusBadRequest) {
		if b.steps() > 1 {
			c.pen.limit = max(len(b.ops)/2, minOps)
			return nil
		}
		c.pen.limit = maxOps
		b.fail(fmt.Errorf("%w: %w", err, registry.ErrInvalid))
		return nil
	}
	fatal = err
	if !untouched(err) {
		err = fmt.Errorf("%w: %w", err, registry.ErrUnknownOutcome)
	}
	b.fail(err)
	return fatal
}

func (b *batch) steps() int {
	n := 0
	for _, p := range b.parts {
		n += p.steps
	}
	return n
}

// untouched reports whether a transaction that failed surely wrote nothing.
func untouched(err error) bool {
	var status *statusError
	if errors.As(err, &status) {
		return status.code < 500 || status.code == http.StatusServiceUnavailable || strings.Contains(status.text, "No cluster leader")
	}
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// done takes over the indexes of what was written.
func (b *batch) done(results []txnResult) {
	services, checks := map[string]uint64{}, map[string]uint64{}
	for _, r := range results {
		switch {
		case r.Service != nil:
			services[r.Service.ID] = r.Service.ModifyIndex
		case r.Check != nil:
			checks[r.Check.CheckID] = r.Check.ModifyIndex
		}
	}
	for _, p := range b.parts {
		p.job.started = true
		p.job.steps = p.job.steps[p.steps:]
		for id, e := range p.job.entries {
			if index, ok := services[id]; ok {
				e.Service.ModifyIndex = index
			}
			if index, ok := checks[checkID(id)]; ok {
				e.Checks[0].ModifyIndex = index
			}
		}
	}
}

// refused finds out whom a transaction that was rolled back failed for:
//
//	the fence, out of date       everybody: this writer is deposed
//	a node that stands already   nobody, if it is the owner's
//	a node that is gone          nobody: it is made again
//	a record, out of date        its job: a conflict
//	a record, anything else      its job
func (c *consul) refused(ctx context.Context, b *batch, errs api.TxnErrors) (fatal error) {
	progress := false
	for _, e := range errs {
		switch node, isNode := b.nodes[e.OpIndex]; {
		case e.OpIndex == 0:
			return c.fenced(ctx, b, e.What)
		case isNode:
			if err := c.adopt(ctx, node, e.What); err != nil {
				b.fail(err)
				return err
			}
			progress = true
		case strings.Contains(e.What, missingNode):
			progress = progress || c.forget(b, e.OpIndex)
		}
	}
	for _, e := range errs {
		if p := b.at(e.OpIndex); p != nil && p.job.err == nil && !progress {
			p.job.err = fmt.Errorf("write %q: %w", p.job.service.Key, refusal(e.What))
		}
	}
	if !progress && !b.failed() {
		b.fail(fmt.Errorf("consul: transaction refused without a reason: %v", errs))
	}
	return nil
}

const missingNode = "Missing node registration"

// refusal makes an error of what Consul says of one operation.
func refusal(what string) error {
	switch {
	case strings.Contains(what, "index is stale"), strings.Contains(what, "doesn't exist"), strings.Contains(what, "Missing service"):
		return fmt.Errorf("%s: %w", what, registry.ErrConflict)
	case strings.Contains(what, "Permission denied"), strings.Contains(what, "ACL"):
		return errors.New(what)
	}
	return fmt.Errorf("%s: %w", what, registry.ErrInvalid)
}

// fenced gives up the batch, and all writing until a new claim if the fence
// is not what was claimed: gone, or moved by somebody else.
func (c *consul) fenced(ctx context.Context, b *batch, what string) error {
	err := refusal(what)
	switch {
	case c.pen.fence == nil: // another batch, sent at the same time, found out
		err = cmp.Or(c.pen.lost, err)
	case errors.Is(err, registry.ErrConflict):
		err = fmt.Errorf("%s: %w", what, c.lostFence(ctx))
		if !errors.Is(err, registry.ErrConflict) {
			c.pen.fence, c.pen.lost = nil, err
		}
	}
	b.fail(err)
	return err
}

// lostFence returns what became of the fence: gone, moved, or only given more
// sources, by which the next write goes.
func (c *consul) lostFence(ctx context.Context) error {
	n, err := c.client.node(ctx, c.pen.fence.Node)
	switch {
	case err != nil:
		return registry.ErrFenced
	case n == nil:
		return registry.ErrNoFence
	case n.Meta[metaOwner] != c.layout.owner || epochOf(n) != c.pen.epoch || !namesAll(n, c.pen.fence):
		return registry.ErrFenced
	}
	c.pen.fence = n
	return registry.ErrConflict
}

// namesAll reports whether fence names the sources that old does.
func namesAll(fence, old *api.Node) bool {
	named := fenceSources(fence.Meta)
	for _, id := range fenceSources(old.Meta) {
		if !slices.Contains(named, id) {
			return false
		}
	}
	return true
}

// adopt takes a node that could not be made for one of ours, if it is.
func (c *consul) adopt(ctx context.Context, name, what string) error {
	if err := refusal(what); !errors.Is(err, registry.ErrConflict) {
		return fmt.Errorf("make node %q: %w", name, err)
	}
	n, err := c.client.node(ctx, name)
	if err != nil {
		return err
	}
	if n != nil && n.Meta[metaOwner] != c.layout.owner {
		return fmt.Errorf("node %q stands already: %w", name, registry.ErrNotOwned)
	}
	c.pen.nodes[name] = n != nil
	return nil
}

// forget notes that the node of an operation is gone.
func (c *consul) forget(b *batch, op int) bool {
	node := ""
	if o := b.ops[op].Service; o != nil {
		node = o.Node
	} else if o := b.ops[op].Check; o != nil {
		node = o.Check.Node
	}
	known := c.pen.nodes[node]
	delete(c.pen.nodes, node)
	return known
}

// at returns the part that an operation belongs to.
func (b *batch) at(op int) *part {
	for i, p := range b.parts {
		if op >= p.first && op < p.first+p.n {
			return &b.parts[i]
		}
	}
	return nil
}

func (b *batch) failed() bool {
	for _, p := range b.parts {
		if p.job.err != nil {
			return true
		}
	}
	return false
}
