package main

import (
	"context"
	"errors"
	"fmt"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// health times changes of checks in Consul until the mirror's EndpointSlice says
// whether the endpoint is ready, first alone and then beside others.
func (r *inwardRun) health(ctx context.Context, m *mirrorer) error {
	t := timing{watches: map[string]watch{rowHealth: inSlices(r.client)}, changes: r.turn, number: r.bridge.changes, limit: changesLimit}
	s := series{timing: t, of: rowHealth, how: "idle", at: limits{30, 150}, churn: r.churnAll, lines: linesOf(kinds{"passing", "critical"}, rowHealth)}
	return errors.Join(r.series(ctx, s), r.undone(ctx, m, r.healthy))
}

// churnAll has services fail and come back, but for those whose changes are timed.
func (r *inwardRun) churnAll(ctx context.Context) (stop func() (perSecond float64, err error)) {
	return paced(ctx, churnRate,
		func(ctx context.Context, n int) error { return r.set(ctx, r.bystander(n), false) },
		func(ctx context.Context, n int) error { return r.set(ctx, r.bystander(n), true) },
	)
}

// healthy returns an error unless all endpoints are ready, as they were before the
// changes.
func (r *inwardRun) healthy(ctx context.Context) error {
	slices, err := r.client.DiscoveryV1().EndpointSlices(inwardNamespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list EndpointSlices: %w", err)
	}
	if failing := notReady(slices.Items); failing > 0 {
		return fmt.Errorf("%d endpoints are not ready, though all checks pass", failing)
	}
	return nil
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
