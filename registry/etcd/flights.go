package etcd

import (
	"cmp"
	"context"

	"github.com/isthmus-dns/isthmus/catalog"
)

// maxFlights is how many transactions of one write are under way at a time: the
// server writes to its disk for several at once.
const maxFlights = 4

// launch starts all transactions, each once there is room for it. The first
// goes alone: while the server does not answer, or the fence was moved, only
// that one was tried.
func (w *writing) launch(ctx context.Context) {
	alone := true
	fly := func(do func()) {
		if alone {
			alone = false
			do()
			return
		}
		w.flights.Go(func() error { do(); return nil })
	}
	seen := map[catalog.Ref]bool{}
	var batch []part
	size := 0
	for i, s := range w.all {
		w.results[i].Ref = s.Ref()
		ops, err := w.plan(s, seen)
		switch {
		case err != nil:
			w.results[i].Err = err
		case len(ops) == 0:
			w.results[i].Version = s.Version
		case len(ops) > maxOps:
			fly(func() { w.large(ctx, i, ops) })
		case size+len(ops) > maxOps:
			full := batch
			fly(func() { w.commit(ctx, full) })
			batch, size = nil, 0
			fallthrough
		default:
			batch, size = append(batch, part{index: i, ops: ops}), size+len(ops)
		}
	}
	fly(func() { w.commit(ctx, batch) })
}

// stopped is why nothing more is tried.
func (w *writing) stopped() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stop
}

// halt ends the write: what is under way goes on, nothing more is tried. The
// first reason counts.
func (w *writing) halt(why error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stop = cmp.Or(w.stop, why)
}

// held is the fence that the next transaction compares.
func (w *writing) held() *fence {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fence
}
