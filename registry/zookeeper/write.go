package zookeeper

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/go-zookeeper/zk"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// Canon returns s as it would read back after a Put.
func (z *zookeeper) Canon(s *catalog.Service) (*catalog.Service, error) { return z.layout.canon(s) }

// Put writes mirrors.
func (z *zookeeper) Put(ctx context.Context, all []*catalog.Service) []registry.Result {
	return z.write(ctx, all, z.table.planPut)
}

// Delete removes mirrors.
func (z *zookeeper) Delete(ctx context.Context, all []*catalog.Service) []registry.Result {
	return z.write(ctx, all, z.table.planDelete)
}

// writeState is what writing needs.
type writeState struct {
	mu      sync.Mutex // guards what follows
	session *session
	fence   *fence // nil: not claimed
	unsure  bool   // a write by that fence may be on its way, though nobody waits for it
}

// client is the session for writes. It lives until Close, or until it is lost; then
// another takes its place.
func (z *zookeeper) client(ctx context.Context) (*session, error) {
	w := &z.writes
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.session != nil && w.session.over.Err() == nil {
		return w.session, nil
	}
	if w.session != nil {
		w.session.close()
		w.session = nil
	}
	s, err := z.config.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("zookeeper %q: %w", z.config.name, err)
	}
	w.session = s
	z.table.setLive(s.conn.SessionID())
	return s, nil
}

// Close gives up the session for writes.
func (z *zookeeper) Close() error {
	z.writes.mu.Lock()
	defer z.writes.mu.Unlock()
	if z.writes.session != nil {
		z.writes.session.close()
		z.writes.session = nil
	}
	return nil
}

// maxFlights is how many transactions of one write are under way at a time.
const maxFlights = 4

// writing is one Put or Delete on its way. Its transactions are of different
// services, and several are under way at a time.
type writing struct {
	z       *zookeeper
	all     []*catalog.Service
	plans   func(*catalog.Service) (*plan, error)
	session *session
	acl     []zk.ACL
	results []registry.Result // each is set by the transaction that its service is part of
	flights *registry.Flights

	mu    sync.Mutex // guards what follows
	fence *fence
}

// part is what one transaction is to do for one service: all of it or, where that does
// not fit, one of several parts.
type part struct {
	index int // of the service's result
	plan  *plan
	ops   []op
	made  int // how often what is above its nodes was made for it
}

func (z *zookeeper) write(ctx context.Context, all []*catalog.Service, plans func(*catalog.Service) (*plan, error)) []registry.Result {
	w := &writing{
		z: z, all: all, plans: plans, acl: z.config.acl(), fence: z.claimedFence(),
		results: make([]registry.Result, len(all)), flights: registry.NewFlights(maxFlights),
	}
	w.flights.Stop(w.begin(ctx))
	w.launch(ctx)
	w.flights.Wait()
	return w.results
}

// begin has a session, and the fence that is to be compared by now, or returns why
// nothing can be written.
func (w *writing) begin(ctx context.Context) (err error) {
	if w.fence == nil {
		return fmt.Errorf("zookeeper %q: nothing claimed: %w", w.z.config.name, registry.ErrFenced)
	}
	if err = ctx.Err(); err == nil && len(w.all) > 0 {
		w.session, err = w.z.client(ctx)
	}
	if w.session != nil && err == nil {
		w.fence, err = w.z.settle(ctx, w.session)
	}
	return err
}

// launch starts all transactions, each once there is room for it.
func (w *writing) launch(ctx context.Context) {
	var batch []part
	ops, size := 0, 0
	for i, s := range w.all {
		w.results[i].Ref = s.Ref()
		p, err := w.plan(s)
		if err != nil || p == nil {
			w.results[i].Version, w.results[i].Err = s.Version, err
			continue
		}
		parts := p.parts(maxOps, maxBytes)
		if len(parts) > 1 {
			w.flights.Launch(func() { w.large(ctx, i, p, parts) })
			continue
		}
		n, bytes := len(parts[0]), step(parts[0]).bytes()
		if len(batch) > 0 && (ops+n > maxOps || size+bytes > maxBytes) {
			full := batch
			w.flights.Launch(func() { w.commit(ctx, full) })
			batch, ops, size = nil, 0, 0
		}
		batch, ops, size = append(batch, part{index: i, plan: p, ops: parts[0]}), ops+n, size+bytes
	}
	w.flights.Launch(func() { w.commit(ctx, batch) })
}

func (w *writing) plan(s *catalog.Service) (*plan, error) {
	if err := w.flights.Admit(s); err != nil {
		return nil, err
	}
	return w.plans(s)
}

