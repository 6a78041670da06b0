package etcd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"

	"github.com/isthmus-dns/isthmus/catalog"
)

const (
	firstPage = 1000        // keys
	maxPage   = 20_000      // keys
	pageBytes = 4 << 20     // of keys and values, which a page is to have
	beatEvery = time.Second // how often a watch asks whether the server is there
)

// Watch lists the zone at one revision, reports it, and reports what changes
// from there on. It returns when the server does not answer, forgot what
// happened since, or is no longer the one that it was.
func (e *etcd) Watch(ctx context.Context, feed *catalog.Feed) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	client, err := e.config.dial(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	defer e.table.detach()
	if err := e.watch(ctx, client, feed); err != nil {
		return fmt.Errorf("etcd %q: %w", e.config.name, err)
	}
	return fmt.Errorf("etcd %q: watch: %w", e.config.name, ctx.Err())
}

func (e *etcd) watch(ctx context.Context, client *clientv3.Client, feed *catalog.Feed) error {
	since := e.table.newest()
	p, err := identify(ctx, client, e.layout)
	if err != nil {
		return err
	}
	if p.id == "" && e.owner != "" {
		e.doubtful.Do(e.warnIdentity)
	}
	if e.table.begin(since, p) {
		e.forgetClient()
	}
	feed.Identify(p.identity(e.layout))
	items, revision, err := e.listSame(ctx, client)
	if err != nil {
		return err
	}
	e.table.replace(items, revision, feed)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return e.follow(ctx, client, feed, revision+1) })
	g.Go(func() error { return e.beat(ctx, client, feed) })
	g.Go(func() error { return e.compare(ctx, client, feed) })
	return g.Wait()
}

// warnIdentity says that others may know this etcd by another name.
func (e *etcd) warnIdentity() {
	e.table.log.Warn("etcd is known without its id, by which others may know it: permission denied, grant reading and writing it", "key", idKey)
}

// list returns all keys that are watched at one revision, read: what was kept of
// their values until all are there could be any number of bytes.
func (e *etcd) list(ctx context.Context, client *clientv3.Client) (items []item, revision int64, err error) {
	read := func(it item) item {
		it.read, it.value = it.record(e.layout, e.owner), nil
		return it
	}
	return listed(ctx, client, e.layout.watched(), read)
}

// listSame is list of the etcd that the table holds: what answered may have been
// another one, to which the addresses lead now.
func (e *etcd) listSame(ctx context.Context, client *clientv3.Client) ([]item, int64, error) {
	items, revision, err := e.list(ctx, client)
	if err != nil {
		return nil, 0, err
	}
	return items, revision, e.same(ctx, client)
}

// same returns an error if another etcd answers than the one that the table holds.
func (e *etcd) same(ctx context.Context, client *clientv3.Client) error {
	since := e.table.newest()
	p, err := probe(ctx, client, e.layout)
	if err != nil {
		return err
	}
	return e.table.check(since, p)
}

// maxKeys is how many keys a list may have: some times what a zone of 100,000
// endpoints does. One without end has more.
const maxKeys = 1_000_000

var errTooMany = fmt.Errorf("more than %d keys", maxKeys)

// list returns all keys below base at one revision.
func list(ctx context.Context, client *clientv3.Client, base string, opts ...clientv3.OpOption) (items []item, revision int64, err error) {
	return listed(ctx, client, base, func(it item) item { return it }, opts...)
}

// listed returns what of each key below base is to be kept. It asks for as many at a
// time as those before lead to expect in a page: with each page the server counts all
// that are left.
func listed(ctx context.Context, client *clientv3.Client, base string, keep func(item) item, opts ...clientv3.OpOption) (items []item, revision int64, err error) {
	end := clientv3.GetPrefixRangeEnd(base)
	room := int64(firstPage)
	for from := base; ; {
		resp, err := page(ctx, client, from, append(opts, clientv3.WithRange(end), clientv3.WithLimit(room), clientv3.WithRev(revision)))
		if room > 1 && codeOf(err) == codes.ResourceExhausted {
			room = max(1, room/4) // 0 would be no limit
			continue
		}
		if err != nil {
			return nil, 0, fmt.Errorf("list %q: %w", base, err)
		}
		if revision == 0 {
			revision = resp.Header.Revision
		}
		for _, kv := range resp.Kvs {
			items = append(items, keep(item{key: keyOf(kv.Key), value: kv.Value, mod: kv.ModRevision}))
		}
		if !resp.More || len(resp.Kvs) == 0 {
			return items, revision, nil
		}
		if len(items) > maxKeys {
			return nil, 0, fmt.Errorf("list %q: %w", base, errTooMany)
		}
		from = string(resp.Kvs[len(resp.Kvs)-1].Key) + "\x00"
		room = nextPage(resp.Kvs)
	}
}

