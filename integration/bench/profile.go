package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"
)

// profile keeps a CPU profile of each server under the traffic of a row, after
// the row was measured, in the folder that people asked for; if they did.
func (b *bench) profile(ctx context.Context, r queryRow, c chain, running fleet, queries []query) error {
	if b.profiles == "" {
		return nil
	}
	for _, s := range r.sides(c) {
		path := filepath.Join(b.profiles, fmt.Sprintf("%s-%s-%s.prof", r.name, c, s))
		seconds := max(1, int(b.time.Seconds()))
		both, ctx := errgroup.WithContext(ctx)
		both.Go(func() error {
			_, err := r.traffic(running[s], queries).run(ctx, b.time)
			return err
		})
		both.Go(func() error { return fetchProfile(ctx, running[s].ports.pprof, seconds, path) })
		if err := both.Wait(); err != nil {
			return fmt.Errorf("profile %s: %w", s, err)
		}
		b.log("kept " + path)
	}
	return nil
}

func fetchProfile(ctx context.Context, port, seconds int, path string) error {
	return keep(ctx, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", local(port), seconds), path)
}

// heaps keeps what the first server of each side holds, and what it ever
// allocated, under the name of a row; if people asked for profiles.
func (b *bench) heaps(ctx context.Context, row string, running []*started) error {
	if b.profiles == "" {
		return nil
	}
	seen := map[side]bool{}
	for _, d := range running {
		if seen[d.side] {
			continue
		}
		seen[d.side] = true
		path := filepath.Join(b.profiles, fmt.Sprintf("%s-%s.heap", row, d.side))
		if err := keep(ctx, "http://"+local(d.ports.pprof)+"/debug/pprof/heap", path); err != nil {
			return fmt.Errorf("profile %s: %w", d.side, err)
		}
		b.log("kept " + path)
	}
	return nil
}

// keep writes what is at url to a file.
func keep(ctx context.Context, url, path string) error {
	body, err := fetch(ctx, url)
	if err != nil {
		return err
	}
	return os.WriteFile(path, body, 0o600)
}
