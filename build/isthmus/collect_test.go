package main

import (
	"context"
	"errors"
	"math"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// TestCollect holds that the collector runs later until everything is read, or until
// the end, and then as is written in the manual.
func TestCollect(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	for name, end := range map[string]func(synced *atomic.Bool, cancel func()){
		"synced": func(synced *atomic.Bool, _ func()) { synced.Store(true) },
		"ended":  func(_ *atomic.Bool, cancel func()) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			was, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(math.MaxInt64)
			defer func() { debug.SetGCPercent(was); debug.SetMemoryLimit(limit) }()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var synced atomic.Bool
				done := make(chan struct{})
				go func() {
					defer close(done)
					collect(ctx, synced.Load)
				}()
				synctest.Wait()
				if got, most := percent(startAt), debug.SetMemoryLimit(-1); got != startAt || most > startLimit {
					t.Errorf("at the start collected at %d percent, or %d bytes", got, most)
				}
				end(&synced, cancel)
				<-done
			})
			if got, most := percent(collectAt), debug.SetMemoryLimit(-1); got != collectAt || most != math.MaxInt64 {
				t.Errorf("after it collected at %d percent, or %d bytes", got, most)
			}
		})
	}
}

// percent sets what the collector runs at, and returns what that was.
func percent(p int) int { return debug.SetGCPercent(p) }

// TestInUse holds that a start knows how much memory is in use.
func TestInUse(t *testing.T) {
	before := inUse()
	kept := make([]byte, 8<<20)
	runtime.GC()
	if after := inUse(); after < before+4<<20 {
		t.Errorf("%d bytes in use, and with 8 MiB more %d", before, after)
	}
	runtime.KeepAlive(kept)
}

func TestStartMemory(t *testing.T) {
	for _, c := range []struct {
		may  uint64
		err  error
		want int64
	}{
		{may: 128 << 20, want: 2 * (128 << 20 / 3)},
		{may: 4 << 30, want: startLimit},
		{may: math.MaxUint64, want: startLimit},
		{err: errors.New("no limit"), want: startLimit},
	} {
		if got := startMemory(c.may, c.err); got != c.want {
			t.Errorf("startMemory(%d, %v) = %d, want %d", c.may, c.err, got, c.want)
		}
	}
}
