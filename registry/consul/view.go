package consul

import (
	"log/slog"
	"maps"
	"sync"

	"github.com/hashicorp/consul/api"

	"github.com/isthmus-dns/isthmus/catalog"
)

// view is what the feed was told, name by name. Watching and writing both
// report through it, so that a write shows at once and an answer that Consul
// gave before the write does not undo it: whoever reads a name takes its
// ticket first, and a write makes older tickets void.
type view struct {
	namespace string // of all services in the catalog
	owner     string // whose mirrors this one writes; "" if none
	directory bool   // the feed is told what Consul lists, too
	log       *slog.Logger

	mu           sync.Mutex // guards what follows, and the order of reports
	feed         *catalog.Feed
	synced       bool                         // the feed had its Replace
	names        map[string]seen              // by name in lower case
	records      map[string]map[string]record // by owners' nodes and ids
	bare         bare                         // the records of mirrors that the feed keeps bare
	tickets      map[string]uint64
	mine         map[string]string // versions of mirrors that this one wrote, as last known; outlives a Watch
	dirty        map[string]bool   // to be read again, whatever their index says
	refused      map[string]bool   // records that the feed was told to refuse; outlives a Watch
	refusedNodes map[string]bool   // of the directory; those are in refused, too
	kick         chan struct{}     // has room for one: names became dirty
	echos        int               // services written since takeEchos
}

// seen is one name as it was last read or written.
type seen struct {
	index uint64
	found
	owners []string // of further mirrors, that the feed keeps bare
}

// answer is one name as it was read.
type answer struct {
	name   string
	ticket uint64
	seen
	bare []*catalog.Service // of owners: as the feed keeps them
	sums map[string]uint64  // of the bare ones' records, by node
}

// begin prepares for a new Watch and returns what tells of dirty names.
func (v *view) begin(feed *catalog.Feed) <-chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.feed, v.synced = feed, false
	v.names, v.records = map[string]seen{}, map[string]map[string]record{}
	v.dirty = map[string]bool{}
	v.bare = newBare()
	v.kick = make(chan struct{}, 1)
	return v.kick
}

// end makes sure that the feed is not used any more.
func (v *view) end() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.feed, v.synced = nil, false
}

// strip leaves of a what a reader needs to hold; see answer.strip.
func (v *view) strip(a *answer) {
	if v.owner != "" || v.directory { // the directory keeps every record
		return
	}
	v.mu.Lock()
	feed, b := v.feed, v.bare
	v.mu.Unlock()
	a.strip(b, feed.Kept)
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
	v.names, v.records, v.dirty = map[string]seen{}, map[string]map[string]record{}, map[string]bool{}
	var services, listed []*catalog.Service
	refused := map[string]error{}
	v.bare.sums = map[string]map[uint64]uint64{}
	for _, a := range all {
		v.keepLocked(a)
		services = append(append(services, a.services...), a.bare...)
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
	v.feed.Replace(services)
	v.synced = true
	return nil
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
	had := map[catalog.Ref]*catalog.Service{}
	for _, svc := range old.services {
		had[svc.Ref()] = svc
	}
	for _, owner := range old.owners {
		had[catalog.Ref{Key: catalog.Key{Namespace: v.namespace, Name: a.name}, Owner: owner}] = nil
	}
	for i, svc := range a.services {
		was := had[svc.Ref()]
		delete(had, svc.Ref())
		if was != nil && was.Version == svc.Version && was.Same(svc) {
			a.services[i] = was
			continue
		}
		set = append(set, svc)
	}
	for _, svc := range a.bare {
		delete(had, svc.Ref())
		set = append(set, svc)
	}
	for ref := range had {
		gone = append(gone, ref)
	}
	was := map[string]bool{}
	for record := range old.refused {
		was[record] = true
	}
	v.refuseLocked(was, a.refused)
	v.keepLocked(a)
	return set, gone
}

// keepLocked remembers a, and its records by their nodes.
func (v *view) keepLocked(a answer) {
	name, s, old := a.name, a.seen, v.names[a.name]
	if _, known := v.mine[name]; known {
		v.mine[name] = s.version(v.owner)
	}
	for _, r := range old.records {
		delete(v.records[r.node], r.id)
	}
	if len(old.owners) > 0 {
		v.bare.forget(name)
	}
	if !s.there && s.services == nil && len(s.refused) == 0 && len(s.records) == 0 {
		delete(v.names, name)
	} else {
		v.names[name] = s
	}
	for _, r := range s.records {
		if v.records[r.node] == nil {
			v.records[r.node] = map[string]record{}
		}
		v.records[r.node][r.id] = r
	}
	v.bare.keep(name, a.sums)
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
			v.log.Warn("record left out", "record", record, "err", err)
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

// version returns the version of the owner's mirror under name, if it is known.
func (v *view) version(name string) (version string, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	version, ok = v.mine[name]
	return version, ok
}

// wrote reports what the owner's mirrors are after a write; all hold nothing
// else. Names without a mirror any more have an empty found.
func (v *view) wrote(all map[string]found) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.mine == nil {
		v.mine = map[string]string{}
	}
	v.echos += len(all)
	var set []*catalog.Service
	var gone []catalog.Ref
	for name, f := range all {
		v.nextTicketLocked(name)
		v.mine[name] = f.version(v.owner)
		if v.feed == nil || !v.synced {
			continue
		}
		s, g := v.putLocked(answer{name: name, seen: v.names[name].with(v.owner, f)})
		set, gone = append(set, s...), append(gone, g...)
	}
	if len(set)+len(gone) > 0 {
		v.feed.Update(set, gone)
	}
}

// takeEchos returns how many services were written since it was last asked.
func (v *view) takeEchos() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := v.echos
	v.echos = 0
	return n
}

// with returns s with owner's part replaced by f.
func (s seen) with(owner string, f found) seen {
	next := seen{index: s.index, found: found{refused: maps.Clone(s.refused), listed: s.listed}}
	for _, svc := range s.services {
		if svc.Ref().Owner != owner {
			next.services = append(next.services, svc)
		}
	}
	next.services = append(next.services, f.services...)
	for _, r := range s.records {
		if r.owner != owner {
			next.records = append(next.records, r)
			continue
		}
		delete(next.refused, r.node+"/"+r.id)
	}
	next.records = append(next.records, f.records...)
	return next
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

// on adds to dirty the name of one record on an owner's node, or of all.
func (v *view) on(node, id string, dirty map[string]bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if id != "" {
		if r, known := v.records[node][id]; known {
			dirty[r.name] = true
		}
		return
	}
	for _, r := range v.records[node] {
		dirty[r.name] = true
	}
}

// compare adds to dirty the names whose records on node differ from a list of it.
func (v *view) compare(node string, list []*api.AgentService, dirty map[string]bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	there := map[string]bool{}
	var rest []*api.AgentService // may be bare
	for _, s := range list {
		there[s.ID] = true
		r, known := v.records[node][s.ID]
		switch {
		case known && r.index == s.ModifyIndex:
		case known:
			dirty[keyName(s.Service)] = true
			dirty[r.name] = true
		default:
			rest = append(rest, s)
		}
	}
	for id, r := range v.records[node] {
		if !there[id] {
			dirty[r.name] = true
		}
	}
	v.bare.differ(node, rest, dirty)
	delete(dirty, "")
}
