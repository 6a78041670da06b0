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

// timed times changes of znodes until shows has them: first alone, and then beside
// others all over ZooKeeper.
func (r *znodeRun) timed(ctx context.Context, row string, shows watch) error {
	r.log(fmt.Sprintf("%s: %d changes of each kind, idle", row, r.bridge.changes))
	t := timing{watches: map[string]watch{row: shows}, changes: r.turn, number: r.bridge.changes, limit: changesLimit}
	idle, err := t.run(ctx)
	r.add(idle.figures(row, endpoint(), "idle", limits{15, 100})...)
	if err != nil {
		return err
	}
	return r.busily(ctx, row, t)
}

// busily times changes beside others, and counts what the server was asked
// meanwhile by all but this program.
func (r *znodeRun) busily(ctx context.Context, row string, t timing) error {
	r.log(fmt.Sprintf("%s: %d changes of each kind at %d others a second", row, t.number, churnRate))
	before, err := r.znodes.counter(ctx, "zk_packets_received")
	if err != nil {
		return err
	}
	begin, stop := time.Now(), r.churnAll(ctx)
	busy, err := t.run(ctx)
	after, failed := r.znodes.counter(ctx, "zk_packets_received")
	elapsed := time.Since(begin).Seconds()
	rate, unrest := stop()
	if err = errors.Join(err, failed, unrest); err != nil {
		return err
	}
	figures := busy.figures(row, endpoint(), fmt.Sprintf("%d changes/s", churnRate), limits{0, 500})
	for i := range figures {
		figures[i].Note += fmt.Sprintf(", %.0f other changes/s", rate)
	}
	r.add(figures...)
	changes := rate*elapsed + float64(len(busy[row][true])+len(busy[row][false]))
	asked := single(row, "asked for a change", "requests", (float64(after-before)-changes)/changes, requestsPerChange)
	asked.Note = fmt.Sprintf("%d requests, %.0f of them changes, as the server counts them", after-before, changes)
	r.add(asked)
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
