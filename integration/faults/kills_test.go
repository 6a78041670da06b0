package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// killing is what became of the kills.
type killing struct {
	done, hit                int
	there, here, late, never int // writes in flight: the server had them, or not yet; and what then came of these
}

// kills kills the bridge so many times while it works, and starts it again each time.
// Most wait for one of its next writes to one of the registries, the n-th, of which it
// is at most the given one; the others wait for a time. So many must hit with writes
// in flight.
func (w *world) kills(t *testing.T, r *rand.Rand, times, hits, nth int) {
	ctx, k, err := t.Context(), &w.killed, error(nil)
	done, hit := k.done, k.hit
	for k.done-done < times && err == nil && ctx.Err() == nil {
		if !w.bridge.alive() {
			err = w.bridge.start()
		} else if err = w.moment(ctx, r, nth); err == nil {
			w.strike(r)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if n := k.hit - hit; n < hits {
		t.Errorf("%d of %d kills hit with writes in flight, want at least %d", n, times, hits)
	}
	if err := w.bridge.start(); err != nil {
		t.Fatal(err)
	}
	w.settle(t, fmt.Sprintf("%d kills", times), within)
}

// moment waits for when to kill.
func (w *world) moment(ctx context.Context, r *rand.Rand, nth int) error {
	after, wait := time.Duration(100+r.IntN(2500))*time.Millisecond, 30*time.Second
	which, writes, n := w.registries[r.IntN(len(w.registries))], r.IntN(10) < 7, 1+r.IntN(nth)
	var sprung <-chan struct{}
	if writes {
		sprung = w.bridge.gates[which.name()].set(n)
	} else {
		wait = after
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-sprung:
	case <-timer.C:
	case <-w.bridge.done:
		return fmt.Errorf("world %s: the bridge ended by itself", w.name)
	case <-ctx.Done():
	}
	return nil
}

// strike kills the bridge and counts what was in flight.
func (w *world) strike(r *rand.Rand) {
	k := &w.killed
	for _, one := range w.bridge.gates {
		one.freeze()
	}
	w.bridge.kill()
	late, hit := r.IntN(2) == 0, false
	for _, one := range w.bridge.gates {
		there, here := one.caught()
		k.there += there
		k.here += here
		hit = hit || there+here > 0
		if late {
			k.late += here
		} else {
			k.never += here
		}
	}
	for _, one := range w.bridge.gates {
		one.thaw(late)
	}
	k.done++
	if hit {
		k.hit++
	}
}

func (k *killing) add(of killing) {
	k.done += of.done
	k.hit += of.hit
	k.there += of.there
	k.here += of.here
	k.late += of.late
	k.never += of.never
}
