package kubernetes

import (
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/types"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry/kubeobject"
)

// busy are the mirrors that this process is writing. They are several objects,
// and what stands there in between is not reported here.
type busy struct {
	mu    sync.Mutex // guards names
	names groups
}

func (b *busy) begin(name types.NamespacedName) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.names == nil {
		b.names = groups{}
	}
	b.names[name] = true
}

func (b *busy) end(name types.NamespacedName) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.names, name)
}

func (b *busy) has(name types.NamespacedName) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.names[name]
}

// view is one Watch's picture of the API server, and what of it was reported.
// Reflectors and own writes change its tables, which notes the names that
// changed; flush reports them. Reports are made one at a time, each from the
// tables as they stand then, so a later one never shows something older.
type view struct {
	feed     *catalog.Feed
	log      *slog.Logger
	filtered bool // only services in namespaces that are held
	busy     *busy
	lost     func(error) // ends the Watch
	identity catalog.Identity
	taken    []string // namespaces that are taken to exist
	kind     string   // of the objects that stand for a service each

	keeper     keeper
	services   *table[*service]
	slices     *table[*slice]
	namespaces *table[*namespace]
	pods       []*podTable // one of each reflector; none unless asked for
	nodes      *table[*node]
	exports    *table[*export]
	ranges     *table[*serviceRange]
	health     *health

	begun      atomic.Bool     // the tables are read for the first report, or were
	dirtyMu    sync.Mutex      // guards what follows
	dirty      groups          // Services to build anew
	moved      groups          // namespaces that came, changed or went
	nodesDirty bool            // nodes did
	unread     map[string]bool // namespaces, "" for all, whose exports cannot be read
	rangesAre  rangesAre
	wake       chan struct{}

	report  sync.Mutex                        // held while reporting; guards what follows
	ready   bool                              // the first Replace was made
	mirrors map[types.NamespacedName]string   // the owners of the mirrors that were reported
	joined  map[types.NamespacedName][]string // the owners of what was reported beside natives
	atNodes []*catalog.Node                   // the nodes that were reported
	refused groups                            // records that are refused now; outlives the view
}

func newView(s *server, feed *catalog.Feed, lost func(error)) *view {
	v := &view{
		feed: feed, lost: lost, log: s.log, filtered: s.conf.namespaceLabels != "", busy: &s.busy,
		dirty: groups{}, moved: groups{}, unread: map[string]bool{}, wake: make(chan struct{}, 1),
		mirrors: map[types.NamespacedName]string{}, joined: map[types.NamespacedName][]string{}, refused: s.refused,
	}
	v.keeper = keeper{owner: s.owner, details: s.conf.details, noPodNames: s.conf.noPodNames, texts: new(kubeobject.Texts)}
	v.services = newTable[*service](nil, v.noteService)
	v.slices = newTable(func(s *slice) string { return s.of }, v.noteService)
	v.namespaces = newTable[*namespace](nil, v.noteNamespace)
	v.nodes = newTable[*node](nil, v.noteNode)
	v.exports = newTable[*export](nil, v.noteService)
	v.ranges = newTable[*serviceRange](nil, v.noteRange)
	v.health = newHealth(feed)
	if v.kind = "Service"; s.imports != nil {
		v.kind = "ServiceImport"
	}
	if s.takesNamespaces() {
		v.taken = s.conf.namespaces
	}
	return v
}

func (v *view) noteService(name types.NamespacedName) { v.note(&v.dirty, name) }

func (v *view) noteNamespace(name types.NamespacedName) { v.note(&v.moved, name) }

// note notes what changes before anybody can see it. The first report will hold
// what changed before that began.
func (v *view) note(in *groups, name types.NamespacedName) {
	if !v.begun.Load() {
		return
	}
	v.dirtyMu.Lock()
	(*in)[name] = true
	v.dirtyMu.Unlock()
	v.again()
}

// again lets Watch look at what is to be reported.
func (v *view) again() {
	select {
	case v.wake <- struct{}{}:
	default:
	}
}

// takeDirty returns what changed since it was last asked, but for what is
// being written. The maps are made anew: one keeps the room that it once had.
func (v *view) takeDirty() (services, namespaces []types.NamespacedName) {
	v.dirtyMu.Lock()
	defer v.dirtyMu.Unlock()
	dirty := v.dirty
	v.dirty = groups{}
	for name := range dirty {
		if v.busy.has(name) {
			v.dirty[name] = true
		} else {
			services = append(services, name)
		}
	}
	for name := range v.moved {
		namespaces = append(namespaces, name)
	}
	v.moved = groups{}
	return services, namespaces
}

// first makes the first report, once every table was filled.
func (v *view) first() {
	v.report.Lock()
	defer v.report.Unlock()
	v.begun.Store(true)
	v.feed.Identify(v.identity)
	spaces := slices.Clone(v.taken)
	for _, ns := range v.namespaces.names() {
		spaces = append(spaces, keyOf(ns).Name)
	}
	v.feed.ReplaceNamespaces(spaces)
	if len(v.pods) > 0 {
		pods, _ := v.takePods()
		v.feed.ReplacePods(pods)
	}
	if v.keeper.details.Nodes {
		v.reportNodesLocked()
	}
	v.flushRangesLocked()
	v.replaceLocked()
	v.ready = true
	v.health.tell()
}

