package isthmus

import (
	"context"
	"log/slog"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// types are the kinds of registries that the plugin can watch.
func types() []registry.Type { return nil }

// supervise stands in for the supervisor of package registry.
func supervise(ctx context.Context, r registry.Registry, feed *catalog.Feed, log *slog.Logger) {
	for ctx.Err() == nil {
		if err := r.Watch(ctx, feed); ctx.Err() == nil {
			log.Warn("not readable", "error", err)
			feed.Connected(err)
		}
		wait(ctx, nil, time.Second)
	}
}
