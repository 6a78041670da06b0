package main

import (
	"context"
	"fmt"
)

// fleet is one server of each side, all running.
type fleet map[side]*started

func (f fleet) stop() {
	for _, d := range f {
		d.stop()
	}
}

// inChain measures every selected row of queries in one chain, all servers
// running all the time. Rows whose answers differ are noted and not timed.
func (b *bench) inChain(ctx context.Context, c chain, rep *report) error {
	var rows []queryRow
	for _, r := range queryRows() {
		if b.only.wants(r.name, c) {
			rows = append(rows, r)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	running, err := b.startAll(ctx, c)
	defer running.stop()
	if err != nil {
		return err
	}
	for _, r := range rows {
		name := r.name + "/" + string(c)
		figures, err := b.queryRow(ctx, name, r, c, running)
		if err := rep.add(ctx, name, figures, err); err != nil {
			return err
		}
	}
	return nil
}

// queryRow compares the answers to a row's queries, measures it, and takes
// profiles.
func (b *bench) queryRow(ctx context.Context, name string, r queryRow, c chain, running fleet) ([]figure, error) {
	queries, err := b.world.shape.queries(r.kind, r.size)
	if err != nil {
		return nil, err
	}
	b.log(fmt.Sprintf("%s: comparing %d answers", name, len(queries)))
	queries, err = comparison{
		network: r.network, ours: running[ours].addr, stock: running[stock].addr, aged: c == kubeadm,
	}.all(ctx, queries)
	if err != nil {
		return nil, err
	}
	runs := make(map[side][]sample)
	for pair := range b.pairs {
		for _, s := range inTurn(r.sides(c), pair) {
			one, err := b.measure(ctx, running[s], r.traffic(running[s], queries))
			if err != nil {
				return nil, fmt.Errorf("ask %s: %w", s, err)
			}
			runs[s] = append(runs[s], one)
		}
		b.log(fmt.Sprintf("%s: pair %d of %d: %s", name, pair+1, b.pairs, lastRuns(r.sides(c), runs)))
	}
	return r.figures(c, runs), b.profile(ctx, r, c, running, queries)
}

func (r queryRow) traffic(d *started, queries []query) traffic {
	return traffic{network: r.network, addr: d.addr, queries: queries, constant: d.side == floor}
}

// lastRuns tells people who wait what the newest pair found.
func lastRuns(sides []side, runs map[side][]sample) (text string) {
	for _, s := range sides {
		one := runs[s][len(runs[s])-1]
		text += fmt.Sprintf(" %s %.1f us (%.0f/s)", s, one.cpu, one.qps)
	}
	return text
}

// startAll starts what is compared in a chain, and the constant plugin, which
// is also whom kubeadm's chain forwards to. The caller stops the fleet, also
// when an error comes with it.
func (b *bench) startAll(ctx context.Context, c chain) (fleet, error) {
	running := fleet{}
	first, err := b.firstQuery()
	if err != nil {
		return running, err
	}
	for _, s := range []side{floor, stock, ours} {
		conf := setting{side: s, chain: c, kubeconfig: b.world.kube.Kubeconfig(), profiled: b.profiles != ""}
		if s != floor {
			conf.upstream = running[floor].addr
		}
		d, err := b.start(ctx, conf, first)
		if err != nil {
			return running, err
		}
		running[s] = d
		b.log(fmt.Sprintf("%s answers after %d ms", s, d.first.Milliseconds()))
	}
	return running, nil
}

// firstQuery is what servers are asked to see whether they are ready.
func (b *bench) firstQuery() (query, error) {
	all, err := b.world.shape.queries(clusterIPs, 0)
	if err != nil {
		return query{}, err
	}
	return all[0], nil
}