// replaceLocked reports all services. They are made one at a time, and anew for
// each catalog that walks them; the feed can be told nothing else meanwhile.
func (v *view) replaceLocked() {
	shown := slices.DeleteFunc(v.services.list(), v.hidden)
	wrong := map[types.NamespacedName]error{}
	v.feed.ReplaceEach(func(yield func(*catalog.Service) bool) {
		for _, svc := range shown {
			out, joined, err := v.join(svc)
			v.noteMirror(svc.name, out)
			v.noteJoined(svc.name, joined)
			wrong[svc.name] = err
			if err == nil {
				delete(wrong, svc.name)
			}
			if out != nil && !yield(out) {
				return
			}
			for _, more := range joined {
				if !yield(more) {
					return
				}
			}
		}
	})
	for name := range v.refused {
		if wrong[name] == nil {
			v.refuseLocked(name, nil)
		}
	}
	for name, err := range wrong {
		v.refuseLocked(name, err)
	}
}

// flush reports what changed. Before the first report it does nothing: that
// one will hold it.
func (v *view) flush() {
	v.report.Lock()
	defer v.report.Unlock()
	if !v.ready {
		return
	}
	v.flushPodsLocked()
	v.flushNodesLocked()
	v.flushRangesLocked()
	services, namespaces := v.takeDirty()
	services = append(services, v.moveLocked(namespaces)...)
	if len(services) == 0 {
		return
	}
	set, gone := v.buildLocked(services)
	if len(set)+len(gone) > 0 {
		v.feed.Update(set, gone)
		v.health.tell()
	}
}

// moveLocked reports namespaces, and returns the services in those whose
// coming or going hides or shows them.
func (v *view) moveLocked(namespaces []types.NamespacedName) []types.NamespacedName {
	if len(namespaces) == 0 {
		return nil
	}
	var set, gone []string
	for _, ns := range namespaces {
		if v.namespaces.get(ns) != nil {
			set = append(set, keyOf(ns).Name)
		} else {
			gone = append(gone, keyOf(ns).Name)
		}
	}
	v.feed.UpdateNamespaces(set, gone)
	v.health.tell()
	if !v.filtered {
		return nil
	}
	return slices.DeleteFunc(v.services.names(), func(name types.NamespacedName) bool {
		return !slices.Contains(set, name.Namespace) && !slices.Contains(gone, name.Namespace)
	})
}

// buildLocked makes services out of the tables, and says which are gone that
// were reported.
func (v *view) buildLocked(names []types.NamespacedName) (set []*catalog.Service, gone []catalog.Ref) {
	for _, name := range names {
		svc, joined := v.build(name)
		was := catalog.Ref{Key: keyOf(name), Owner: v.mirrors[name]}
		if (svc == nil || svc.Ref() != was) && v.feed.Get(was) != nil {
			gone = append(gone, was)
		}
		v.noteMirror(name, svc)
		if svc != nil {
			set = append(set, svc)
		}
		gone = append(gone, v.noteJoined(name, joined)...)
		set = append(set, joined...)
	}
	return set, gone
}

// noteJoined notes who joined the service of a name, and returns what was reported
// of those who no longer do.
func (v *view) noteJoined(name types.NamespacedName, now []*catalog.Service) (gone []catalog.Ref) {
	was := v.joined[name]
	delete(v.joined, name)
	for _, svc := range now {
		v.joined[name] = append(v.joined[name], svc.Mark.Owner)
	}
	for _, owner := range was {
		if !slices.Contains(v.joined[name], owner) {
			gone = append(gone, catalog.Ref{Key: keyOf(name), Owner: owner})
		}
	}
	return gone
}

// noteMirror notes whose mirror is reported under a name, which is nobody's if
// svc is nil. What else was reported is in the catalog.
func (v *view) noteMirror(name types.NamespacedName, svc *catalog.Service) {
	if svc != nil && svc.Mark != nil {
		v.mirrors[name] = svc.Mark.Owner
	} else {
		delete(v.mirrors, name)
	}
}

// build returns the service of that name, or nil if there is none to report, and
// what bridges joined to it, if that is to be told apart.
func (v *view) build(name types.NamespacedName) (out *catalog.Service, joined []*catalog.Service) {
	svc := v.services.get(name)
	if svc == nil || v.hidden(svc) {
		v.refuseLocked(name, nil)
		return nil, nil
	}
	out, joined, err := v.join(svc)
	v.refuseLocked(name, err)
	return out, joined
}

// hidden reports whether the namespace of svc is none that is held.
func (v *view) hidden(svc *service) bool {
	return v.filtered && v.namespaces.get(types.NamespacedName{Name: svc.name.Namespace}) == nil
}

// join makes the service out of svc and its slices; nil if it cannot be read.
func (v *view) join(svc *service) (out *catalog.Service, joined []*catalog.Service, err error) {
	of := v.slices.of(svc.name)
	parts := make([]*kubeobject.Part, len(of))
	for i, s := range of {
		parts[i] = &s.part
	}
	if v.keeper.details.Joins {
		out, joined, err = svc.head.Apart(parts)
	} else {
		out, err = svc.head.Fold(parts)
	}
	if out != nil && out.Mark == nil {
		if notes := v.notesOf(svc); notes != nil {
			out.Meta = notes
		}
	}
	return out, joined, err
}

// refuseLocked reports and logs, once, what is wrong with a record.
func (v *view) refuseLocked(name types.NamespacedName, err error) {
	if err == nil && !v.refused[name] {
		return
	}
	v.refused[name] = true
	if err == nil {
		delete(v.refused, name)
	}
	record := v.kind + " " + name.String()
	if v.feed.Refuse(record, err) && err != nil {
		v.log.Warn("record left out", "record", catalog.Brief(record), "err", catalog.Brief(err.Error()))
	}
}
