package main

import (
	"context"
	"errors"
	"sync"
	"time"
)

// churn changes the endpoints of bystanders rate times a second, in turn with
// and without one more. The returned function ends it, says how many changes a
// second were written, and leaves all as it was before.
func (w *world) churn(ctx context.Context, rate int) (stop func() (perSecond float64, err error)) {
	if rate == 0 {
		return func() (float64, error) { return 0, nil }
	}
	changing, cancel := context.WithCancel(ctx)
	var (
		running sync.WaitGroup
		written int
		failed  error
	)
	start := time.Now()
	running.Go(func() { written, failed = w.change(changing, rate) })
	return func() (float64, error) {
		cancel()
		running.Wait()
		perSecond := float64(written) / time.Since(start).Seconds()
		return perSecond, errors.Join(failed, w.unchange(ctx, written+1)) // one more may have been written
	}
}

// unchange undoes what the last of a number of changes left.
func (w *world) unchange(ctx context.Context, written int) error {
	all := w.shape.bystanders()
	for n := max(0, written-len(all)); n < written; n++ {
		if n/len(all)%2 == 0 {
			if err := w.put(ctx, all[n%len(all)].slice()); err != nil {
				return err
			}
		}
	}
	return nil
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
