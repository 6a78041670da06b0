package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	churnRate = 100              // changes a second beside the events
	pollEvery = time.Millisecond // how often a prober asks
	lost      = 30 * time.Second // an event nobody saw
)

// propagation times how long a change takes from the request to the API server
// to the first right DNS answer. Both servers see the same change, and each is
// asked about it all the time by a prober of its own. The API server's answer
// would be no better start: it may come after the DNS answers have changed.
func propagation(ctx context.Context, b *bench) (all []figure, err error) {
	running, err := b.startAll(ctx, bare)
	defer running.stop()
	if err != nil {
		return nil, err
	}
	e := &events{world: b.world, number: b.events, targets: b.world.shape.targets()}
	for _, s := range []side{ours, stock} {
		p, err := newProber(ctx, running[s].addr)
		if err != nil {
			return nil, err
		}
		defer p.wire.close()
		e.probers = append(e.probers, p)
	}
	for _, rate := range []int{0, churnRate} {
		b.log(fmt.Sprintf("propagation: %d events at %d other changes a second", 2*b.events, rate))
		figures, err := e.measure(ctx, rate)
		if err != nil {
			return nil, err
		}
		for _, f := range figures {
			b.log(fmt.Sprintf("propagation: %s: ours %s ms, stock %s ms", f.Name, f.value(ours), f.value(stock)))
		}
		all = append(all, figures...)
	}
	return all, nil
}

// targets returns the headless services whose endpoints change: the second one
// of each namespace.
func (s shape) targets() []service {
	return s.pick(func(v service) bool { return v.index == 5 })
}

// bystanders returns the virtual ones whose endpoints change meanwhile.
func (s shape) bystanders() []service {
	return s.pick(func(v service) bool { return v.index < 5 && !v.headless })
}

func (s shape) pick(wanted func(service) bool) (all []service) {
	for v := range s.services() {
		if wanted(v) {
			all = append(all, v)
		}
	}
	return all
}

// withExtra returns v's slice with one more endpoint, the n-th of those that
// come and go.
func (v service) withExtra(n int) *discoveryv1.EndpointSlice {
	s := v.slice()
	s.Endpoints = append(s.Endpoints, v.endpoint(extraEndpoint+n))
	return s
}

// put writes a slice, whatever is there.
func (w *world) put(ctx context.Context, s *discoveryv1.EndpointSlice) error {
	if _, err := w.client.DiscoveryV1().EndpointSlices(s.Namespace).Update(ctx, s, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("write EndpointSlice %q: %w", s.Name, err)
	}
	return nil
}

// events are changes and how long both servers took to show each.
type events struct {
	world   *world
	number  int // of each kind
	targets []service
	probers []*prober // ours, then stock
}

// measure adds and removes an endpoint again and again while rate others
// change each second.
func (e *events) measure(ctx context.Context, rate int) ([]figure, error) {
	stop := e.world.churn(ctx, rate)
	taken := map[string]map[side][]float64{"add": {}, "remove": {}}
	var failed error
	for n := 0; n < e.number && failed == nil; n++ {
		v := e.targets[n%len(e.targets)]
		if failed = e.event(ctx, n, v, v.withExtra(n), true, taken["add"]); failed == nil {
			failed = e.event(ctx, n, v, v.slice(), false, taken["remove"])
		}
	}
	done, err := stop()
	if failed != nil {
		return nil, failed
	}
	if err != nil {
		return nil, err
	}
	name := "idle"
	if rate > 0 {
		name = fmt.Sprintf("%d changes/s", rate)
	}
	all := slices.Concat(delays("add, "+name, taken["add"]), delays("remove, "+name, taken["remove"]))
	all[1].Note = fmt.Sprintf("%.0f other changes/s were written", done)
	return all, nil
}

// delays makes the lines of one kind of event: p50 at most 1.05 times stock's,
// p99 at most 1.25 times.
func delays(name string, taken map[side][]float64) (all []figure) {
	for _, q := range []struct {
		name      string
		of, times float64
	}{{"p50", 0.5, 1.05}, {"p99", 0.99, 1.25}} {
		f := figure{Row: "propagation", Name: name + ", " + q.name, Unit: "ms", Values: map[side]float64{
			ours: quantile(taken[ours], q.of), stock: quantile(taken[stock], q.of),
		}}
		f.Ratios = map[side]ratio{stock: quantiles(taken[ours], taken[stock], q.of)}
		all = append(all, f.judge(&target{Against: stock, Times: q.times}))
	}
	later := make([]float64, len(taken[ours]))
	for i := range later {
		later[i] = taken[ours][i] - taken[stock][i]
	}
	all[0].Note = fmt.Sprintf("ours after stock, of each change: p50 %.2f ms, p99 %.2f ms", quantile(later, 0.5), quantile(later, 0.99))
	return all
}

// event writes s, waits until both probers see it, and notes how long that took
// from the request on, in milliseconds.
func (e *events) event(ctx context.Context, n int, v service, s *discoveryv1.EndpointSlice, there bool, taken map[side][]float64) error {
	ctx, cancel := context.WithTimeoutCause(ctx, lost, fmt.Errorf("a change of %q was not seen for %v", v.fqdn(), lost))
	defer cancel()
	want := sight{name: v.fqdn(), address: podIP(extraEndpoint + n).String(), there: there}
	seen := make([]chan sighting, len(e.probers))
	for i := range e.probers {
		i = (i + n) % len(e.probers) // now one begins, now the other
		seen[i] = make(chan sighting, 1)
		go func() { seen[i] <- e.probers[i].until(ctx, want) }()
	}
	sent := time.Now()
	err := e.world.put(ctx, s)
	if err != nil {
		cancel()
	}
	for i, name := range []side{ours, stock} {
		one := <-seen[i]
		if err == nil && one.err != nil {
			err = fmt.Errorf("%s: %w", name, one.err)
		}
		taken[name] = append(taken[name], one.at.Sub(sent).Seconds()*1000)
	}
	return err
}
