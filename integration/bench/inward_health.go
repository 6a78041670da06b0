package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// health times changes of checks in Consul until the mirror's EndpointSlice says
// whether the endpoint is ready, first alone and then beside others.
func (r *inwardRun) health(ctx context.Context, m *mirrorer) error {
	t := timing{watches: map[string]watch{rowHealth: inSlices(r.client)}, changes: r.turn, number: r.bridge.changes, limit: changesLimit}
	readiness := kinds{"passing", "critical"}
	r.log(fmt.Sprintf("%s: %d changes of each kind, idle", rowHealth, t.number))
	idle, err := t.run(ctx)
	r.add(idle.figures(rowHealth, readiness, "idle", limits{30, 150})...)
	if err != nil {
		return err
	}
	r.log(fmt.Sprintf("%s: %d changes of each kind at %d others a second", rowHealth, t.number, churnRate))
	stop := paced(ctx, churnRate,
		func(ctx context.Context, n int) error { return r.set(ctx, r.bystander(n), false) },
		func(ctx context.Context, n int) error { return r.set(ctx, r.bystander(n), true) },
	)
	busy, err := t.run(ctx)
	rate, failed := stop()
	figures := busy.figures(rowHealth, readiness, fmt.Sprintf("%d changes/s", churnRate), limits{0, 500})
	for i := range figures {
		figures[i].Note += fmt.Sprintf(", %.0f other changes/s", rate)
	}
	r.add(figures...)
	return errors.Join(err, failed, r.healthy(ctx, m))
}

// healthy waits until all endpoints are ready, as they were before the changes.
func (r *inwardRun) healthy(ctx context.Context, m *mirrorer) error {
	for start := time.Now(); ; {
		slices, err := r.client.DiscoveryV1().EndpointSlices(inwardNamespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return fmt.Errorf("list EndpointSlices: %w", err)
		}
		failing := notReady(slices.Items)
		if failing == 0 {
			_, err := m.settled(ctx, "after the changes", r.count)
			return err
		}
		if time.Since(start) > undoLimit {
			return fmt.Errorf("%v after the changes: %d endpoints are not ready, though all checks pass", undoLimit, failing)
		}
		if err := sleep(ctx, time.Second); err != nil {
			return err
		}
	}
}

func notReady(slices []discoveryv1.EndpointSlice) (n int) {
	for _, s := range slices {
		for _, e := range s.Endpoints {
			if e.Conditions.Ready == nil || !*e.Conditions.Ready {
				n++
			}
		}
	}
	return n
}

// turn has the first instance of a service fail and come back. The services are
// the first fifth.
func (r *inwardRun) turn(n int) []change {
	v := native(n % max(1, r.count/5))
	s := shown{namespace: inwardNamespace, name: v.name(), address: v.address(0)}
	gone := change{s, func(ctx context.Context) error { return r.set(ctx, v, false) }}
	s.there = true
	there := change{s, func(ctx context.Context) error { return r.set(ctx, v, true) }}
	return []change{gone, there}
}

// bystander is one of the others.
func (r *inwardRun) bystander(n int) native {
	first := max(1, r.count/5)
	return native(first + n%(r.count-first))
}

func (r *inwardRun) set(ctx context.Context, v native, passing bool) error {
	return transact(ctx, r.consul.URL(), v.check(0, passing))
}
