package faults

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
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

// TestFaults holds that no service is lost, whatever fails.
func TestFaults(t *testing.T) {
	s := *seed
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("seed %d", s)
	c := newCluster(t, s, "kills", "leaders", "servers", "links")
	worlds := []*world{newWorld(t, c, "kills", false), newWorld(t, c, "leaders", true), newWorld(t, c, "servers", false), newWorld(t, c, "links", false)}
	ctx, stop := context.WithCancel(t.Context())
	changed := make(chan struct{})
	go func() { defer close(changed); c.users.change(ctx, rate) }()
	t.Cleanup(func() { stop(); <-changed })

	var k killing
	each(worlds, func(w *world) {
		t.Run(w.name, func(t *testing.T) { // not parallel, of which there are no more than processors
			switch w.name {
			case "kills":
				k = w.kills(t, rand.New(rand.NewPCG(s, 1)))
				w.slow(t)
			case "leaders":
				w.begin(t)
				w.pauseLeader(t)
			case "servers":
				w.begin(t)
				w.restore(t, w.down(t))
			case "links":
				w.begin(t)
				w.blind(t)
				w.flap(t, rand.New(rand.NewPCG(s, 2)))
			}
		})
	})
	if !t.Failed() {
		t.Run("last", func(t *testing.T) { last(t, c, worlds, func() { stop(); <-changed }) })
	}
	var lost []string
	for _, w := range worlds {
		lost = append(lost, w.losses()...)
	}
	for _, l := range lost {
		t.Errorf("lost: %s", l)
	}
	table(t, c, worlds, k, len(lost))
}

// last takes the API server down. Then all must become right, and stay.
func last(t *testing.T, c *cluster, worlds []*world, stop func()) {
	ctx := t.Context()
	if err := c.kube.Halt(); err != nil {
		t.Fatal(err)
	}
	for _, w := range worlds {
		if err := errors.Join(w.deregister(ctx, "in-00"), w.register(ctx, "in-late", "10.40.1.2")); err != nil {
			t.Fatal(err)
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
		taken, err := w.converge(ctx, mending)
		if err != nil {
			t.Errorf("after the last fault: %v", err)
		}
		w.report.add("the API server was down, the last fault", taken)
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
	if err := errors.Join(w.equal(t.Context(), "consul"), w.equal(t.Context(), "etcd"), w.equal(t.Context(), "kubernetes")); err != nil {
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

func each(worlds []*world, f func(*world)) {
	var running sync.WaitGroup
	for _, w := range worlds {
		running.Go(func() { f(w) })
	}
	running.Wait()
}

// table says what was done and seen, and keeps it.
func table(t *testing.T, c *cluster, worlds []*world, k killing, lost int) {
	var b strings.Builder
	fmt.Fprintf(&b, "services at first             %d, mirrored into %d Consuls and etcds; %d back from each Consul\n", originals, len(worlds), natives)
	fmt.Fprintf(&b, "changes meanwhile             %v\n", c.users.count)
	fmt.Fprintf(&b, "kills with -9                 %d, of them with writes in flight %d\n", k.done, k.hit)
	fmt.Fprintf(&b, "writes in flight              %d that the server had; %d not yet: of these %d came late and %d never\n", k.there, k.here, k.late, k.never)
	longest, looks := time.Duration(0), 0
	for _, w := range worlds {
		longest = max(longest, w.longest)
		for _, one := range w.watches {
			looks += one.looks
		}
		for _, line := range w.report {
			fmt.Fprintf(&b, "%-29s %s\n", w.name, line)
		}
	}
	fmt.Fprintf(&b, "longest time to converge      %.1f s\n", longest.Seconds())
	fmt.Fprintf(&b, "live services lost            %d, in %d looks at the targets\n", lost, looks)
	t.Logf("\n%s", b.String())
	if err := os.WriteFile(filepath.Join(c.logs, "table.txt"), []byte(b.String()), 0o600); err != nil {
		t.Error(err)
	}
}
