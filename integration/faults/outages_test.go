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

// settle waits until all is right, and says how long that took.
func (w *world) settle(t *testing.T, after string, limit time.Duration) {
	t.Helper()
	taken, err := w.converge(t.Context(), limit)
	if err != nil {
		t.Fatalf("after %s: %v", after, err)
	}
	w.report.add(after, taken)
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
func (w *world) save(ctx context.Context) (*saved, error) {
	s := &saved{etcd: filepath.Join(w.folder, "etcd.snapshot")}
	if _, err := w.inConsul.ask(ctx, "GET", "/v1/snapshot", nil, &s.consul); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, w.cluster.etcdctl, "snapshot", "save", s.etcd)
	cmd.Env = append(os.Environ(), "ETCDCTL_ENDPOINTS="+w.etcd.Endpoint(), "ETCDCTL_USER=root:root")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("save etcd: %w: %s", err, out)
	}
	var err error
	s.revision, err = w.inEtcd.revision(ctx)
	return s, err
}

// down takes Consul and etcd down for a time, and saves what they hold before.
func (w *world) down(t *testing.T) *saved {
	ctx := t.Context()
	s, err := w.save(ctx)
	if err == nil {
		err = errors.Join(w.consul.Halt(), w.etcd.Halt())
	}
	if err != nil {
		t.Fatal(err)
	}
	pause(ctx, held)
	if err := errors.Join(w.consul.Restart(ctx), w.etcd.Restart(ctx)); err != nil {
		t.Fatal(err)
	}
	w.settle(t, "Consul and etcd were down", within)
	return s
}

// restore gives both what they held earlier. While that is done the bridge is cut off,
// so that what went is known not to be its doing.
func (w *world) restore(t *testing.T, s *saved) {
	ctx := t.Context()
	if err := w.register(ctx, "in-new", "10.40.1.1"); err != nil {
		t.Fatal(err)
	}
	pause(ctx, 5*time.Second)
	w.removed.add("in-new") // Consul did not have it then
	w.bridge.links["consul"].Cut()
	w.bridge.links["etcd"].Cut()
	err := w.watchOf("consul").aside(ctx, func() error {
		_, err := w.inConsul.ask(ctx, "PUT", "/v1/snapshot", bytes.NewReader(s.consul.Bytes()), nil)
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
	w.bridge.links["consul"].Heal()
	w.bridge.links["etcd"].Heal()
	w.settle(t, "older snapshots", within)
	pause(ctx, held)
	w.settle(t, "a minute with older snapshots", within)
}

// restoreEtcd has etcdutl make a cluster of the snapshot, which goes on at the same
// address from the revision of then, and knows the users of then.
func (w *world) restoreEtcd(ctx context.Context, s *saved) error {
	before, err := w.inEtcd.revision(ctx)
	if err == nil {
		err = w.etcd.Restore(ctx, s.etcd)
	}
	if err == nil {
		err = w.inEtcd.renew(w.etcd.Endpoint()) // a token of later is not one of now
	}
	if err != nil {
		return err
	}
	after, err := w.inEtcd.revision(ctx)
	if err == nil && (after > s.revision || after >= before) {
		err = fmt.Errorf("etcd at revision %d, after a snapshot of at most %d was restored at %d", after, s.revision, before)
	}
	if err != nil {
		return err
	}
	w.report = append(w.report, fmt.Sprintf("etcd restored from a snapshot, from revision %d to %d", before, after))
	access, err := w.inEtcd.client.AuthStatus(ctx)
	if err == nil && !access.Enabled {
		err = errors.New("the restored etcd lets everybody in")
	}
	return err
}

// report keeps how long it took to converge.
type report []string

func (r *report) add(after string, taken time.Duration) {
	*r = append(*r, fmt.Sprintf("%.1f s until right after %s", taken.Seconds(), after))
}
