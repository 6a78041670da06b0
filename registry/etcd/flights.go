package etcd

import "context"

// maxFlights is how many transactions of one write are under way at a time: the
// server writes to its disk for several at once.
const maxFlights = 4

// launch starts all transactions, each once there is room for it.
func (w *writing) launch(ctx context.Context) {
	var batch []part
	size := 0
	for i, s := range w.all {
		w.results[i].Ref = s.Ref()
		ops, err := w.plan(s)
		switch {
		case err != nil:
			w.results[i].Err = err
		case len(ops) == 0:
			w.results[i].Version = s.Version
		case len(ops) > maxOps:
			w.flights.Launch(func() { w.large(ctx, i, ops) })
		case size+len(ops) > maxOps:
			full := batch
			w.flights.Launch(func() { w.commit(ctx, full) })
			batch, size = nil, 0
			fallthrough
		default:
			batch, size = append(batch, part{index: i, ops: ops}), size+len(ops)
		}
	}
	w.flights.Launch(func() { w.commit(ctx, batch) })
}

// held is the fence that the next transaction compares.
func (w *writing) held() *fence {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fence
}
