package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	undoLimit    = 2 * time.Minute  // until the targets show that all changes were undone
	changesLimit = 90 * time.Second // of one series of changes that are timed
	churned      = 100_000          // extra endpoints of what changes meanwhile, beyond those that are timed
)

// timing is of changes as the targets of these rows show them.
func (o *outwardRun) timing(rows ...string) timing {
	t := timing{watches: map[string]watch{}, changes: o.change, number: o.bridge.changes, limit: changesLimit}
	for row, w := range map[string]watch{rowConsul: inConsul(o.targets.consul.URL()), rowEtcd: inEtcd(o.targets.client)} {
		if slices.Contains(rows, row) && o.only.wants(row, "") {
			t.watches[row] = w
		}
	}
	return t
}

// alone times changes of EndpointSlices, nothing else going on, until the target
// of row shows them. The bridge that runs mirrors to no other.
func (o *outwardRun) alone(ctx context.Context, row string, at limits) error {
	t := o.timing(row)
	if len(t.watches) == 0 {
		return nil
	}
	o.log(fmt.Sprintf("%s: %d changes of each kind, idle", row, t.number))
	idle, err := t.run(ctx)
	o.add(idle.figures(row, endpoint(), "idle", at)...)
	return err
}

// changes times changes of EndpointSlices until Consul and etcd show them: the
// same change at both, first alone and then beside others all over the world.
func (o *outwardRun) changes(ctx context.Context, m *mirrorer) error {
	t := o.timing(rowConsul, rowEtcd)
	if len(t.watches) == 0 {
		return nil
	}
	o.log(fmt.Sprintf("%s: %d changes of each kind to both, idle", bridgeGroup, t.number))
	idle, err := t.run(ctx)
	for _, row := range []string{rowConsul, rowEtcd} {
		o.add(idle.figures(row, endpoint(), "idle, both at once", limits{})...)
	}
	if err != nil {
		return err
	}
	o.log(fmt.Sprintf("%s: %d changes of each kind at %d others a second", bridgeGroup, t.number, churnRate))
	stop := o.world.churnAll(ctx)
	busy, err := t.run(ctx)
	rate, failed := stop()
	for _, row := range []string{rowConsul, rowEtcd} {
		figures := busy.figures(row, endpoint(), fmt.Sprintf("%d changes/s", churnRate), limits{0, 500})
		for i := range figures {
			figures[i].Note += fmt.Sprintf(", %.0f other changes/s", rate)
		}
		o.add(figures...)
	}
	return errors.Join(err, failed, o.undone(ctx, m))
}

// endpoint is what the changes of EndpointSlices are called.
func endpoint() kinds { return kinds{"add", "remove"} }

// undone waits until all is at the targets as it was before the changes. What a
// bridge says is not enough: it may not have heard of the last ones yet.
func (o *outwardRun) undone(ctx context.Context, m *mirrorer) error {
	want := o.world.shape.Namespaces * o.world.shape.Endpoints
	for start := time.Now(); ; {
		consul, etcd, err := o.targets.held(ctx)
		if err == nil && consul == want+1 && etcd == want { // Consul's own is one more
			_, err = m.settled(ctx, "after the changes", o.world.shape.size())
			return err
		}
		if time.Since(start) > undoLimit {
			return errors.Join(err, fmt.Errorf("%v after the changes: %d instances in Consul and %d keys in etcd, want %d", undoLimit, consul-1, etcd, want))
		}
		if err := sleep(ctx, time.Second); err != nil {
			return err
		}
	}
}

// change adds an endpoint to the n-th service and takes it away again.
func (o *outwardRun) change(n int) []change {
	all := o.world.shape.targets()
	v := all[n%len(all)]
	s := shown{namespace: v.namespace, name: v.name, address: podIP(extraEndpoint + n).String(), there: true}
	there := change{s, func(ctx context.Context) error { return o.world.put(ctx, v.withExtra(n)) }}
	s.there = false
	gone := change{s, func(ctx context.Context) error { return o.world.put(ctx, v.slice()) }}
	return []change{there, gone}
}

// churnAll adds and removes endpoints of all Services but those whose changes
// are timed.
func (w *world) churnAll(ctx context.Context) (stop func() (perSecond float64, err error)) {
	all := w.shape.pick(func(v service) bool { return v.index != 5 })
	return paced(ctx, churnRate,
		func(ctx context.Context, n int) error { return w.put(ctx, all[n%len(all)].withExtra(churned+n)) },
		func(ctx context.Context, n int) error { return w.put(ctx, all[n%len(all)].slice()) },
	)
}
