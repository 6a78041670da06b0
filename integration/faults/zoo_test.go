package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/isthmus-dns/isthmus/integration/servers"
	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
	"github.com/isthmus-dns/isthmus/registry/registrytest/proxy"
)

// zoo is a world of two ZooKeepers: one of a single server, and an ensemble of three.
type zoo struct {
	*world
	lone     *zooTarget
	server   *servers.ZooKeeper // lone's
	three    *zooTarget
	ensemble *servers.ZooKeeperEnsemble // three's
}

func newZoo(t *testing.T, c *cluster, name string) *zoo {
	t.Helper()
	// The server looks often for containers to remove, so that a minute in which nothing
	// is written begins soon.
	o := servers.ZooKeeperOptions{Options: servers.Options{Args: []string{"-Xmx192m"}}, ContainerCheck: time.Second}
	z := &zoo{server: serverstest.ZooKeeper(t, o), ensemble: serverstest.ZooKeeperEnsemble(t, o)}
	z.lone = newZooTarget(t, "lone", name, []string{z.server.Address()})
	z.three = newZooTarget(t, "ensemble", name, z.ensemble.Addresses())
	z.world = newWorld(t, c, name, false, z.lone, z.three)
	return z
}

// faults are those of both ZooKeepers at the same time, after the bridge was killed in
// the midst of the first sync, and of changes.
func (z *zoo) faults(t *testing.T, r *rand.Rand) {
	z.kills(t, r, 6, 3, 400)
	z.kills(t, r, 6, 3, 12)
	each([]string{"lone", "ensemble"}, func(name string) {
		t.Run(name, func(t *testing.T) {
			if name == "lone" {
				z.crash(t)
				z.expire(t, z.lone, links.stall, "connections were stalled and sessions expired")
				return
			}
			z.killLeader(t)
			z.freezeLeader(t)
			z.expire(t, z.three, links.cut, "connections were cut and sessions expired")
		})
	})
}

// mended waits until what goes into a ZooKeeper and what comes from it is right.
func (z *zoo) mended(t *testing.T, of *zooTarget, after string) {
	t.Helper()
	z.settle(t, of.called+": "+after, mending, of.called, "from "+of.called)
}

// crash has the lone server end as by a crash, and come back after a time. Its users'
// own sessions outlive that.
func (z *zoo) crash(t *testing.T) {
	ctx, before := t.Context(), z.lone.given.list()
	user := zooUser(z.cluster.t, z.lone.at, 30*time.Second)
	if err := z.lone.enrol(user, z.lone.native("dynamic"), "10.42.0.1", "DYNAMIC"); err != nil {
		t.Fatal(err)
	}
	z.server.Kill()
	pause(ctx, held)
	if err := z.server.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	z.mended(t, z.lone, "the server was killed with -9 and started again")
	z.left(t, z.lone, before)
}

// left holds that a fault was felt: the bridge has none of these connections any more.
func (z *zoo) left(t *testing.T, of *zooTarget, before []string) {
	t.Helper()
	if len(before) == 0 {
		t.Errorf("%s: the bridge had no session before a fault", of.called)
	}
	for _, id := range of.given.list() {
		if slices.Contains(before, id) {
			t.Errorf("%s: the bridge still has session %s after a fault", of.called, id)
		}
	}
}

// leader waits for who leads the ensemble. How long servers take to elect is theirs: a
// round of it that came to nothing lasts 20 seconds.
func (z *zoo) leader(t *testing.T) *servers.ZooKeeper {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	leader, err := z.ensemble.Leader(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return leader
}

// killLeader has the leader of the ensemble end as by a crash, and come back once all
// is right without it.
func (z *zoo) killLeader(t *testing.T) {
	before, first := z.three.given.list(), z.leader(t)
	first.Kill()
	if z.leader(t) == first {
		t.Fatal("who was killed leads")
	}
	z.mended(t, z.three, "the leader was killed with -9 and another one led")
	z.left(t, z.three, before)
	if err := first.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// freezeLeader pauses the leader of the ensemble, which keeps its clients' connections
// open and has the others wait until they give it up; then it wakes.
func (z *zoo) freezeLeader(t *testing.T) {
	ctx, before, first := t.Context(), z.three.given.list(), z.leader(t)
	begin := time.Now()
	if err := first.Pause(); err != nil {
		t.Fatal(err)
	}
	if z.leader(t) == first {
		t.Fatal("who is paused leads")
	}
	z.tell("ensemble: another server led %.1f s after the leader was paused", time.Since(begin).Seconds())
	z.mended(t, z.three, "the leader was paused and another one led")
	z.left(t, z.three, before)
	pause(ctx, held-time.Since(begin))
	if err := first.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := first.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	z.mended(t, z.three, "the paused leader woke up")
}

// expire keeps the bridge from a ZooKeeper until long after its sessions there ended,
// and those of a user whose services go with that.
func (z *zoo) expire(t *testing.T, of *zooTarget, how func(links), after string) {
	ctx, gone := t.Context(), z.frail(t, of)
	before := of.given.list()
	how(z.bridge.links[of.called])
	if err := z.know(ctx, of, before, len(before)); err != nil {
		t.Error(err)
	}
	gone()
	err := errors.Join(z.deregister(ctx, of, of.native("01")), of.register(ctx, of.native("new"), "10.42.0.2"))
	if err != nil {
		t.Fatal(err)
	}
	pause(ctx, held)
	z.behind(t, of.called)
	z.behind(t, "from "+of.called)
	if err := z.know(ctx, of, before, 0); err != nil {
		t.Error(err)
	}
	z.bridge.links[of.called].heal()
	z.mended(t, of, after)
}

// frail registers services of a user that the bridge mirrors, and returns what ends that
// user without a farewell.
func (z *zoo) frail(t *testing.T, of *zooTarget) (end func()) {
	const few = 5
	link, err := proxy.New(of.at[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = link.Close() })
	user := zooUser(t, []string{link.Addr()}, 10*time.Second)
	for n := range few {
		if err := of.enrol(user, of.native(fmt.Sprintf("frail-%d", n)), fmt.Sprintf("10.42.1.%d", n+1), "DYNAMIC"); err != nil {
			t.Fatal(err)
		}
	}
	if err := until(t.Context(), mending, "what "+of.called+"'s user registered is mirrored", func() error { return z.equal(t.Context(), "from "+of.called) }); err != nil {
		t.Fatal(err)
	}
	return func() {
		for n := range few {
			z.removed.add(of.native(fmt.Sprintf("frail-%d", n)))
		}
		link.Cut()
	}
}

// know returns an error unless the servers still know so many of these sessions. Nobody
// could tell them that one is over: so those that they do not know have expired.
func (z *zoo) know(ctx context.Context, of *zooTarget, ids []string, want int) error {
	server := z.server
	if of == z.three {
		var err error
		if server, err = z.ensemble.Leader(ctx); err != nil {
			return err
		}
	}
	known, err := server.Ask(ctx, "dump")
	if err != nil {
		return err
	}
	n := 0
	for _, id := range ids {
		if strings.Contains(known, id) {
			n++
		}
	}
	if n != want || len(ids) == 0 {
		return fmt.Errorf("%s knows %d of the bridge's %d sessions, want %d:\n%s", of.called, n, len(ids), want, known)
	}
	return nil
}
