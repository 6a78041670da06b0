package zookeeper

import (
	"context"
	"time"
)

// keep has a session for the instances that go with it for as long as a Watch runs, if
// they are dynamic and the fence was claimed. Where it is another than before, mirrors
// differ from what is wanted until they are put again.
func (z *zookeeper) keep(ctx context.Context) error {
	if !z.layout.dynamic {
		return nil
	}
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if z.claimedFence() != nil {
			_, _ = z.client(ctx) // while no server gives one, the next Put says so
		}
	}
}
