package main

import (
	"context"
	"fmt"
	"time"
)

// measure runs t against d and returns what it cost. A short run before fills
// caches and pools.
func (b *bench) measure(ctx context.Context, d *started, t traffic) (sample, error) {
	if _, err := t.run(ctx, b.time/10); err != nil {
		return sample{}, err
	}
	before, err := b.costs(d)
	if err != nil {
		return sample{}, err
	}
	sum, err := t.run(ctx, b.time)
	if err != nil {
		return sample{}, err
	}
	after, err := b.costs(d)
	if err != nil {
		return sample{}, err
	}
	m, err := memoryOf(d.pid)
	if err != nil {
		return sample{}, err
	}
	used, core := after.server-before.server, after.core.since(before.core)
	return sample{
		cpu:    microseconds(used) / float64(sum.answers),
		qps:    float64(sum.answers) / sum.elapsed.Seconds(),
		p50:    microseconds(time.Duration(quantile(sum.latencies, 0.5))),
		p99:    microseconds(time.Duration(quantile(sum.latencies, 0.99))),
		memory: m,
		others: max(0, (core.busy-used+core.stolen).Seconds()/sum.elapsed.Seconds()),
	}, nil
}

// costs is what a server and its core have used so far.
type costs struct {
	server time.Duration
	core   coreTime
}

func (b *bench) costs(d *started) (c costs, err error) {
	if c.server, err = cpuTime(d.pid); err != nil {
		return c, err
	}
	c.core, err = coreTimeOf(b.serverCore)
	return c, err
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// disturbance says how much of the server's core others had, the median and the
// most of all runs: above a few percent, rates and latencies say little.
func disturbance(runs map[side][]sample) string {
	var others []float64
	for _, samples := range runs {
		for _, s := range samples {
			others = append(others, s.others)
		}
	}
	return fmt.Sprintf("others on the core: %.0f %%, at most %.0f %%", 100*median(others), 100*quantile(others, 1))
}
