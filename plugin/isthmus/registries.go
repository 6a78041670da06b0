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
	said := ""
	for ctx.Err() == nil {
		err := r.Watch(ctx, feed)
		if ctx.Err() != nil {
			return
		}
		if err.Error() != said {
			log.Warn("not readable", "error", err)
			said = err.Error()
		}
		feed.Connected(err)
		wait(ctx, nil, time.Second)
	}
}
