package isthmus

import (
	"context"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
)

// giveBackAfter is how long after a first read memory is given back: what is made of
// the read comes first, and what other origins read in the meantime counts with it.
const giveBackAfter = 10 * time.Second

// giveBack calls free some time after origins were read for the first time, once for
// those that were read meanwhile, until all were or ctx ends. Reading a registry
// leaves as much garbage as what is kept of it, and a server in which little changes
// may not collect it for minutes, nor return it to the system for long after.
func (p *views) giveBack(ctx context.Context, free func()) {
	for n, all := 0, false; !all; free() {
		if !p.await(ctx, func(v *view) bool { return v.origins(isSynced) > n }) || !wait(ctx, nil, giveBackAfter) {
			return
		}
		v := p.newest.Load()
		n, all = v.origins(isSynced), v.snap.Synced()
	}
}

// origins counts those that are so.
func (v *view) origins(so func(catalog.State) bool) (n int) {
	for _, st := range v.snap.Origins() {
		if so(st) {
			n++
		}
	}
	return n
}
