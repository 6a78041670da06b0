package etcd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

const (
	compareEvery = 5 * time.Minute // on average, how often what is known is compared with all revisions, unless the stanza says it
	compareGrace = 2 * time.Second // for a watch to tell what a list showed
)

// compare compares what the watch told with what the zone holds, again and
// again. It only ends with ctx: that the server is there is for beat to see.
func (e *etcd) compare(ctx context.Context, client *clientv3.Client, feed *catalog.Feed) error {
	every := cmp.Or(e.config.compare, compareEvery)
	for {
		if err := registry.Pause(ctx, every*3/4+rand.N(every/2)); err != nil {
			return fmt.Errorf("watch: %w", err)
		}
		if missed, err := e.compareOnce(ctx, client, feed); err == nil && missed > 0 {
			feed.Missed(missed)
			e.table.log.Warn("the watch had missed changes, listed again", "records", missed)
		}
	}
}

// compareOnce lists all keys with their revisions and, if the watch does not
// tell of what differs in time, lists everything again. It returns how many
// keys were missed.
func (e *etcd) compareOnce(ctx context.Context, client *clientv3.Client, feed *catalog.Feed) (missed int, err error) {
	keys, revision, err := list(ctx, client, e.layout.watched(), clientv3.WithKeysOnly())
	if err != nil || e.table.differing(keys, revision) == 0 {
		return 0, err
	}
	if err := registry.Pause(ctx, compareGrace); err != nil {
		return 0, err
	}
	if missed = e.table.differing(keys, revision); missed == 0 {
		return 0, nil
	}
	e.table.keepGone(true)
	defer e.table.keepGone(false)
	items, revision, err := e.listSame(ctx, client)
	if err != nil {
		return 0, err
	}
	e.table.replace(items, revision, feed)
	return missed, nil
}

// differing counts the keys of which the table knows less than a list of all
// keys at one revision.
func (t *table) differing(listed []item, revision int64) (n int) {
	t.mu.Lock()
	defer t.unlock()
	there := make(map[string]bool, len(listed))
	for _, it := range listed {
		there[it.key] = true
		if r := t.findLocked(it.key); r != nil && r.mod >= it.mod || t.gone[it.key] > it.mod {
			continue
		}
		if _, err := t.layout.parse(it.key); !errors.Is(err, errNotRead) || t.layout.isReverse(it.key) {
			n++
		}
	}
	for r := range t.allLocked() {
		if r.mod <= revision && !there[r.key] {
			n++
		}
	}
	return n
}

// keepGone keeps it known which keys are gone while a list is under way beside
// a watch, so that what the watch told to be gone is not taken from the list.
func (t *table) keepGone(keep bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.keeping = keep
}
