package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

const (
	kills    = 50
	inFlight = 25 // kills that must hit with writes in flight
)

// killing is what became of the kills.
type killing struct {
	done, hit                int
	there, here, late, never int // writes in flight: the server had them, or not yet; and what then came of these
}

// kills kills the bridge so many times while it works, and starts it again each time.
// Most wait for one of its next writes, the others for a time.
func (w *world) kills(t *testing.T, r *rand.Rand) (k killing) {
	ctx, err := t.Context(), error(nil)
	for k.done < kills && err == nil && ctx.Err() == nil {
		if !w.bridge.alive() {
			err = w.bridge.start()
		} else if err = w.moment(ctx, r); err == nil {
			w.strike(r, &k)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if k.hit < inFlight {
		t.Errorf("%d of %d kills hit with writes in flight, want at least %d", k.hit, k.done, inFlight)
	}
	if err := w.bridge.start(); err != nil {
		t.Fatal(err)
	}
	w.settle(t, fmt.Sprintf("%d kills", k.done), within)
	return k
}

// moment waits for when to kill.
func (w *world) moment(ctx context.Context, r *rand.Rand) error {
	after, wait := time.Duration(100+r.IntN(2500))*time.Millisecond, 30*time.Second
	consul, etcd, n := r.IntN(2) == 0, r.IntN(10) < 7, 1+r.IntN(12)
	var sprung <-chan struct{}
	switch {
	case !etcd: // by time
		wait = after
	case consul:
		sprung = w.bridge.wires["consul"].set(n)
	default:
		sprung = w.bridge.wires["etcd"].set(n)
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
func (w *world) strike(r *rand.Rand, k *killing) {
	for _, one := range w.bridge.wires {
		one.freeze()
	}
	w.bridge.kill()
	late, hit := r.IntN(2) == 0, false
	for _, one := range w.bridge.wires {
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
	for _, one := range w.bridge.wires {
		one.thaw(late)
	}
	k.done++
	if hit {
		k.hit++
	}
}
