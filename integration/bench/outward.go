package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Rows of the bridge.
const (
	rowFirst   = bridgeGroup + "/first"
	rowMemory  = bridgeGroup + "/memory"
	rowConsul  = bridgeGroup + "/consul"
	rowEtcd    = bridgeGroup + "/etcd"
	rowRestart = bridgeGroup + "/restart"
	rowQuiet   = bridgeGroup + "/quiet"
	rowInward  = bridgeGroup + "/inward"
	rowHealth  = bridgeGroup + "/health"

	rowZooKeeper  = bridgeGroup + "/zookeeper"
	rowZnodeDNS   = bridgeGroup + "/znode-dns" // without a bridge
	rowZnodeSlice = bridgeGroup + "/znode-slice"
)

// outward measures a bridge that mirrors the world into Consul and etcd. Bridge,
// API server, Consul and etcd use both cores as the scheduler pleases: what
// counts is how long a change or a sync takes as a whole.
//
//   - A bridge for etcd alone makes the first sync into it, and mirrors changes
//     that are timed, as external-dns would.
//   - One for both makes the first sync into Consul, settles, is idle, and
//     mirrors the changes that are timed. Its memory counts, the peak of all that.
//   - One for Consul alone mirrors changes that are timed, as consul-k8s would.
//   - The last one, for both, finds everything done, and may write nothing. It
//     compares what it knows with the registries more often than usual.
func outward(ctx context.Context, b *bench) (all []figure, err error) {
	if err := b.spread(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.moveAside()) }()
	if err := b.startTargets(ctx); err != nil {
		return nil, err
	}
	o := &outwardRun{bench: b, both: mirroring{
		kubeconfig: b.world.kube.Kubeconfig(), consul: b.targets.consul.URL(), etcd: b.targets.etcd.Endpoint(),
	}}
	for _, phase := range []struct {
		rows []string
		do   func(context.Context) error
	}{
		{nil, o.intoEtcd},
		{nil, o.intoConsul},
		{[]string{rowConsul}, o.consulAlone},
		{[]string{rowRestart, rowQuiet}, o.again},
	} {
		if !b.wantsAny(phase.rows) {
			continue
		}
		// A bridge is measured although the one before failed, but for a
		// first sync.
		if err = errors.Join(err, phase.do(ctx)); ctx.Err() != nil || !b.targets.full && err != nil {
			break
		}
	}
	return o.figures, err
}

// wantsAny reports whether one of rows is wanted, or there is none.
func (b *bench) wantsAny(rows []string) bool {
	return len(rows) == 0 || slices.ContainsFunc(rows, func(row string) bool { return b.only.wants(row, "") })
}

// outwardRun is the figures on their way.
type outwardRun struct {
	*bench
	both    mirroring
	figures []figure
}

func (o *outwardRun) add(figures ...figure) {
	for _, f := range figures {
		if !o.only.wants(f.Row, "") {
			continue
		}
		o.figures = append(o.figures, f)
		o.log(fmt.Sprintf("%s: %s: %s %s %s", f.Row, f.Name, f.value(ours), f.Unit, f.Note))
	}
}

// intoEtcd times the first sync of the world into etcd, and changes after it.
func (o *outwardRun) intoEtcd(ctx context.Context) error {
	one := o.both
	one.consul = ""
	m, err := o.startBridge(ctx, one)
	if err != nil {
		return err
	}
	defer m.stop()
	held := func(ctx context.Context) (int, error) { _, keys, err := o.targets.held(ctx); return keys, err }
	if _, err := o.filled(ctx, m, firstSync{rowFirst, "into etcd", 10, "etcd", "keys", held}); err != nil {
		return err
	}
	return o.alone(ctx, rowEtcd, limits{10, 60})
}

// consulAlone times changes that a bridge for Consul alone mirrors.
func (o *outwardRun) consulAlone(ctx context.Context) error {
	one := o.both
	one.etcd = ""
	m, err := o.startBridge(ctx, one)
	if err != nil {
		return err
	}
	defer m.stop()
	if _, err := m.settled(ctx, "Consul alone", o.world.shape.size()); err != nil {
		return err
	}
	return o.alone(ctx, rowConsul, limits{15, 100})
}

// intoConsul times the first sync of the world into Consul, and what the same
// bridge does afterwards.
func (o *outwardRun) intoConsul(ctx context.Context) error {
	m, err := o.startBridge(ctx, o.both)
	if err != nil {
		return err
	}
	defer m.stop()
	held := func(ctx context.Context) (int, error) {
		o.targets.full = true
		instances, _, err := o.targets.held(ctx)
		return instances, err
	}
	if _, err := o.filled(ctx, m, firstSync{rowFirst, "into Consul", 60, "Consul", "instances", held}); err != nil {
		return err
	}
	if !o.wantsAny([]string{rowMemory, rowConsul, rowEtcd}) {
		return nil
	}
	if err := o.idle(ctx, m); err != nil {
		return err
	}
	return errors.Join(o.changes(ctx, m), o.peak(m))
}

// idle lets a bridge settle, and reads what it holds and what it uses of a core
// while nothing changes.
func (o *outwardRun) idle(ctx context.Context, m *mirrorer) error {
	if !o.wantsAny([]string{rowMemory}) {
		return nil
	}
	busy, mem, err := o.rest(ctx, m, rowMemory, 2*o.settle) // it reads once more what it wrote itself
	if err != nil {
		return err
	}
	o.add(
		single(rowMemory, "resident, steady, mirroring to both", "MiB", mem.resident, 300),
		single(rowMemory, "CPU when idle, of a core", "%", busy, 1),
	)
	return nil
}

// rest lets a bridge settle for so long, and returns what it uses of a core while nothing
// changes, and what it holds then.
func (o *outwardRun) rest(ctx context.Context, m *mirrorer, row string, settle time.Duration) (busy float64, mem memory, err error) {
	o.log(fmt.Sprintf("%s: settling for %v, then idle for %v", row, settle, o.bridge.idle))
	if err = sleep(ctx, settle); err == nil {
		busy, err = m.busy(ctx, o.bridge.idle)
	}
	if err == nil {
		mem, err = memoryOf(m.pid)
	}
	return busy, mem, err
}

// peak reads the most that a bridge ever held.
func (o *outwardRun) peak(m *mirrorer) error {
	mem, err := memoryOf(m.pid)
	if err != nil {
		return err
	}
	f := single(rowMemory, "peak since start, with a first sync", "MiB", mem.peak, 450)
	f.Note = fmt.Sprintf("resident in the end: %.0f MiB", mem.resident)
	o.add(f)
	return nil
}

// busy returns the percentage of a core that a bridge uses in d.
func (m *mirrorer) busy(ctx context.Context, d time.Duration) (float64, error) {
	before, err := cpuTime(m.pid)
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	if err := sleep(ctx, d); err != nil {
		return 0, err
	}
	after, err := cpuTime(m.pid)
	return 100 * (after - before).Seconds() / time.Since(begin).Seconds(), err
}
