package main

import (
	"context"
	"sync"
	"time"
)

// churn changes the endpoints of bystanders rate times a second, in turn with
// and without one more. The returned function ends it, waits, and says how many
// changes a second were written.
func (w *world) churn(ctx context.Context, rate int) (stop func() (perSecond float64, err error)) {
	if rate == 0 {
		return func() (float64, error) { return 0, nil }
	}
	ctx, cancel := context.WithCancel(ctx)
	var (
		running sync.WaitGroup
		written int
		failed  error
	)
	start := time.Now()
	running.Go(func() { written, failed = w.change(ctx, rate) })
	return func() (float64, error) {
		cancel()
		running.Wait()
		return float64(written) / time.Since(start).Seconds(), failed
	}
}

// change writes one slice after the other, as many a second as rate says or as
// the API server takes, until ctx ends.
func (w *world) change(ctx context.Context, rate int) (written int, err error) {
	all := w.shape.bystanders()
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return written, nil
		case <-tick.C:
		}
		v := all[written%len(all)]
		s := v.slice()
		if written/len(all)%2 == 0 {
			s = v.withExtra(written)
		}
		if err := w.put(ctx, s); err != nil {
			if ctx.Err() != nil {
				return written, nil
			}
			return written, err
		}
		written++
	}
}
