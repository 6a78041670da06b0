package registrytest

import (
	"context"
	"fmt"
	"runtime"
	"sync"
)

// recorder is a T that keeps what a case complains of.
type recorder struct {
	ctx      context.Context
	mu       sync.Mutex // guards what follows
	failures []string
	cleanups []func()
}

func (r *recorder) Helper()                  {}
func (r *recorder) Logf(string, ...any)      {}
func (r *recorder) Context() context.Context { return r.ctx }

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Cleanup(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cleanups = append(r.cleanups, f)
}

// failuresOf runs a case to its end, clean-up included.
func failuresOf(ctx context.Context, c Case, p Place) []string {
	ctx, cancel := context.WithCancel(ctx)
	r := &recorder{ctx: ctx}
	r.apart(func() { c.Do(r, p) })
	cancel()
	for len(r.cleanups) > 0 {
		last := r.cleanups[len(r.cleanups)-1]
		r.cleanups = r.cleanups[:len(r.cleanups)-1]
		r.apart(last)
	}
	return r.failures
}

// apart runs f on a goroutine of its own, which Fatalf may end.
func (r *recorder) apart(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}
