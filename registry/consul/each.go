package consul

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// each calls do for all names, several at a time, until one fails.
func each(ctx context.Context, names []string, do func(context.Context, string) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, name := range names {
		group.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return do(ctx, name)
		})
	}
	return group.Wait()
}
