package main

import (
	"context"
	"fmt"
	"time"
)

// keptPairs is how many pairs of servers run at once while memory settles.
const keptPairs = 4

// startAndMemory starts servers in turn and times their first right answers; twice
// as many pairs as of other rows, since one start says little: the API server is
// at times as slow again, and a pair takes but seconds.
// Some of them stay, get a run of traffic each, and settle: then their memory
// counts as steady.
func startAndMemory(ctx context.Context, b *bench) (all []figure, err error) {
	l := lives{first: map[side][]float64{}}
	defer func() { l.stop() }()
	pairs := 2 * b.pairs
	for pair := range pairs {
		for _, s := range inTurn([]side{ours, stock}, pair) {
			if err := l.live(ctx, b, s, pair >= pairs-keptPairs); err != nil {
				return nil, err
			}
		}
		b.log(fmt.Sprintf("start: pair %d of %d: ours %.0f ms, stock %.0f ms", pair+1, pairs, l.first[ours][pair], l.first[stock][pair]))
	}
	resident, peak, err := l.memory(ctx, b, "memory")
	if err != nil {
		return nil, err
	}
	return []figure{
		newFigure("start", "", "first right answer", "ms", l.first).judge(&target{Against: stock, Times: 1}),
		newFigure("memory", "", "resident, steady", "MiB", resident).judge(&target{Against: stock, Times: 0.5}),
		newFigure("memory", "", "peak since start", "MiB", peak),
	}, nil
}

// lives are servers that were started in turn.
type lives struct {
	first map[side][]float64 // milliseconds to the first right answer
	kept  []*started
}

// live starts one server, and keeps it after a run of traffic or ends it. extra
// are lines of its plugin's block.
func (l *lives) live(ctx context.Context, b *bench, s side, keep bool, extra ...string) error {
	queries, err := b.world.shape.queries(clusterIPs, 0)
	if err != nil {
		return err
	}
	d, err := b.start(ctx, setting{side: s, chain: bare, kubeconfig: b.world.kube.Kubeconfig(), extra: extra}, queries[0])
	if err != nil {
		return err
	}
	l.first[s] = append(l.first[s], d.first.Seconds()*1000)
	if !keep {
		d.stop()
		return nil
	}
	l.kept = append(l.kept, d)
	_, err = traffic{network: udp, addr: d.addr, queries: queries}.run(ctx, b.time)
	return err
}

// memory lets the kept servers settle and reads what they hold, in the order of their
// pairs.
func (l *lives) memory(ctx context.Context, b *bench, row string) (resident, peak map[side][]float64, err error) {
	b.log(fmt.Sprintf("%s: settling for %v", row, b.settle))
	if err := sleep(ctx, b.settle); err != nil {
		return nil, nil, err
	}
	resident, peak = map[side][]float64{}, map[side][]float64{}
	for _, d := range l.kept {
		m, err := memoryOf(d.pid)
		if err != nil {
			return nil, nil, err
		}
		resident[d.side] = append(resident[d.side], m.resident)
		peak[d.side] = append(peak[d.side], m.peak)
	}
	return resident, peak, nil
}

func (l *lives) stop() {
	for _, d := range l.kept {
		d.stop()
	}
}

// sleep waits for d unless ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
