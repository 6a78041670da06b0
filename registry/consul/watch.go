package consul

import (
	"context"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/isthmus-dns/isthmus/catalog"
)

// consul is one datacenter; it implements registry.Writer.
type consul struct {
	client  *client
	layout  layout
	compare time.Duration // the most between two readings of everything
	view    view
	pen     pen
	read    atomic.Pointer[catalog.Identity] // of what was read last; nil: nothing ever was
}

// Close gives up idle connections.
func (c *consul) Close() error {
	c.client.http.CloseIdleConnections()
	return nil
}

// Intervals of watching.
const (
	waitTime  = 5 * time.Minute        // of a blocking query, unless the stanza says it; then all is compared anyway
	minPause  = 100 * time.Millisecond // between rounds
	maxPause  = 5 * time.Second        // where Consul is slow
	minSpare  = 3 * time.Second        // from a write until the nodes that this process writes are read
	maxSpare  = 30 * time.Second       // between readings of the nodes that this process writes
	namePause = time.Millisecond       // for each name that is asked
	parallel  = 32                     // reads at a time
)

// Watch keeps feed equal to what the datacenter holds; see the package's
// comment for how.
func (c *consul) Watch(ctx context.Context, feed *catalog.Feed) error {
	id, err := c.client.identity(ctx)
	if err != nil {
		return ended(ctx, err)
	}
	feed.Identify(id)
	c.read.Store(&id)
	w := &watch{client: c.client, id: id, every: c.compare, layout: c.layout, view: &c.view, wake: make(chan struct{}, 1), checked: make(chan []judged)}
	w.kick = c.view.begin(feed)
	defer c.view.end()
	probed, err := w.probe(ctx)
	if err != nil {
		return ended(ctx, err)
	}
	wakers := c.layout.wakers()
	index := make([]uint64, len(wakers))
	for i, q := range wakers {
		// Before all is read, so that nothing can change unnoticed in between.
		if index[i], err = c.client.get(ctx, q.path, q.query(), nil); err != nil {
			return ended(ctx, err)
		}
	}
	states, err := w.states(ctx)
	if err != nil {
		return ended(ctx, err)
	}
	group, ctx := errgroup.WithContext(ctx)
	w.follow(ctx, group, states)
	for i, q := range wakers {
		read := w.listener()
		group.Go(func() error { return w.listen(ctx, q, index[i], read) })
	}
	if c.layout.owner != "" {
		read := w.listener()
		group.Go(func() error { return w.look(ctx, probed, read) })
	}
	group.Go(func() error { return w.run(ctx) })
	return group.Wait()
}

// Filters. The last two let nothing through: what counts is the answer's index.
const (
	failingFilter = `Status != "passing"`
	nativeFilter  = `"isthmus-owner" not in ServiceMeta`
	ownersFilter  = `"isthmus-owner" in Meta`
	noneOfService = `Service.ID == ""`
	noneOfNode    = `ID == ""`
)

// watch is one Watch under way.
type watch struct {
	client *client
	id     catalog.Identity // of what is read
	layout layout
	every  time.Duration // the most between two rounds
	view   *view
	wake   chan struct{} // has room for one
	kick   <-chan struct{}

	checked chan []judged // what checks judge otherwise than before
	relist  atomic.Bool   // an index went backwards: what is known may be wrong

	listeners []chan<- struct{} // are told when a round ended; each has room for one

	// Of the goroutine that runs rounds.
	token      string // that what is known was read with
	last       listing
	nodes      map[string]uint64 // indexes of owners' nodes
	users      map[string]user   // by node; nil: there are too many
	odd        time.Time         // when all checks are looked through next
	nodesIndex uint64            // of all nodes, for the directory
	took       time.Duration     // by the last round
	spare      spare
	wholeAt    time.Time // when even nodes that this process was the last to write are listed
}

// run reads everything, then what changes.
func (w *watch) run(ctx context.Context) error {
	if err := w.load(ctx); err != nil {
		return ended(ctx, err)
	}
	for {
		for _, l := range w.listeners {
			offer(l)
		}
		if err := w.await(ctx); err != nil {
			return err
		}
		begun := time.Now()
		if err := w.round(ctx); err != nil {
			return ended(ctx, err)
		}
		w.took = time.Since(begun)
	}
}

// pause is how long rounds are apart: the longer, the more there is to ask and
// the slower Consul answers, and longer still while this process is what keeps
// it busy.
func (w *watch) pause() time.Duration {
	times := time.Duration(2)
	if w.spare.owed {
		times = 9
	}
	return max(minPause, time.Duration(len(w.last.natives))*namePause, min(times*w.took, maxPause))
}

// load reads everything and reports it as the whole truth.
func (w *watch) load(ctx context.Context) (err error) {
	if w.token, err = w.client.secret(); err != nil {
		return err
	}
	if err := w.readNodes(ctx); err != nil {
		return err
	}
	w.users, w.odd = nil, time.Time{}
	l, err := w.list(ctx)
	if err != nil {
		return err
	}
	if l.names == nil {
		if l.names, err = w.listNames(ctx, ""); err != nil {
			return err
		}
	}
	read, nodes, err := w.readAll(ctx, l)
	if err != nil {
		return err
	}
	all := map[string]answer{}
	for {
		for _, a := range read {
			all[a.name] = a
		}
		if err := w.client.same(ctx, w.id); err != nil {
			return err
		}
		todo := w.view.replace(all)
		if len(todo) == 0 {
			break
		}
		if read, err = w.read(ctx, todo); err != nil {
			return err
		}
	}
	l.names = nil // they are the view's
	w.last, w.nodes = l, nodes
	return nil
}

