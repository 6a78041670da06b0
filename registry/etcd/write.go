package etcd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// Canon returns s as it would read back after a Put.
func (e *etcd) Canon(s *catalog.Service) (*catalog.Service, error) { return canon(e.layout, s) }

// Put writes mirrors.
func (e *etcd) Put(ctx context.Context, all []*catalog.Service) []registry.Result {
	return e.write(ctx, all, e.table.planPut)
}

// Delete removes mirrors.
func (e *etcd) Delete(ctx context.Context, all []*catalog.Service) []registry.Result {
	return e.write(ctx, all, e.table.planDelete)
}

// writing is one Put or Delete on its way. Its transactions are of different
// services, and several are under way at a time.
type writing struct {
	etcd    *etcd
	all     []*catalog.Service
	plans   planner
	client  *clientv3.Client
	history int
	results []registry.Result // each is set by the transaction that its service is part of
	flights *registry.Flights

	mu       sync.Mutex             // guards what follows
	reserved map[string]catalog.Ref // reverse keys that a service of this write creates
	fence    *fence
}

// planner is planPut or planDelete.
type planner func(s *catalog.Service, reserved map[string]catalog.Ref) ([]op, error)

// part is what one transaction is to do for one service: all of it or, where
// that does not fit, one of several parts.
type part struct {
	index int // of the service's result
	ops   []op
	done  []*record // what stands by earlier parts
	again bool      // it was planned anew already
}

func (e *etcd) write(ctx context.Context, all []*catalog.Service, plan planner) []registry.Result {
	w := &writing{
		etcd: e, all: all, plans: plan, reserved: map[string]catalog.Ref{}, flights: registry.NewFlights(maxFlights),
		fence: e.claimedFence(), history: e.table.age(), results: make([]registry.Result, len(all)),
	}
	w.flights.Stop(w.begin(ctx))
	w.launch(ctx)
	w.flights.Wait()
	return w.results
}

// begin returns why nothing can be written.
func (w *writing) begin(ctx context.Context) (err error) {
	if w.fence == nil {
		return fmt.Errorf("etcd %q: nothing claimed: %w", w.etcd.config.name, registry.ErrFenced)
	}
	if w.client, err = w.etcd.client(); err != nil {
		return err
	}
	return ctx.Err()
}

func (w *writing) plan(s *catalog.Service) ([]op, error) {
	if err := w.flights.Admit(s); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	ops, err := w.plans(s, w.reserved)
	for _, o := range ops {
		if o.do == put && o.mod == 0 && w.etcd.layout.isReverse(o.key) {
			w.reserved[o.key] = s.Ref()
		}
	}
	return ops, err
}

// large does for one service what no single transaction can hold: it adds,
// then removes.
func (w *writing) large(ctx context.Context, index int, ops []op) {
	kept := func(o op) bool { return o.do == keep }
	p := part{index: index, done: after(slices.DeleteFunc(slices.Clone(ops), func(o op) bool { return !kept(o) }), 0)}
	for p.ops = range slices.Chunk(slices.DeleteFunc(ops, kept), maxOps) {
		revision := w.commit(ctx, []part{p})
		if revision == 0 {
			w.results[index].Version = ""
			return
		}
		p.done = append(p.done, after(p.ops, revision)...)
	}
}

// commit does the parts in one transaction or, where the server refuses one of
// them, without that one. It returns the revision of the last transaction, or
// 0 if there was none.
func (w *writing) commit(ctx context.Context, batch []part) (revision int64) {
	if stop := w.flights.Stopped(); stop != nil {
		w.fail(batch, stop)
		return 0
	}
	for len(batch) > 0 {
		batch, revision = w.try(ctx, batch)
	}
	return revision
}

// try does the parts in one transaction. It returns the revision of that or, if
// it was refused, what of the parts is to be tried again.
func (w *writing) try(ctx context.Context, batch []part) (rest []part, revision int64) {
	w.etcd.table.expect(batch)
	defer w.etcd.table.forget(batch)
	held := w.held()
	resp, err := w.transact(ctx, batch, held)
	switch {
	case err != nil:
		return nil, w.failed(ctx, batch, err)
	case resp.Succeeded:
		w.succeeded(batch, resp.Header.Revision)
		return nil, resp.Header.Revision
	}
	return w.conflicts(ctx, batch, resp, held), 0
}

func (w *writing) transact(ctx context.Context, batch []part, held *fence) (*clientv3.TxnResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	n := 1 // the fence
	for _, p := range batch {
		n += len(p.ops)
	}
	compares := append(make([]clientv3.Cmp, 0, n+1), held.compares()...)
	then := make([]clientv3.Op, 0, n)
	look := append(make([]clientv3.Op, 0, n), clientv3.OpGet(held.key))
	for _, p := range batch {
		for _, o := range p.ops {
			compares = append(compares, at(o.key, o.mod))
			look = append(look, clientv3.OpGet(o.key))
			switch o.do {
			case put:
				then = append(then, clientv3.OpPut(o.key, o.value))
			case remove:
				then = append(then, clientv3.OpDelete(o.key))
			}
		}
	}
	return w.client.Txn(ctx).If(compares...).Then(then...).Else(look...).Commit()
}

// at compares a key's revision. It is clientv3.Compare(ModRevision), which makes
// a copy by reflection on the way.
func at(key string, mod int64) clientv3.Cmp {
	c := clientv3.ModRevision(key)
	c.GetCompare().Result = etcdserverpb.Compare_EQUAL
	c.GetCompare().TargetUnion = &etcdserverpb.Compare_ModRevision{ModRevision: mod}
	return c
}

