package main

import (
	"context"
	"fmt"
	"time"
)

// again starts a bridge over targets that are as they should be.
func (o *outwardRun) again(ctx context.Context) error {
	before, err := o.targets.written(ctx)
	if err != nil {
		return err
	}
	more := o.both
	more.compare = o.bridge.compare
	m, err := o.startBridge(ctx, more)
	if err != nil {
		return err
	}
	defer m.stop()
	err = o.restarted(ctx, m, rowRestart, "ready", o.world.shape.size())
	if err == nil {
		err = o.count(ctx, m, rowRestart, before)
	}
	if err != nil {
		return err
	}
	return o.quiet(ctx, m)
}

// restarted waits until a bridge that was started over mirrors as they should be, want of
// each rule, has compared them and had time to write, and adds the line of it.
func (o *outwardRun) restarted(ctx context.Context, m *mirrorer, row, name string, want int) error {
	ready, err := m.ready(ctx)
	if err != nil {
		return err
	}
	done, err := m.settled(ctx, "restart", want)
	if err != nil {
		return err
	}
	if err := sleep(ctx, o.settle/10); err != nil { // for what would be written late
		return err
	}
	f := single(row, name, "s", ready.Seconds(), 10)
	f.Note = fmt.Sprintf("every rule was compared after %.1f s", done.Seconds())
	o.add(f)
	return nil
}

// count makes lines of what was written since before: what the bridge says,
// and how far the servers' own counters moved.
func (o *outwardRun) count(ctx context.Context, m *mirrorer, row string, before written) error {
	p, err := m.progress(ctx)
	if err != nil {
		return err
	}
	after, err := o.targets.written(ctx)
	if err != nil {
		return err
	}
	moved := single(row, "counters of the servers moved", "steps", float64(after.consul-before.consul+after.etcd-before.etcd), 0)
	moved.Note = fmt.Sprintf("Consul's index %d to %d, etcd's revision %d to %d", before.consul, after.consul, before.etcd, after.etcd)
	o.add(single(row, "put", "services", p.puts, 0), single(row, "deleted", "services", p.deletes, 0), moved)
	return nil
}

// quiet counts what is written while nothing changes.
func (o *outwardRun) quiet(ctx context.Context, m *mirrorer) error {
	if !o.only.wants(rowQuiet, "") {
		return nil
	}
	before, err := o.targets.written(ctx)
	if err != nil {
		return err
	}
	lists, err := o.world.lists(ctx)
	if err != nil {
		return err
	}
	o.log(fmt.Sprintf("%s: %v, comparing every %v", rowQuiet, o.bridge.quiet, o.bridge.compare))
	busy, err := m.busy(ctx, o.bridge.quiet)
	if err != nil {
		return err
	}
	more, err := o.world.lists(ctx)
	if err != nil {
		return err
	}
	mem, err := memoryOf(m.pid)
	if err != nil {
		return err
	}
	f := plain(rowQuiet, fmt.Sprintf("CPU, comparing every %v, of a core", o.bridge.compare.Round(time.Second)), "%", busy)
	f.Note = fmt.Sprintf("the API server was asked for %.0f lists; resident %.0f MiB, peak since start %.0f MiB", more-lists, mem.resident, mem.peak)
	o.add(f)
	return o.count(ctx, m, rowQuiet, before)
}
