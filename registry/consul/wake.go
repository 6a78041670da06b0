package consul

import (
	"context"
	"math/rand/v2"
	"net/url"
	"time"
)

const (
	lookPause   = 250 * time.Millisecond // between two looks of a writer at whether anything changed
	checkedRest = 50 * time.Millisecond  // of what asks for failing checks, while this process writes
	stillWrites = 10 * time.Second       // since the last write
)

// waker is a blocking query that says that something changed.
type waker struct{ path, filter string }

// servicesWaker wakes for any instance; with a filter it would join every node.
func servicesWaker() waker { return waker{"/v1/catalog/services", ""} }

// wakers returns the queries to block on; a writer looks for itself.
func (l layout) wakers() []waker {
	var all []waker
	if l.owner == "" {
		all = append(all, servicesWaker())
	}
	if l.directory {
		all = append(all, waker{"/v1/catalog/nodes", ""})
	}
	return all
}

func (q waker) query() url.Values {
	v := url.Values{"stale": {""}}
	if q.filter != "" {
		v.Set("filter", q.filter)
	}
	return v
}

// listener returns what tells of a round's end.
func (w *watch) listener() <-chan struct{} {
	read := make(chan struct{}, 1)
	w.listeners = append(w.listeners, read)
	return read
}

// listen blocks on one query and wakes the rounds when it returns. Before it
// asks again it waits for the end of a round, as read tells: while much is
// written every change would end the query, and each costs the server a walk
// over all that it holds.
func (w *watch) listen(ctx context.Context, q waker, index uint64, read <-chan struct{}) error {
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-read:
		}
		wait := w.every - rand.N(w.every/10)
		next, err := w.client.block(ctx, q.path, q.query(), index, wait, nil)
		if err != nil {
			return ended(ctx, err)
		}
		if next < index {
			w.relist.Store(true)
			next = 1
		}
		index = next
		select {
		case <-read: // of an older round
		default:
		}
		offer(w.wake)
	}
}

// probe returns the index of all services and nodes, without any of them: by
// metadata that no node has Consul finds none, and still says the index of all.
func (w *watch) probe(ctx context.Context) (uint64, error) {
	return w.client.get(ctx, "/v1/catalog/services", url.Values{"node-meta": {"isthmus-nothing:nothing"}}, nil)
}

// look wakes the rounds when the index of all services and nodes moved. It is
// for a writer. While that writes, each of its own writes would end a query
// that blocks on the list of services, and each time that costs the server a
// walk over all that it holds: a quarter of a second where it holds 100,000
// instances. So it only looks at the index meanwhile, which costs a third of a
// millisecond, and blocks again when it is done; read tells of a round's end.
func (w *watch) look(ctx context.Context, index uint64, read <-chan struct{}) error {
	woke := time.Now()
	for {
		due, err := w.pass(ctx, index, read)
		if err != nil {
			return ended(ctx, err)
		}
		next, err := w.probe(ctx)
		if err != nil {
			return ended(ctx, err)
		}
		if next == index && !due && time.Since(woke) < w.every {
			continue
		}
		if next < index {
			w.relist.Store(true)
		}
		index, woke = next, time.Now()
		offer(w.wake)
	}
}

// pass returns when it is time to look again, and whether a round is due
// whatever is seen then.
func (w *watch) pass(ctx context.Context, index uint64, read <-chan struct{}) (due bool, err error) {
	if w.view.wroteWithin(stillWrites) {
		return false, sleep(ctx, lookPause)
	}
	select {
	case <-ctx.Done():
		return false, context.Cause(ctx)
	case <-read:
	}
	q := servicesWaker()
	_, err = w.client.block(ctx, q.path, q.query(), index, w.every-rand.N(w.every/10), nil)
	return true, err
}