// round reads and reports what changed since the last one.
func (w *watch) round(ctx context.Context) error {
	token, err := w.client.secret()
	if err != nil {
		return err
	}
	if w.relist.Swap(false) || token != w.token {
		return w.load(ctx)
	}
	if err := w.readNodes(ctx); err != nil {
		return err
	}
	dirty := w.view.takeDirty()
	l, err := w.list(ctx)
	if err != nil {
		return err
	}
	if l.names != nil {
		w.view.differ(l.names, dirty)
	}
	w.differ(l, dirty)
	if err := w.askNames(ctx, l, dirty); err != nil {
		return err
	}
	if err := w.askNodes(ctx, l, dirty); err != nil {
		return err
	}
	read, err := w.read(ctx, keys(dirty))
	if err != nil {
		return err
	}
	if w.view.takesAway(read) {
		if err := w.client.same(ctx, w.id); err != nil {
			return err
		}
	}
	w.view.apply(read)
	l.names = nil
	w.last = l
	return nil
}

// differ adds to dirty what two listings say of names: native instances that
// came or went, checks of mirrors that began or ceased to fail, nodes gone.
func (w *watch) differ(l listing, dirty map[string]bool) {
	changed(w.last.natives, l.natives, func(name string) { dirty[name] = true })
	changed(w.last.failing, l.failing, func(c check) { w.view.on(c.node, c.name, dirty) })
	for node := range w.last.nodes {
		if _, there := l.nodes[node]; !there {
			w.view.on(node, "", dirty)
			delete(w.nodes, node)
		}
	}
}

// changed visits the keys whose values differ.
func changed[K, V comparable](a, b map[K]V, visit func(K)) {
	for k, v := range a {
		if other, ok := b[k]; !ok || other != v {
			visit(k)
		}
	}
	for k := range b {
		if _, ok := a[k]; !ok {
			visit(k)
		}
	}
}

// askNames adds to dirty the names with native instances whose index moved.
func (w *watch) askNames(ctx context.Context, l listing, dirty map[string]bool) error {
	var ask []string
	for name := range l.natives {
		if !dirty[name] && checkName(name) == nil {
			ask = append(ask, name)
		}
	}
	indexes, err := w.indexes(ctx, ask, "/v1/health/service/", noneOfService)
	if err != nil {
		return err
	}
	for name, index := range indexes {
		if index != w.view.index(name) {
			dirty[name] = true
		}
	}
	return nil
}

// askNodes adds to dirty the names whose records on nodes of owners changed.
// Nodes that this process writes wait while it does, as spare says.
func (w *watch) askNodes(ctx context.Context, l listing, dirty map[string]bool) error {
	others, own := l.parted(w.layout.owner)
	if _, err := w.readSome(ctx, others, dirty, true); err != nil {
		return err
	}
	begun, echos := time.Now(), w.view.takeEchos()
	if !w.spare.due(begun, echos) {
		return nil
	}
	whole := echos == 0 || begun.After(w.wholeAt)
	if whole {
		w.wholeAt = begun.Add(maxSpare)
	}
	left, err := w.readSome(ctx, own, dirty, whole)
	if err != nil {
		return err
	}
	w.spare.read(begun, time.Now(), left)
	return nil
}

// readSome adds to dirty the names whose records on some nodes changed. Unless
// the whole is wanted, it leaves nodes that this process was the last to write,
// and reports whether it left any.
func (w *watch) readSome(ctx context.Context, nodes []string, dirty map[string]bool, whole bool) (left bool, err error) {
	indexes, err := w.indexes(ctx, nodes, "/v1/catalog/node-services/", noneOfNode)
	if err != nil {
		return false, err
	}
	for node, index := range indexes {
		switch {
		case index == w.nodes[node]:
			continue
		case !whole && w.view.wroteLast(node, index):
			left = true
			continue
		}
		var list struct{ Services []stands }
		if _, err := w.client.get(ctx, "/v1/catalog/node-services/"+url.PathEscape(node), nil, &list); err != nil {
			return false, err
		}
		w.view.compare(node, list.Services, dirty)
		w.nodes[node] = index
	}
	return left, nil
}

// indexes asks for the indexes of many paths.
func (w *watch) indexes(ctx context.Context, all []string, path, filter string) (map[string]uint64, error) {
	var mu sync.Mutex // guards out
	out := make(map[string]uint64, len(all))
	err := each(ctx, all, func(ctx context.Context, name string) error {
		index, err := w.client.get(ctx, path+url.PathEscape(name), filtered(filter), nil)
		mu.Lock()
		defer mu.Unlock()
		out[name] = index
		return err
	})
	return out, err
}

// read reads names completely; it is the last to be asked before a report.
func (w *watch) read(ctx context.Context, names []string) ([]answer, error) {
	all, names, err := w.readOdd(ctx, names)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex // guards all
	err = each(ctx, names, func(ctx context.Context, name string) error {
		ticket := w.view.ticket(name)
		entries, index, err := w.client.service(ctx, name)
		if err != nil {
			return err
		}
		a := w.view.answerOf(name, ticket, index, w.layout.decode(name, entries))
		mu.Lock()
		defer mu.Unlock()
		all = append(all, a)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, w.client.seesAll(ctx)
}
