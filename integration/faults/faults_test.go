package faults

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
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

// TestFaults holds that no service is lost, whatever fails.
func TestFaults(t *testing.T) {
	s := *seed
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("seed %d", s)
	c := newCluster(t, s, "kills")
	t.Logf("the cluster stands")
	w := newWorld(t, c, "kills", false)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	changed := make(chan struct{})
	go func() { defer close(changed); c.users.change(ctx, rate) }()
	begin := time.Now()
	k, err := w.kill(ctx, rand.New(rand.NewPCG(s, 1)))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v after %v", k, time.Since(begin))
	if err := w.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.bridge.stop() })
	stop()
	<-changed
	t.Logf("changes: %v, %v", c.users.count, c.users.failed)
	taken, err := w.converge(t.Context(), 60*time.Second)
	t.Logf("converged after %v", taken)
	if err != nil {
		t.Error(err)
	}
	for _, l := range w.losses() {
		t.Error(l)
	}
	fmt.Println(w.watches[0].looks, w.watches[1].looks, w.watches[2].looks)
}