// large does for one service what no single transaction can hold.
func (w *writing) large(ctx context.Context, index int, p *plan, parts [][]op) {
	for _, ops := range parts {
		if !w.commit(ctx, []part{{index: index, plan: p, ops: ops}}) {
			w.results[index].Version = ""
			return
		}
	}
}

// commit does the parts in one transaction or, where the server refuses one of them,
// without that one. It reports whether any was done.
func (w *writing) commit(ctx context.Context, batch []part) (done bool) {
	for len(batch) > 0 && !done {
		if stop := cmp.Or(w.flights.Stopped(), ctx.Err()); stop != nil {
			w.fail(batch, stop)
			return false
		}
		batch, done = w.try(ctx, batch)
	}
	return done
}

// try does the parts in one transaction. If that was refused, it returns what of the
// parts is to be tried again.
func (w *writing) try(ctx context.Context, batch []part) (rest []part, done bool) {
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	held := w.held()
	if batch = w.makeFolders(ctx, held, batch); len(batch) == 0 {
		return nil, false
	}
	ops := []op{{do: set, path: held.node(), version: -1}}
	for _, p := range batch {
		ops = append(ops, p.ops...)
	}
	zxid, err := w.session.multi(ctx, ops, w.acl)
	var refused *refusal
	switch {
	case err == nil:
		w.succeeded(batch, zxid)
		return nil, true
	case errors.As(err, &refused):
		return w.refused(ctx, batch, refused, held), false
	}
	w.z.writes.doubt()
	w.flights.Stop(fmt.Errorf("zookeeper %q: not tried: %w", w.z.config.name, err))
	w.fail(batch, fmt.Errorf("zookeeper %q: write: %w", w.z.config.name, err))
	return nil, false
}

func (w *writing) succeeded(batch []part, zxid int64) {
	var ops []op
	names := make([]string, len(batch))
	for i, p := range batch {
		ops = append(ops, p.ops...)
		names[i] = w.all[p.index].Name
	}
	for i, version := range w.z.table.wrote(ops, names, zxid, w.session.conn.SessionID()) {
		w.results[batch[i].index].Version = version
	}
}

// refused returns what is to be tried again after a server refused one operation. It
// sets the result of the service that this was of, if that one is not.
func (w *writing) refused(ctx context.Context, batch []part, why *refusal, held *fence) (rest []part) {
	if why.at == 0 {
		if err := w.refence(ctx, held, why.err); err != nil {
			err = fmt.Errorf("zookeeper %q: write: %w", w.z.config.name, err)
			w.flights.Stop(err)
			w.fail(batch, err)
			return nil
		}
		return batch
	}
	at := why.at - 1
	for i, p := range batch {
		if at >= len(p.ops) {
			at -= len(p.ops)
			continue
		}
		o := p.ops[at]
		err := o.failed(why.err)
		if o.do == create && errors.Is(why.err, zk.ErrNoNode) && p.made < maxMade {
			batch[i].made++
			err = w.makeAbove(ctx, p.plan, o)
		}
		if err == nil {
			return batch
		}
		w.fail(batch[i:i+1], err)
		return append(batch[:i:i], batch[i+1:]...)
	}
	return nil
}

// failed says what a server's error means for an operation.
func (o op) failed(err error) error {
	switch {
	case err == nil:
		return nil
	case isChange(err):
		return fmt.Errorf("node %q: %w: %w", o.path, err, registry.ErrConflict)
	case errors.Is(err, zk.ErrNoChildrenForEphemerals):
		return fmt.Errorf("node %q: above it is another's instance: %w: %w", o.path, err, registry.ErrNotOwned)
	}
	return fmt.Errorf("write node %q: %w", o.path, err)
}

// refence makes the fence that stands the one that this write compares, if it may go
// on by it: our own Claim may have moved it meanwhile.
func (w *writing) refence(ctx context.Context, was *fence, why error) error {
	if !errors.Is(why, zk.ErrNoNode) {
		return fmt.Errorf("node %q: %w", was.node(), why)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fence != was {
		return nil
	}
	if now := w.z.settledFence(); now != nil && now.Holder != was.Holder {
		w.fence = now
		return nil
	}
	is, _, err := readFence(ctx, w.session, was.path)
	switch {
	case err != nil:
		return err
	case is == nil || is.Holder == was.Holder:
		return registry.ErrNoFence
	}
	return registry.ErrFenced
}

// held is the fence that the next transaction compares.
func (w *writing) held() *fence {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fence
}

func (w *writing) fail(batch []part, err error) {
	for _, p := range batch {
		w.results[p.index].Err = err
	}
}
