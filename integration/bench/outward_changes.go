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

// series is changes of one kind and their opposite, timed first while nothing else goes on
// and then beside others.
type series struct {
	timing
	of    string // whose figures they are
	how   string // the first are made
	at    limits // of those
	churn func(context.Context) (stop func() (perSecond float64, err error))
	lines func(all taken, how string, at limits) []figure
}

// series times a series, and adds its lines.
func (o *outwardRun) series(ctx context.Context, s series) error {
	if err := o.still(ctx, s); err != nil {
		return err
	}
	o.log(fmt.Sprintf("%s: %d changes of each kind at %d others a second", s.of, s.number, churnRate))
	stop := s.churn(ctx)
	busy, err := s.run(ctx)
	rate, failed := stop()
	figures := s.lines(busy, fmt.Sprintf("%d changes/s", churnRate), limits{0, 500})
	for i := range figures {
		figures[i].Note += fmt.Sprintf(", %.0f other changes/s", rate)
	}
	o.add(figures...)
	return errors.Join(err, failed)
}

// still times the changes that are made while nothing else goes on.
func (o *outwardRun) still(ctx context.Context, s series) error {
	o.log(fmt.Sprintf("%s: %d changes of each kind, %s", s.of, s.number, s.how))
	all, err := s.run(ctx)
	o.add(s.lines(all, s.how, s.at)...)
	return err
}

// linesOf returns what makes the lines of rows, whose changes are called as k says.
func linesOf(k kinds, rows ...string) func(taken, string, limits) []figure {
	return func(all taken, how string, at limits) (lines []figure) {
		for _, row := range rows {
			lines = append(lines, all.figures(row, k, how, at)...)
		}
		return lines
	}
}

// alone times changes of EndpointSlices, nothing else going on, until the target
// of row shows them. The bridge that runs mirrors to no other.
func (o *outwardRun) alone(ctx context.Context, row string, at limits) error {
	t := o.timing(row)
	if len(t.watches) == 0 {
		return nil
	}
	return o.still(ctx, series{timing: t, of: row, how: "idle", at: at, lines: linesOf(endpoint(), row)})
}

// changes times changes of EndpointSlices until Consul and etcd show them: the
// same change at both, first alone and then beside others all over the world.
func (o *outwardRun) changes(ctx context.Context, m *mirrorer) error {
	t := o.timing(rowConsul, rowEtcd)
	if len(t.watches) == 0 {
		return nil
	}
	s := series{timing: t, of: bridgeGroup, how: "idle, both at once", churn: o.world.churnAll, lines: linesOf(endpoint(), rowConsul, rowEtcd)}
	return errors.Join(o.series(ctx, s), o.undone(ctx, m, o.asBefore))
}

// endpoint is what the changes of EndpointSlices are called.
func endpoint() kinds { return kinds{"add", "remove"} }

// asBefore returns an error unless Consul and etcd hold what they did before the changes.
func (o *outwardRun) asBefore(ctx context.Context) error {
	want := o.world.shape.Namespaces * o.world.shape.Endpoints
	consul, etcd, err := o.targets.held(ctx)
	if err == nil && (consul != want+1 || etcd != want) { // Consul's own is one more
		err = fmt.Errorf("%d instances in Consul and %d keys in etcd, want %d", consul-1, etcd, want)
	}
	return err
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
