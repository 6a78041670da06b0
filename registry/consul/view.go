package consul

import (
	"hash/maphash"
	"iter"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
)

// view is what the feed was told, name by name. Watching and writing both
// report through it, so that a write shows at once and an answer that Consul
// gave before the write does not undo it: whoever reads a name takes its
// ticket first, and a write makes older tickets void. It keeps no service: the
// feed does, and can be asked.
type view struct {
	namespace string // of all services in the catalog
	owner     string // whose mirrors this one writes; "" if none
	directory bool   // the feed is told what Consul lists, too
	seed      maphash.Seed
	log       *slog.Logger

	mu           sync.Mutex // guards what follows, and the order of reports
	feed         *catalog.Feed
	synced       bool            // the feed had its Replace
	names        map[string]seen // by name in lower case
	sums         sums            // of records on owners' nodes
	tickets      map[string]uint64
	mine         map[string]uint64 // hashes of versions of mirrors that this one wrote, as last known; outlives a Watch
	dirty        map[string]bool   // to be read again, whatever their index says
	refused      map[string]bool   // records that the feed was told to refuse; outlives a Watch
	refusedNodes map[string]bool   // of the directory; those are in refused, too
	kick         chan struct{}     // has room for one: names became dirty
	own          map[string]uint64 // indexes that nodes got by what this one wrote
	freed        map[string]bool   // nodes that got one by what this one removed, which Consul does not tell
	echos        int               // services written since takeEchos
	written      time.Time         // when something was written last, or begun to be
}

// begin prepares for a new Watch and returns what tells of dirty names.
func (v *view) begin(feed *catalog.Feed) <-chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.feed, v.synced = feed, false
	v.clearLocked()
	v.kick = make(chan struct{}, 1)
	return v.kick
}

func (v *view) clearLocked() {
	v.names, v.sums, v.dirty = map[string]seen{}, newSums(v.seed), map[string]bool{}
	v.own, v.freed = map[string]uint64{}, map[string]bool{}
}

// end makes sure that the feed is not used any more.
func (v *view) end() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.feed, v.synced = nil, false
}

func (v *view) ticket(name string) uint64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.tickets[name]
}

// replace reports all answers as the whole truth, unless some were overtaken
// by writes: then it reports nothing and returns their names.
func (v *view) replace(all map[string]answer) (stale []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for name, a := range all {
		if a.ticket != v.tickets[name] {
			stale = append(stale, name)
		}
	}
	if len(stale) > 0 {
		return stale
	}
	v.clearLocked()
	var listed []*catalog.Service
	refused := map[string]error{}
	for _, a := range all {
		v.keepLocked(a)
		if a.listed != nil {
			listed = append(listed, a.listed)
		}
		maps.Copy(refused, a.refused)
	}
	for record := range v.refusedNodes {
		delete(v.refused, record) // they stand
	}
	v.refuseLocked(v.refused, refused)
	if v.directory {
		v.feed.ReplaceListed(listed)
	}
	v.feed.ReplaceEach(services(all))
	v.synced = true
	return nil
}

// services visits the services of all answers, each made when it is visited.
func services(all map[string]answer) iter.Seq[*catalog.Service] {
	return func(yield func(*catalog.Service) bool) {
		for _, a := range all {
			for _, p := range a.packed {
				if !yield(p.service()) {
					return
				}
			}
		}
	}
}

// apply reports what answers changed. Those overtaken by writes stay dirty.
func (v *view) apply(all []answer) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.listLocked(all)
	var set []*catalog.Service
	var gone []catalog.Ref
	for _, a := range all {
		if a.ticket != v.tickets[a.name] {
			v.soilLocked(a.name)
			continue
		}
		s, g := v.putLocked(a)
		set, gone = append(set, s...), append(gone, g...)
	}
	if len(set)+len(gone) > 0 {
		v.feed.Update(set, gone)
	}
}

// putLocked takes a as what stands under its name and returns what that changes.
func (v *view) putLocked(a answer) (set []*catalog.Service, gone []catalog.Ref) {
	old := v.names[a.name]
	for i, t := range a.told {
		if p := a.packed[i]; !p.is(v.feed.Get(v.ref(a.name, t.owner))) {
			set = append(set, p.service())
		}
	}
	for _, t := range old.told {
		if !a.has(t.owner) {
			gone = append(gone, v.ref(a.name, t.owner))
		}
	}
	v.refuseLocked(old.refusals(), a.refused)
	v.keepLocked(a)
	return set, gone
}

func (v *view) ref(name, owner string) catalog.Ref {
	return catalog.Ref{Key: catalog.Key{Namespace: v.namespace, Name: name}, Owner: owner}
}

// keepLocked remembers a.
func (v *view) keepLocked(a answer) {
	if _, known := v.mine[a.name]; known {
		v.mine[a.name] = a.mine
	}
	old, known := v.names[a.name]
	if known {
		v.sums.forget(a.name)
	}
	if was := old.listed; was != nil && a.listed != nil && was.Same(a.listed) {
		a.listed = was // which is the one that the directory holds
	}
	v.rememberLocked(a.name, a.seen)
	v.sums.keep(a.name, a.sums)
}

