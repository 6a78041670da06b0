package etcd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/isthmus-dns/isthmus/catalog"
)

// item is one key as a list, an event or a write of our own tells it.
type item struct {
	key   string
	value []byte
	read  *record // what the value reads as, where that is known; else nil
	mod   int64
	gone  bool
}

// table is what is known of each key, from the list, the events and our own
// writes, each key by its newest revision; and the way from there to the feed.
type table struct {
	layout layout
	owner  string // whose values are kept
	log    *slog.Logger

	mu       sync.Mutex // guards what follows; unlock packs the groups
	groups   map[catalog.Key]*group
	open     []*group // those not packed
	packer   packer
	reverse  map[string]address
	gone     map[string]int64                // keys that we deleted, until the watch tells so
	keeping  bool                            // gone is kept beyond that
	own      map[int64]bool                  // revisions of our own, known whole before the watch tells them
	expected map[string]op                   // what is under way to be put
	heritage map[string]int                  // names beside which external-dns keeps account
	waiting  map[string]map[catalog.Key]bool // reverse keys that others hold, by who would have them
	refused  map[string]bool
	revision int64         // the newest that any answer told
	self     self          // of whom all this is; the zero one before the first Watch
	listed   int64         // the revision of the newest list
	watched  int64         // the revision up to which all is told
	moved    chan struct{} // closed when watched moves
	history  int           // grows when revisions begin anew
	feed     *catalog.Feed // nil while no Watch reports
	dirty    map[catalog.Key]bool
}

func newTable(l layout, owner string, log *slog.Logger) *table {
	t := &table{layout: l, owner: owner, log: log, refused: map[string]bool{}, expected: map[string]op{}}
	t.resetLocked()
	return t
}

func (t *table) resetLocked() {
	t.groups, t.open, t.reverse = map[catalog.Key]*group{}, nil, map[string]address{}
	t.gone, t.own = map[string]int64{}, map[int64]bool{}
	t.heritage, t.dirty = map[string]int{}, map[catalog.Key]bool{}
	t.waiting = map[string]map[catalog.Key]bool{}
	t.revision, t.listed, t.watched, t.moved = 0, 0, 0, make(chan struct{})
	t.history++
}

var (
	errWentBack = errors.New("the revision went back: restored from a backup?")
	errOther    = fmt.Errorf("another etcd, or the id at %q was changed", idKey)
)

// newest is the newest revision that any answer told.
func (t *table) newest() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.revision
}

// age is the history that the table is of.
func (t *table) age() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.history
}

// check returns an error if the server, asked when since was the newest
// revision, is no longer the one that the table holds.
func (t *table) check(since int64, p probed) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case p.revision < since:
		return errWentBack
	case t.self != (self{}) && p.self != t.self:
		return errOther
	}
	return nil
}

// isOf reports whether the table holds what a cluster of this id has.
func (t *table) isOf(cluster uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.self.cluster == cluster
}

// begin forgets all that was known if it was of another history, and reports whether
// it was.
func (t *table) begin(since int64, p probed) (other bool) {
	other = t.check(since, p) != nil
	t.mu.Lock()
	defer t.mu.Unlock()
	if other {
		t.resetLocked()
	}
	t.self = p.self
	return other
}

// replace takes over the list of all keys at one revision and reports it.
func (t *table) replace(items []item, revision int64, feed *catalog.Feed) {
	t.mu.Lock()
	defer t.unlock()
	listed := make(map[string]bool, len(items))
	for _, it := range items {
		listed[it.key] = true
		t.setLocked(it)
		t.easeLocked()
	}
	var gone []string
	for r := range t.allLocked() {
		if r.mod <= revision && !listed[r.key] {
			gone = append(gone, r.key)
		}
	}
	for _, key := range gone {
		t.dropLocked(key)
		t.easeLocked()
	}
	t.listed = revision
	t.watchedLocked(revision)
	t.feed, t.dirty = feed, map[catalog.Key]bool{}
	var all []*catalog.Service
	for key, g := range t.groups {
		g.told = nil
		set, _ := t.decodeLocked(key)
		all = append(all, set...)
		t.easeLocked()
	}
	t.sweepLocked()
	feed.Replace(all)
}

// update takes over events, whole up to their newest revision, and reports
// what they changed.
func (t *table) update(items []item) {
	t.mu.Lock()
	defer t.unlock()
	newest := t.watched
	for _, it := range items {
		if it.mod > t.listed && !t.own[it.mod] {
			if o := t.expected[it.key]; o.do == put && !it.gone && o.value == string(it.value) {
				it.read = o.read
			}
			t.setLocked(it)
		}
		newest = max(newest, it.mod)
	}
	t.watchedLocked(newest)
	t.flushLocked()
}

// expect has it known what a transaction puts while it is under way, so that
// who of its answer and the watch comes first tells it without being read.
func (t *table) expect(batch []part) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range batch {
		for _, o := range p.ops {
			if o.do == put {
				t.expected[o.key] = o
			}
		}
	}
}

