package zookeeper

import (
	"context"

	"github.com/isthmus-dns/isthmus/registry"
)

// keep has a session for the instances that go with it for as long as a Watch runs, if
// they are dynamic and the fence was claimed. Where it is another than before, mirrors
// differ from what is wanted until they are put again.
func (z *zookeeper) keep(ctx context.Context) error {
	if !z.layout.dynamic {
		return nil
	}
	for {
		if err := registry.Pause(ctx, beatEvery); err != nil {
			return err
		}
		if z.claimedFence() != nil {
			_, _ = z.client(ctx) // while no server gives one, the next Put says so
		}
	}
}
