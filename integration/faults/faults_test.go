package faults

import (
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

var seed = flag.Uint64("seed", 1, "what the moments of the faults and all changes follow from; 0 for any")

const (
	rate    = 8 // changes a second
	held    = 60 * time.Second
	mending = 10 * time.Second // within which all must be right after the last fault
	quiet   = 60 * time.Second // in which nothing may be written then
)

// scene is a world and the faults that it has by itself.
type scene struct {
	*world
	faults func(t *testing.T)
}

// TestFaults holds that no service is lost, whatever fails.
func TestFaults(t *testing.T) {
	s := *seed
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("seed %d", s)
	c := newCluster(t, s, "kills", "leaders", "servers", "links", "sessions")
	scenes := scenesOf(t, c, s)
	var worlds []*world
	for _, one := range scenes {
		worlds = append(worlds, one.world)
	}
	ctx, stop := context.WithCancel(t.Context())
	changed := make(chan struct{})
	go func() { defer close(changed); c.users.change(ctx, rate) }()
	t.Cleanup(func() { stop(); <-changed })

	each(scenes, func(one scene) {
		t.Run(one.name, one.faults) // not parallel, of which there are no more than processors
	})
	if !t.Failed() {
		t.Run("last", func(t *testing.T) { last(t, c, worlds, func() { stop(); <-changed }) })
	}
	for _, w := range worlds {
		for _, l := range w.losses() {
			t.Errorf("lost: %s", l)
		}
	}
	table(t, c, worlds)
}

// scenesOf makes all worlds.
func scenesOf(t *testing.T, c *cluster, seed uint64) []scene {
	random := func(n uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, n)) }
	kills, leaders := newPair(t, c, "kills", false), newPair(t, c, "leaders", true)
	servers, links, sessions := newPair(t, c, "servers", false), newPair(t, c, "links", false), newZoo(t, c, "sessions")
	return []scene{
		{kills.world, func(t *testing.T) {
			kills.kills(t, random(1), 50, 25, 12)
			kills.slow(t)
		}},
		{leaders.world, func(t *testing.T) {
			leaders.begin(t)
			leaders.pauseLeader(t)
		}},
		{servers.world, func(t *testing.T) {
			servers.begin(t)
			servers.restore(t, servers.down(t))
		}},
		{links.world, func(t *testing.T) {
			links.begin(t)
			links.blind(t)
			links.flap(t, random(2))
		}},
		{sessions.world, func(t *testing.T) { sessions.faults(t, random(3)) }},
	}
}

// last takes the API server down. Then all must become right, and stay.
func last(t *testing.T, c *cluster, worlds []*world, stop func()) {
	ctx := t.Context()
	if err := c.kube.Halt(); err != nil {
		t.Fatal(err)
	}
	for _, w := range worlds {
		for _, s := range w.sources() {
			if err := errors.Join(w.deregister(ctx, s, s.native("00")), s.register(ctx, s.native("late"), "10.40.1.2")); err != nil {
				t.Fatal(err)
			}
		}
	}
	pause(ctx, held)
	if err := c.kube.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	stop()
	if c.users.failed != nil {
		t.Fatalf("users: %v", c.users.failed)
	}
	each(worlds, func(w *world) {
		taken, err := w.converge(ctx, mending, w.targets()...)
		if err != nil {
			t.Errorf("after the last fault: %v", err)
		}
		w.tell("%.1f s until right after the API server was down, the last fault", taken.Seconds())
		w.calm(t)
	})
}

// calm holds that no server counts a write for a minute.
func (w *world) calm(t *testing.T) {
	before := w.versions(t)
	pause(t.Context(), quiet)
	for target, after := range w.versions(t) {
		if after != before[target] {
			t.Errorf("%s/%s: written although nothing changed: %s, then %s", w.name, target, before[target], after)
		}
	}
	if err := w.right(t.Context()); err != nil {
		t.Error(err)
	}
}

func (w *world) versions(t *testing.T) map[string]string {
	all := map[string]string{}
	for _, one := range w.watches {
		v, err := one.version(t.Context())
		if err != nil {
			t.Error(err)
		}
		all[one.name] = v
	}
	return all
}

func each[T any](all []T, f func(T)) {
	var running sync.WaitGroup
	for _, one := range all {
		running.Go(func() { f(one) })
	}
	running.Wait()
}