// nextPage returns how many keys are a page, after one of at least one key.
func nextPage(before []*mvccpb.KeyValue) int64 {
	size := 0
	for _, kv := range before {
		size += len(kv.Key) + len(kv.Value)
	}
	return max(1, min(maxPage, int64(len(before))*pageBytes/int64(max(size, 1))))
}

func page(ctx context.Context, client *clientv3.Client, from string, opts []clientv3.OpOption) (*clientv3.GetResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, pageTime)
	defer cancel()
	return client.Get(ctx, from, opts...)
}

var errEnded = errors.New("the server ended the watch")

// follow reports events from a revision on until the watch ends.
func (e *etcd) follow(ctx context.Context, client *clientv3.Client, feed *catalog.Feed, from int64) error {
	events := client.Watch(clientv3.WithRequireLeader(ctx), e.layout.watched(),
		clientv3.WithPrefix(), clientv3.WithRev(from), clientv3.WithProgressNotify(), clientv3.WithFragment())
	took := time.Duration(0)
	for resp := range events {
		if err := e.wrong(resp); err != nil {
			return fmt.Errorf("watch from revision %d: %w", from, err)
		}
		if resp.IsProgressNotify() {
			feed.Connected(nil)
			continue
		}
		items, err := itemsOf(resp.Events), error(nil)
		if took > slowUpdate {
			items, err = e.gather(events, items)
		}
		begin := time.Now()
		e.table.update(items)
		took = time.Since(begin)
		if err != nil {
			return fmt.Errorf("watch from revision %d: %w", from, err)
		}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("watch: %w", ctx.Err())
	}
	return errEnded
}

// wrong returns why what a watch says is the end of it: itself says so, or it comes from
// another cluster, as the client goes on with a watch wherever it is connected next.
func (e *etcd) wrong(resp clientv3.WatchResponse) error {
	if err := resp.Err(); err != nil {
		return err
	}
	if id := resp.Header.ClusterId; id != 0 && !e.table.isOf(id) {
		return errOther
	}
	return nil
}

const (
	slowUpdate = 20 * time.Millisecond // more than what most changes take
	gatherTime = 10 * time.Millisecond
	gatherSize = 16 << 20
)

// gather adds to items what follows at once: where a name has 100,000 records each
// update costs as much as all of them, whatever part it tells. An error ends the watch.
func (e *etcd) gather(events <-chan clientv3.WatchResponse, items []item) ([]item, error) {
	size := 0
	for _, it := range items {
		size += len(it.value)
	}
	timer := time.NewTimer(gatherTime)
	defer timer.Stop()
	for size < gatherSize {
		select {
		case resp, open := <-events:
			if !open {
				return items, nil
			}
			if err := e.wrong(resp); err != nil {
				return items, err
			}
			for _, it := range itemsOf(resp.Events) {
				items, size = append(items, it), size+len(it.value)
			}
		case <-timer.C:
			return items, nil
		}
	}
	return items, nil
}

func itemsOf(events []*clientv3.Event) []item {
	items := make([]item, 0, len(events))
	for _, ev := range events {
		items = append(items, item{
			key: keyOf(ev.Kv.Key), value: ev.Kv.Value, mod: ev.Kv.ModRevision,
			gone: ev.Type == clientv3.EventTypeDelete,
		})
	}
	return items
}

// beat asks for the newest revision again and again. The watch itself stays
// silent when the server is gone, and for good on a server that was restored
// to before the revision which is waited for.
func (e *etcd) beat(ctx context.Context, client *clientv3.Client, feed *catalog.Feed) error {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("watch: %w", ctx.Err())
		case <-tick.C:
		}
		if err := e.same(ctx, client); err != nil {
			return err
		}
		feed.Connected(nil)
	}
}
