package main

import (
	"context"
	"fmt"
	"time"
)

// firstSync is a first sync of the world into an empty target, and its line.
type firstSync struct {
	row, name string
	limit     float64 // seconds
	into      string  // the target
	records   string  // what it holds
	held      func(context.Context) (int, error)
}

// filled waits until a bridge that was just started made a first sync, and adds its line.
// It returns how many records there are then.
func (o *outwardRun) filled(ctx context.Context, m *mirrorer, f firstSync) (int, error) {
	what := "first sync into " + f.into
	taken, err := m.settled(ctx, what, o.world.shape.size())
	if err != nil {
		return 0, err
	}
	n, err := f.held(ctx)
	if err != nil {
		return 0, err
	}
	if n < o.world.shape.Namespaces*o.world.shape.Endpoints {
		return 0, fmt.Errorf("%s: %d %s, too few", what, n, f.records)
	}
	mem, err := memoryOf(m.pid)
	if err != nil {
		return 0, err
	}
	line := single(f.row, f.name, "s", taken.Seconds(), f.limit)
	line.Note = fmt.Sprintf("%.0f services/s; %d %s, peak of memory %.0f MiB", float64(o.world.shape.size())/taken.Seconds(), n, f.records, mem.peak)
	o.add(line)
	return n, nil
}

// undone waits until a target says nil, which holds all as it was before the changes.
// What a bridge says is not enough: it may not have heard of the last ones yet.
func (o *outwardRun) undone(ctx context.Context, m *mirrorer, target func(context.Context) error) error {
	for start := time.Now(); ; {
		err := target(ctx)
		if err == nil {
			_, err = m.settled(ctx, "after the changes", o.world.shape.size())
			return err
		}
		if time.Since(start) > undoLimit {
			return fmt.Errorf("%v after the changes: %w", undoLimit, err)
		}
		if err := sleep(ctx, time.Second); err != nil {
			return err
		}
	}
}
