package registry

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestServe holds when a candidate stops to lead, and until when its lease holds.
func TestServe(t *testing.T) {
	times := DefaultLeaseTimes()
	broken := errors.New("broken")
	for _, tt := range []struct {
		name   string
		renew  func(ctx context.Context, n int) error // the nth time, from 0
		wait   time.Duration                          // after which it is told to stop
		led    time.Duration                          // as seen by Lead; -1: never
		holds  time.Duration                          // the lease holds for that long
		reason error
	}{
		{"stopped", func(context.Context, int) error { return nil }, time.Minute, time.Minute, time.Minute, context.Canceled},
		{"never renewed", func(context.Context, int) error { return broken }, time.Minute, -1, 0, broken},
		{"another leads", func(_ context.Context, n int) error {
			if n == 2 {
				return ErrNotLeading
			}
			return nil
		}, time.Minute, 2 * times.Retry, 2 * times.Retry, ErrNotLeading},
		{"a failure or two", func(_ context.Context, n int) error {
			if n == 2 || n == 3 {
				return broken
			}
			return nil
		}, time.Minute, time.Minute, time.Minute, context.Canceled},
		{"not renewed any more", func(_ context.Context, n int) error {
			if n > 1 {
				return broken
			}
			return nil
		}, time.Minute, times.Retry + times.Deadline, times.Retry + times.Deadline, broken},
		{"no answer any more", func(ctx context.Context, n int) error {
			if n > 1 {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}, time.Minute, times.Retry + times.Deadline, times.Retry + times.Deadline, context.DeadlineExceeded},
		{"an answer that comes late counts from its question", func(ctx context.Context, n int) error {
			switch {
			case n == 1:
				<-time.After(6 * time.Second)
			case n > 1:
				return broken
			}
			return nil
		}, time.Minute, times.Retry + times.Deadline, times.Retry + times.Deadline, broken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeoutCause(t.Context(), tt.wait, context.Canceled)
				defer cancel()
				began, n, led, held := time.Now(), 0, time.Duration(-1), time.Duration(0)
				err := Candidate{Name: "a", Lead: func(ctx context.Context, holds func() bool) {
					for tick := time.NewTicker(100 * time.Millisecond); ctx.Err() == nil; {
						if holds() {
							held = time.Since(began) + 100*time.Millisecond
						}
						select {
						case <-tick.C:
						case <-ctx.Done():
						}
					}
					led = time.Since(began)
				}}.Serve(ctx, times, func(ctx context.Context) error {
					n++
					return tt.renew(ctx, n-1)
				})
				if led < 0 != (tt.led < 0) || led > tt.led+times.Retry || tt.led > 0 && led < tt.led || !errors.Is(err, tt.reason) {
					t.Errorf("led for %v, since %v; want %v, %v", led, err, tt.led, tt.reason)
				}
				if held > tt.holds+100*time.Millisecond || held < tt.holds-100*time.Millisecond {
					t.Errorf("the lease held for %v, want %v", held, tt.holds)
				}
			})
		})
	}
}
