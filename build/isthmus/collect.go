package main

import (
	"context"
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

const (
	collectAt  = 75                     // percent by which the memory in use grows until it is collected
	startAt    = 300                    // the same at a start
	startLimit = 320 << 20              // bytes that a start may take before it is collected more often
	startTick  = 100 * time.Millisecond // between two looks at whether the start is over
)

// collect has the collector run sooner than it would: a bridge has little to
// compute, and stands beside what people pay for. While it reads everything for the
// first time it runs later, since nearly all that is read stays, and what is there
// already would be looked through dozens of times; until that would take much
// memory, or two thirds of what the program may use at all. It ends when all is
// read, or with ctx. What the environment says goes before.
func collect(ctx context.Context, synced func() bool) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	limit := startMemory(memlimit.FromCgroup())
	debug.SetGCPercent(startAt)
	debug.SetMemoryLimit(limit)
	awaitStart(ctx, func() bool { return synced() || inUse() > limit/2 })
	debug.SetGCPercent(collectAt)
	debug.SetMemoryLimit(math.MaxInt64)
}

// startMemory is how many bytes a start may take where the program may use so many;
// an error: nobody says how many.
func startMemory(may uint64, err error) int64 {
	if err != nil || may/3*2 > startLimit {
		return startLimit
	}
	return int64(may / 3 * 2)
}

// awaitStart waits until the start is over, or ctx ends.
func awaitStart(ctx context.Context, over func() bool) {
	tick := time.NewTicker(startTick)
	defer tick.Stop()
	for !over() {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// inUse is how many bytes the last collection left.
func inUse() int64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}
