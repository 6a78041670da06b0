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
	body, err := fetch(ctx, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", local(port), seconds))
	if err != nil {
		return err
	}
	return os.WriteFile(path, body, 0o600)
}
