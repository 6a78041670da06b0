package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// shown is what a watcher waits for: an endpoint of a service that is there, or
// ready, or that is not.
type shown struct {
	namespace, name string
	address         string
	there           bool
}

// watch begins to watch a registry and returns once it does. What comes is when
// the registry showed what is wanted. It ends with ctx.
type watch func(ctx context.Context, want shown) (<-chan sighting, error)

// change is one change and what it makes others show.
type change struct {
	shown
	send func(context.Context) error
}

// timing makes changes one after the other and times how long each takes to be
// shown, from the request on.
type timing struct {
	watches map[string]watch     // by row
	changes func(n int) []change // one after the other; in the end all is as before
	number  int                  // of each kind
	limit   time.Duration        // of all; fewer changes are made if it passes
}

// taken are milliseconds, by row and kind of change.
type taken map[string]map[bool][]float64

func (t timing) run(ctx context.Context) (taken, error) {
	all := taken{}
	for row := range t.watches {
		all[row] = map[bool][]float64{}
	}
	for n, start := 0, time.Now(); n < t.number && (n < 2 || time.Since(start) < t.limit); n++ {
		var err error
		for _, c := range t.changes(n) {
			if err == nil {
				err = t.one(ctx, c, all)
			} else {
				err = errors.Join(err, c.send(ctx)) // all is to be as it was
			}
		}
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// one makes a change and waits until all watches showed it.
func (t timing) one(ctx context.Context, c change, all taken) error {
	ctx, cancel := context.WithTimeoutCause(ctx, lost, fmt.Errorf("a change of %q was not seen for %v", c.namespace+"/"+c.name, lost))
	defer cancel()
	rows := slices.Sorted(maps.Keys(t.watches))
	var seen []<-chan sighting
	var err error
	for _, row := range rows {
		s, failed := t.watches[row](ctx, c.shown)
		if failed != nil {
			err = fmt.Errorf("%s: %w", row, failed)
			break
		}
		seen = append(seen, s)
	}
	sent := time.Now()
	if err == nil {
		err = c.send(ctx)
	}
	if err != nil {
		cancel()
	}
	for i, s := range seen {
		one := <-s
		if err == nil && one.err != nil {
			err = fmt.Errorf("%s: %w", rows[i], one.err)
		}
		if one.err == nil && err == nil {
			all[rows[i]][c.there] = append(all[rows[i]][c.there], one.at.Sub(sent).Seconds()*1000)
		}
	}
	return err
}

// kinds are what the two kinds of change of a row are called.
type kinds struct{ there, gone string }

// limits are targets in milliseconds; 0: none.
type limits struct{ p50, p99 float64 }

// figures makes the lines of a row.
func (t taken) figures(row string, k kinds, how string, at limits) (all []figure) {
	for _, there := range []bool{true, false} {
		name := k.gone
		if there {
			name = k.there
		}
		values := t[row][there]
		if len(values) == 0 {
			continue
		}
		for _, q := range []struct {
			name      string
			of, limit float64
		}{{"p50", 0.5, at.p50}, {"p99", 0.99, at.p99}} {
			f := plain(row, fmt.Sprintf("%s, %s, %s", name, how, q.name), "ms", quantile(values, q.of))
			if q.limit > 0 {
				f = f.judge(&target{AtMost: q.limit})
			}
			f.Note = fmt.Sprintf("%d samples", len(values))
			all = append(all, f)
		}
	}
	return all
}
