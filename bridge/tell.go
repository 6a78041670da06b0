package bridge

import (
	"context"
	"sync"

	"github.com/isthmus-dns/isthmus/bridge/mirror"
	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// maxNotices are kept for a registry that did not take them yet; those beyond
// are left out.
const maxNotices = 1000

// tell starts what leaves notices in each registry that takes some, and returns
// how to give it one.
func (b *Bridge) tell(ctx context.Context, wg *sync.WaitGroup) mirror.Tell {
	all := map[catalog.Origin]chan registry.Notice{}
	for o, r := range b.registries {
		if teller, ok := r.(registry.Teller); ok {
			notices := make(chan registry.Notice, maxNotices)
			wg.Go(func() { teller.Tell(ctx, notices) })
			all[o] = notices
		}
	}
	return func(o catalog.Origin, n registry.Notice) {
		select {
		case all[o] <- n: // never, where nobody takes it
		default:
		}
	}
}
