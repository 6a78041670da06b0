package isthmus

import (
	"context"
	"log/slog"
	"time"
)

// notifier tells secondaries that a zone changed.
type notifier interface{ Notify(zone string) error }

// notifyEvery is the least time between two rounds of NOTIFY: a secondary
// fetches the whole zone for each.
const notifyEvery = 5 * time.Second

// notify tells of every serial once all origins are synced, until ctx ends.
func (p *views) notify(ctx context.Context, to notifier, log *slog.Logger) {
	var told uint32
	wrong := map[string]bool{} // zones whose last NOTIFY failed
	for p.await(ctx, func(v *view) bool { return v.snap.Synced() && v.serial.number != told }) {
		v := p.newest.Load()
		told = v.serial.number
		for _, z := range v.conf.zones {
			if z.domain != "" || z.multicluster != v.conf.imported {
				continue // it is not transferred, or is another process's
			}
			err, ended := send(ctx, to, z.name)
			if ended {
				return
			}
			if err != nil && !wrong[z.name] {
				log.Warn("secondaries not told of a change", "zone", z.name, "error", err)
			}
			wrong[z.name] = err != nil
		}
		if !wait(ctx, nil, notifyEvery) {
			return
		}
	}
}

// send notifies the secondaries of zone. It does not wait for them once ctx
// ended: nothing can cut a NOTIFY short, but its own time-outs end it soon.
func send(ctx context.Context, to notifier, zone string) (err error, ended bool) {
	done := make(chan error, 1)
	go func() { done <- to.Notify(zone) }()
	select {
	case err := <-done:
		return err, false
	case <-ctx.Done():
		return nil, true
	}
}
