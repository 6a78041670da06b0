package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// within is how long what was mended may take, beside others' faults.
const within = 30 * time.Second

// begin starts the bridge and lets it mirror everything.
func (w *world) begin(t *testing.T) {
	if err := w.bridge.start(); err != nil {
		t.Fatal(err)
	}
	w.settle(t, "first sync", 2*time.Minute)
}

// settle waits until all is right, or these targets are, and says how long that took.
func (w *world) settle(t *testing.T, after string, limit time.Duration, targets ...string) {
	t.Helper()
	if len(targets) == 0 {
		targets = w.targets()
	}
	taken, err := w.converge(t.Context(), limit, targets...)
	if err != nil {
		t.Fatalf("after %s: %v", after, err)
	}
	w.tell("%.1f s until right after %s", taken.Seconds(), after)
	t.Logf("%s: after %s as it should be within %.1f s", w.name, after, taken.Seconds())
}

// behind holds that a fault was felt: a target is not as it should be.
func (w *world) behind(t *testing.T, target string) {
	t.Helper()
	if err := w.equal(t.Context(), target); err == nil {
		t.Errorf("%s/%s: nothing was left to do at the end of a fault", w.name, target)
	}
}

// saved is what Consul and etcd held once.
type saved struct {
	consul   bytes.Buffer
	etcd     string // a file
	revision int64  // etcd's
}

// save takes snapshots of Consul and etcd, as people do for a disaster.
func (w *pair) save(ctx context.Context) (*saved, error) {
	s := &saved{etcd: filepath.Join(w.folder, "etcd.snapshot")}
	if _, err := w.consul.ask(ctx, "GET", "/v1/snapshot", nil, &s.consul); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, w.cluster.etcdctl, "snapshot", "save", s.etcd)
	cmd.Env = append(os.Environ(), "ETCDCTL_ENDPOINTS="+w.etcd.server.Endpoint(), "ETCDCTL_USER=root:root")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("save etcd: %w: %s", err, out)
	}
	var err error
	s.revision, err = w.etcd.revision(ctx)
	return s, err
}

// down takes Consul and etcd down for a time, and saves what they hold before.
func (w *pair) down(t *testing.T) *saved {
	ctx := t.Context()
	s, err := w.save(ctx)
	if err == nil {
		err = errors.Join(w.consul.server.Halt(), w.etcd.server.Halt())
	}
	if err != nil {
		t.Fatal(err)
	}
	pause(ctx, held)
	if err := errors.Join(w.consul.server.Restart(ctx), w.etcd.server.Restart(ctx)); err != nil {
		t.Fatal(err)
	}
	w.settle(t, "Consul and etcd were down", within)
	return s
}

// restore gives both what they held earlier. While that is done the bridge is cut off,
// so that what went is known not to be its doing.
func (w *pair) restore(t *testing.T, s *saved) {
	ctx := t.Context()
	if err := w.consul.register(ctx, "in-new", "10.40.1.1"); err != nil {
		t.Fatal(err)
	}
	pause(ctx, 5*time.Second)
	w.removed.add("in-new") // Consul did not have it then
	w.bridge.links["consul"].cut()
	w.bridge.links["etcd"].cut()
	err := w.watchOf("consul").aside(ctx, func() error {
		_, err := w.consul.ask(ctx, "PUT", "/v1/snapshot", bytes.NewReader(s.consul.Bytes()), nil)
		return err
	})
	if err == nil {
		err = w.watchOf("etcd").aside(ctx, func() error { return w.restoreEtcd(ctx, s) })
	}
	if err != nil {
		t.Fatal(err)
	}
	w.behind(t, "consul")
	w.behind(t, "etcd")
	w.bridge.links["consul"].heal()
	w.bridge.links["etcd"].heal()
	w.settle(t, "older snapshots", within)
	pause(ctx, held)
	w.settle(t, "a minute with older snapshots", within)
}

// restoreEtcd has etcdutl make a cluster of the snapshot, which goes on at the same
// address from the revision of then, and knows the users of then.
func (w *pair) restoreEtcd(ctx context.Context, s *saved) error {
	before, err := w.etcd.revision(ctx)
	if err == nil {
		err = w.etcd.server.Restore(ctx, s.etcd)
	}
	if err == nil {
		err = w.etcd.renew() // a token of later is not one of now
	}
	if err != nil {
		return err
	}
	after, err := w.etcd.revision(ctx)
	if err == nil && (after > s.revision || after >= before) {
		err = fmt.Errorf("etcd at revision %d, after a snapshot of at most %d was restored at %d", after, s.revision, before)
	}
	if err != nil {
		return err
	}
	w.tell("etcd restored from a snapshot, from revision %d to %d", before, after)
	access, err := w.etcd.client.AuthStatus(ctx)
	if err == nil && !access.Enabled {
		err = errors.New("the restored etcd lets everybody in")
	}
	return err
}
