package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-zookeeper/zk"
)

// requestsPerChange is the most that a server may be asked for each change of a
// znode, whatever else it holds: the children of the service, with what of them is
// new, and the addition and the removal of one are measured together.
const requestsPerChange = 3

// timed times changes of znodes until all of shows have them: first alone, and then
// beside others all over ZooKeeper.
func (r *znodeRun) timed(ctx context.Context, row string, shows map[side]watch) error {
	t := timing{watches: map[string]watch{}, changes: r.turn, number: r.bridge.changes, limit: changesLimit}
	for s, w := range shows {
		t.watches[string(s)] = w
	}
	lines := func(all taken, how string, at limits) []figure { return besides(all, row, how, at) }
	return r.series(ctx, series{timing: t, of: row, how: "idle", at: limits{15, 100}, churn: r.churnAll, lines: lines})
}

// besides makes the lines of a row of what was timed at several sides.
func besides(all taken, row, how string, at limits) []figure {
	figures := taken{row: all[string(ours)]}.figures(row, endpoint(), how, at)
	theirs, measured := all[string(cache)]
	if !measured {
		return figures
	}
	for i, f := range (taken{row: theirs}).figures(row, endpoint(), how, limits{}) {
		figures[i].Note += fmt.Sprintf("; Curator's cache %s ms", f.value(ours))
	}
	for i, there := range map[int]bool{0: true, 2: false} { // the two p50, of which each change makes a pair
		if len(figures) > i {
			figures[i].Values[cache] = quantile(theirs[there], 0.5)
			figures[i].Ratios = map[side]ratio{cache: paired(all[string(ours)][there], theirs[there])}
		}
	}
	return figures
}

// countingTime is how long a server's requests are counted.
const countingTime = 5 * time.Second

// asked counts what the server is asked for each of many changes, which are all that
// goes on.
func (r *znodeRun) asked(ctx context.Context, row string) error {
	r.log(fmt.Sprintf("%s: requests at %d changes a second", row, churnRate))
	before, err := r.znodes.counter(ctx, "zk_packets_received")
	if err != nil {
		return err
	}
	begin, stop := time.Now(), r.churnAll(ctx)
	err = sleep(ctx, countingTime)
	after, failed := r.znodes.counter(ctx, "zk_packets_received")
	elapsed := time.Since(begin).Seconds()
	rate, unrest := stop()
	if err = errors.Join(err, failed, unrest); err != nil {
		return err
	}
	changes := rate * elapsed
	f := single(row, "asked for a change", "requests", (float64(after-before)-changes)/changes, requestsPerChange)
	f.Note = fmt.Sprintf("%d requests, %.0f of them changes, as the server counts them", after-before, changes)
	r.add(f)
	return nil
}

// turn registers one more instance of a service and takes it away again.
func (r *znodeRun) turn(n int) []change {
	v := native(n % r.count)
	address := podIP(extraEndpoint + n).String()
	s := shown{namespace: inwardNamespace, name: v.name(), address: address, there: true}
	there := change{s, func(context.Context) error { return r.put(v, "extra", n) }}
	s.there = false
	gone := change{s, func(context.Context) error { return r.drop(v, "extra", n) }}
	return []change{there, gone}
}

// churnAll registers and takes away instances of all services.
func (r *znodeRun) churnAll(ctx context.Context) (stop func() (perSecond float64, err error)) {
	some := func(n int) native { return native(n % r.count) }
	return paced(ctx, churnRate,
		func(_ context.Context, n int) error { return r.put(some(n), "churn", churned+n) },
		func(_ context.Context, n int) error { return r.drop(some(n), "churn", churned+n) },
	)
}

// put registers an instance with the n-th of the addresses that are beyond the
// world's.
func (r *znodeRun) put(v native, kind string, n int) error {
	id := fmt.Sprintf("%s-%d", kind, n)
	_, err := r.znodes.conn.Create(v.path()+"/"+id, v.instance(id, podIP(extraEndpoint+n).String()), 0, zk.WorldACL(zk.PermAll))
	return err
}

// drop takes it away; that it is not there is no error.
func (r *znodeRun) drop(v native, kind string, n int) error {
	err := r.znodes.conn.Delete(fmt.Sprintf("%s/%s-%d", v.path(), kind, n), -1)
	if errors.Is(err, zk.ErrNoNode) {
		return nil
	}
	return err
}
