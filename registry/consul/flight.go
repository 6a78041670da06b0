package consul

import (
	"context"
	"fmt"
)

// maxFlights is how many transactions are under way at a time: while the
// server applies one, the next is decoded there and another made here.
const maxFlights = 3

// flight is a batch under way, and what became of it.
type flight struct {
	batch *batch
	ok    bool
	out   txnAnswer
	err   error
}

// run writes all jobs, batch by batch, and reports what came of them. The
// batches of one job follow each other.
func (c *consul) run(ctx context.Context, jobs []*job) {
	landed := make(chan *flight)
	fatal := c.mayWrite(ctx)
	for flying := 0; ; flying-- {
		for fatal == nil && flying < maxFlights {
			b := c.batch(jobs)
			if len(b.parts) == 0 {
				break
			}
			c.launch(ctx, b, landed)
			flying++
			fatal = c.mayWrite(ctx)
		}
		if flying == 0 {
			break
		}
		f := <-landed
		if err := c.land(ctx, f); fatal == nil {
			fatal = err
		}
		c.report(f.batch.jobs())
	}
	for _, j := range jobs {
		switch {
		case j.err != nil || j.started && len(j.steps) == 0:
		case fatal != nil:
			j.err = fmt.Errorf("write %q: %w", j.service.Key, fatal)
		default: // nothing to write
			j.version = j.service.Version
		}
	}
}

// launch sends a batch; what becomes of it is sent to landed.
func (c *consul) launch(ctx context.Context, b *batch, landed chan<- *flight) {
	for _, j := range b.jobs() {
		j.busy = true
	}
	for _, node := range b.nodes {
		c.pen.making[node] = true
	}
	go func() {
		f := &flight{batch: b}
		f.ok, f.out, f.err = c.client.txn(ctx, b.ops)
		landed <- f
	}()
}

// awaits reports whether a node that j needs is being made.
func (c *consul) awaits(j *job) bool {
	for _, s := range j.steps {
		if c.pen.making[s.node] {
			return true
		}
	}
	return false
}

// land tells each job of a batch what became of it. One that is bad is refused
// alone; the rest stays to be done. A fatal error is one that the next batch
// would meet as well.
func (c *consul) land(ctx context.Context, f *flight) (fatal error) {
	b := f.batch
	for _, j := range b.jobs() {
		j.busy = false
	}
	for _, node := range b.nodes {
		delete(c.pen.making, node)
	}
	switch {
	case f.err != nil:
		return c.sendFailed(b, f.err)
	case !f.ok:
		return c.refused(ctx, b, f.out.Errors)
	}
	b.done(f.out.Results)
	for _, node := range b.nodes {
		c.pen.nodes[node] = true
	}
	return nil
}