func (t *table) forget(batch []part) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range batch {
		for _, o := range p.ops {
			delete(t.expected, o.key)
		}
	}
}

// wrote takes over what a transaction of our own did at one revision, unless
// the watch told of it already. Nothing else was done at that revision.
func (t *table) wrote(items []item, revision int64, history int) {
	t.mu.Lock()
	defer t.unlock()
	if history != t.history {
		return
	}
	t.revision = max(t.revision, revision)
	if revision > t.watched {
		for _, it := range items {
			t.setLocked(it)
		}
		if t.feed != nil {
			t.own[revision] = true
		}
	}
	t.flushLocked()
}

// learn takes over what a refused transaction found. While a Watch runs, it
// waits for that to tell, so that no service is reported in part.
func (t *table) learn(ctx context.Context, found []item) error {
	newest := int64(0)
	for _, it := range found {
		newest = max(newest, it.mod)
	}
	for {
		t.mu.Lock()
		moved, watching := t.moved, t.feed != nil
		if !watching {
			for _, it := range found {
				t.setLocked(it)
			}
		}
		reached := t.watched >= newest
		t.unlock()
		if reached || !watching {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// detach ends the reports of a Watch.
func (t *table) detach() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.feed = nil
	close(t.moved)
	t.moved = make(chan struct{})
}

func (t *table) watchedLocked(revision int64) {
	if revision > t.watched {
		close(t.moved)
		t.watched, t.moved = revision, make(chan struct{})
	}
	t.revision = max(t.revision, revision)
	for key, mod := range t.gone {
		if mod <= t.watched && !t.keeping {
			delete(t.gone, key)
		}
	}
	for mod := range t.own {
		if mod <= t.watched {
			delete(t.own, mod)
		}
	}
}

// setLocked takes over one key, unless something newer is known of it.
func (t *table) setLocked(it item) {
	if it.mod < t.gone[it.key] {
		return
	}
	if old := t.findLocked(it.key); old != nil {
		if old.mod >= it.mod {
			return
		}
		t.dropLocked(it.key)
	}
	if it.gone {
		t.gone[it.key] = it.mod
		return
	}
	r := it.record(t.layout, t.owner)
	if r == nil {
		return
	}
	delete(t.gone, it.key)
	t.addLocked(r)
}

// record reads the item, nil if it is no service's. Of values of owner it has
// the digest.
func (it item) record(l layout, owner string) *record {
	if it.read != nil {
		if it.read.mod == it.mod {
			return it.read
		}
		r := *it.read
		r.mod = it.mod
		return &r
	}
	r := parseRecord(l, it.key, it.value)
	if r == nil {
		return nil
	}
	r.mod = it.mod
	if r.mark != nil && r.mark.Owner == owner {
		r.digest = digestOf(it.value)
	}
	return r
}

// flushLocked reports every group that changed, if a Watch reports.
func (t *table) flushLocked() {
	if t.feed == nil || len(t.dirty) == 0 {
		return
	}
	var set []*catalog.Service
	var gone []catalog.Ref
	for k := range t.dirty {
		s, g := t.decodeLocked(k)
		set, gone = append(set, s...), append(gone, g...)
	}
	clear(t.dirty)
	if len(set)+len(gone) > 0 {
		t.feed.Update(set, gone)
	}
}

// decodeLocked returns what changed of one group since the feed was told.
func (t *table) decodeLocked(k catalog.Key) (set []*catalog.Service, gone []catalog.Ref) {
	g := t.groups[k]
	if g == nil {
		return nil, nil
	}
	t.openLocked(g)
	recs := make([]*record, 0, len(g.records))
	for _, r := range g.records {
		recs = append(recs, t.claimedLocked(r))
	}
	services, refused := decode(t.layout, recs, t.owner, t.takenLocked(k, hosts(recs, t.owner)))
	for _, s := range services {
		s.Key = g.key
	}
	set, gone = g.told.Tell(g.key, services, nil)
	t.refuseLocked(g, refused)
	if len(g.records) == 0 {
		delete(t.groups, k)
	}
	return set, gone
}

// refuseLocked reports which records of a group are refused now.
func (t *table) refuseLocked(g *group, refused map[string]error) {
	for key := range g.refused {
		if refused[key] == nil {
			t.feed.Refuse(key, nil)
			delete(t.refused, key)
			delete(g.refused, key)
		}
	}
	if g.refused == nil && len(refused) > 0 {
		g.refused = map[string]bool{}
	}
	for key, err := range refused {
		g.refused[key], t.refused[key] = true, true
		if t.feed.Refuse(key, err) {
			t.log.Warn("record left out", "record", catalog.Brief(key), "error", catalog.Brief(err.Error()))
		}
	}
}

// sweepLocked takes back refusals of records that are gone or well.
func (t *table) sweepLocked() {
	for key := range t.refused {
		if r := t.findLocked(key); r == nil || !t.groupLocked(r.place.Key).refused[key] {
			t.feed.Refuse(key, nil)
			delete(t.refused, key)
		}
	}
}