func (w *writing) succeeded(batch []part, revision int64) {
	var did []item
	for _, p := range batch {
		stand := after(p.ops, revision)
		did = append(did, items(p.ops, stand, revision)...)
		w.results[p.index].Version = versionOf(append(stand, p.done...))
	}
	w.etcd.table.wrote(did, revision, w.history)
}

// conflicts returns what is to be tried again after a transaction was refused:
// the parts whose records are all at their revision, and those that can be
// planned around others' records. It sets the results of the rest.
func (w *writing) conflicts(ctx context.Context, batch []part, resp *clientv3.TxnResponse, held *fence) (rest []part) {
	found := func(i int) item {
		for _, kv := range resp.Responses[i].GetResponseRange().Kvs {
			return item{key: string(kv.Key), value: kv.Value, mod: kv.ModRevision}
		}
		return item{}
	}
	if err := w.refence(held, resp.Responses[0].GetResponseRange().Kvs); err != nil {
		err = fmt.Errorf("etcd %q: write: %w", w.etcd.config.name, err)
		w.flights.Stop(err)
		w.fail(batch, err)
		return nil
	}
	i := 0
	for _, p := range batch {
		var others []item
		var err error
		for _, o := range p.ops {
			i++
			it := found(i)
			if it.mod != o.mod {
				others = append(others, it)
				err = fmt.Errorf("record %q is at revision %d and was at %d: %w", o.key, it.mod, o.mod, registry.ErrConflict)
			}
		}
		if err != nil {
			p, err = w.around(ctx, p, others, err)
		}
		if err != nil {
			w.fail([]part{p}, err)
		} else if len(p.ops) > 0 {
			rest = append(rest, p)
		}
	}
	return rest
}

// refence makes the fence that was found, as kvs, the one that this write
// compares, if it may go on by it: our own Claim may have moved it meanwhile. A
// fence that another took over is forgotten; one that is gone is kept, so that
// every write until the next Claim says so. Nothing is learned from a transaction
// that compared was, if this write goes by a newer one already.
func (w *writing) refence(was *fence, kvs []*mvccpb.KeyValue) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fence != was {
		return nil
	}
	is, err := was.now(kvs)
	if err != nil {
		if claimed := w.etcd.settledFence(); claimed != nil && claimed != was {
			was = claimed
			is, err = was.now(kvs)
		}
	}
	if err == nil || !errors.Is(err, registry.ErrNoFence) {
		w.etcd.swapFence(was, is)
	}
	if err == nil {
		w.fence = is
	}
	return err
}

// around plans a part anew, once, if nothing but others' records stand where
// it would create its own. Otherwise it returns why it failed.
func (w *writing) around(ctx context.Context, p part, found []item, why error) (part, error) {
	ours := func(it item) bool {
		r := parseRecord(w.etcd.layout, it.key, it.value)
		return it.mod == 0 || r == nil || r.owner() == w.etcd.owner
	}
	created := func(it item) bool {
		return slices.ContainsFunc(p.ops, func(o op) bool { return o.key == it.key && o.mod == 0 })
	}
	for _, it := range found {
		if ours(it) || !created(it) {
			return p, why
		}
	}
	if p.again || p.done != nil {
		return p, why
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	if w.etcd.table.learn(ctx, found) != nil {
		return p, why
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	ops, err := w.plans(w.all[p.index], w.reserved)
	if err != nil || len(ops) == 0 || len(ops) > maxOps {
		return p, cmp.Or(err, why)
	}
	p.ops, p.again = ops, true
	return p, nil
}

// failed decides what an error of a transaction means for its parts.
func (w *writing) failed(ctx context.Context, batch []part, err error) (revision int64) {
	code := codeOf(err)
	if unauthenticated(err) {
		code = codes.Unauthenticated
	}
	switch code {
	case codes.InvalidArgument, codes.PermissionDenied:
		if len(batch) > 1 {
			return max(w.commit(ctx, batch[:len(batch)/2]), w.commit(ctx, batch[len(batch)/2:]))
		}
		w.fail(batch, fmt.Errorf("write: %w", err))
	case codes.Unauthenticated, codes.ResourceExhausted, codes.FailedPrecondition, codes.OutOfRange, codes.NotFound:
		if code == codes.Unauthenticated {
			w.etcd.dropClient(w.client)
		}
		err = fmt.Errorf("etcd %q: write: %w", w.etcd.config.name, err)
		w.flights.Stop(err)
		w.fail(batch, err)
	default:
		if w.etcd.unknown(err) {
			w.etcd.dropClient(w.client)
		}
		w.flights.Stop(fmt.Errorf("etcd %q: not tried: %w", w.etcd.config.name, err))
		w.fail(batch, fmt.Errorf("etcd %q: write: %w: %w", w.etcd.config.name, err, registry.ErrUnknownOutcome))
	}
	return 0
}

func (w *writing) fail(batch []part, err error) {
	for _, p := range batch {
		w.results[p.index].Err = err
	}
}

// unauthenticated reports whether the server no longer takes the password.
func unauthenticated(err error) bool {
	return codeOf(err) == codes.Unauthenticated || errors.Is(err, rpctypes.ErrAuthFailed)
}

func codeOf(err error) codes.Code {
	var e rpctypes.EtcdError
	if errors.As(err, &e) {
		return e.Code()
	}
	return status.Code(err)
}