func (v *view) rememberLocked(name string, s seen) {
	if s.nothing() {
		delete(v.names, name)
	} else {
		v.names[name] = s
	}
}

// refuseLocked tells the feed which records are refused now and which of
// those before are well again, and logs what is news.
func (v *view) refuseLocked(was map[string]bool, now map[string]error) {
	if v.refused == nil {
		v.refused = map[string]bool{}
	}
	for record := range was {
		if now[record] == nil {
			delete(v.refused, record)
			v.feed.Refuse(record, nil)
		}
	}
	for record, err := range now {
		v.refused[record] = true
		if v.feed.Refuse(record, err) {
			v.log.Warn("record left out", "record", catalog.Brief(record), "err", catalog.Brief(err.Error()))
		}
	}
}

// soilLocked has name read again soon.
func (v *view) soilLocked(name string) {
	if v.feed == nil {
		return
	}
	v.dirty[name] = true
	select {
	case v.kick <- struct{}{}:
	default:
	}
}

// doubt has name read again soon, because what a write did to it is not known.
func (v *view) doubt(name string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.nextTicketLocked(name)
	delete(v.mine, name)
	v.soilLocked(name)
}

func (v *view) nextTicketLocked(name string) {
	if v.tickets == nil {
		v.tickets = map[string]uint64{}
	}
	v.tickets[name]++
}

// stands reports whether the owner's mirror under name has this version, if that
// is known.
func (v *view) stands(name, version string) (is, known bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	h, known := v.mine[name]
	return h == maphash.String(v.seed, version), known
}

// writes reports that something is about to be written: Consul may tell the watch
// of it before the writer hears that it was done.
func (v *view) writes() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.written = time.Now()
}

// wrote reports what the owner's mirrors are after a write; all hold nothing
// else. Names without a mirror any more have an empty found. Records were removed
// from the nodes in freed.
func (v *view) wrote(all map[string]found, freed []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.mine == nil {
		v.mine = map[string]uint64{}
	}
	v.echos += len(all)
	v.written = time.Now()
	var set []*catalog.Service
	var gone []catalog.Ref
	for name, f := range all {
		v.nextTicketLocked(name)
		v.mine[name] = maphash.String(v.seed, f.version(v.owner))
		if v.feed == nil || !v.synced {
			continue
		}
		if len(f.services) == 0 && v.names[name].has(v.owner) {
			gone = append(gone, v.ref(name, v.owner))
		}
		set = append(set, f.services...)
		v.takeOverLocked(name, f)
	}
	for _, node := range freed {
		if v.synced {
			v.freed[node] = true
		}
	}
	if len(set)+len(gone) > 0 {
		v.feed.Update(set, gone)
	}
}

// takeOverLocked remembers f as what the owner has under name.
func (v *view) takeOverLocked(name string, f found) {
	old := v.names[name]
	next := old.with(v.owner, f, func(record string) bool { return v.sums.isOn(v.owner, record) })
	v.refuseLocked(old.refusals(), next.refused)
	v.sums.forgetOf(v.owner, name)
	v.rememberLocked(name, next)
	v.sums.keep(name, v.sums.perNode(f.records))
	for _, r := range f.records {
		v.own[r.node] = max(v.own[r.node], r.index)
	}
}

// wroteLast reports whether a node has its index by what this one wrote, or may
// have it by what it removed.
func (v *view) wroteLast(node string, index uint64) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.freed[node] {
		delete(v.freed, node)
		v.own[node] = index
	}
	return v.own[node] == index
}

// wroteWithin reports whether something was written at most d ago.
func (v *view) wroteWithin(d time.Duration) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return time.Since(v.written) < d
}

// takeEchos returns how many services were written since it was last asked.
func (v *view) takeEchos() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := v.echos
	v.echos = 0
	return n
}

// takeDirty returns the names to be read again and forgets that they are.
func (v *view) takeDirty() map[string]bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	dirty := v.dirty
	v.dirty = map[string]bool{}
	return dirty
}

// differ adds to dirty the names that came or went.
func (v *view) differ(names, dirty map[string]bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for name := range names {
		if _, known := v.names[name]; !known {
			dirty[name] = true
		}
	}
	for name := range v.names {
		if !names[name] {
			dirty[name] = true
		}
	}
}

func (v *view) index(name string) uint64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.names[name].index
}

// on adds to dirty the name of a service on an owner's node, or with an empty
// name all that stand there, but for mirrors that the feed holds bare.
func (v *view) on(node, name string, dirty map[string]bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := v.sums.nodes[node]
	if n == nil {
		return
	}
	add := func(name string) {
		if _, stands := n.names[v.sums.hash(name)]; stands && !v.names[name].bare(n.owner) {
			dirty[name] = true
		}
	}
	if name != "" {
		add(keyName(name))
		return
	}
	for name := range v.names {
		add(name)
	}
}

// compare adds to dirty the names whose records on node differ from a list of it.
func (v *view) compare(node string, list []stands, dirty map[string]bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	gone := map[uint64]bool{}
	v.sums.differ(node, list, func(name string) { dirty[name] = true }, func(hash uint64) { gone[hash] = true })
	if len(gone) > 0 {
		for name := range v.names {
			if gone[v.sums.hash(name)] {
				dirty[name] = true
			}
		}
	}
	delete(dirty, "")
}
