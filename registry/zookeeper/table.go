package zookeeper

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/isthmus-dns/isthmus/catalog"
)

// znode is one node as it was read.
type znode struct {
	path         string
	data         []byte
	czxid, mzxid int64 // the transactions that made it and that wrote it last
	version      int32 // of the data
	session      int64 // that it goes with; 0: it stays
}

// reading is what a node was read as. All of it is nil of one that is empty.
type reading struct {
	stamp
	record *record
	side   *side
	of     string // the service that side is of
	err    error  // foreign data
	size   int    // bytes of the data that record or side was made of
}

// node is one node of the tree.
type node struct {
	reading
	up        *node // nil of a root
	below     map[string]*node
	pzxid     int64            // of the last list of what is below
	gone      map[string]int64 // what we removed below, and when, until a list is newer
	confirmed int              // the Watch in which it was last found
	taken     int              // the Watch in which it was last read or written
	expired   bool             // it was gone; what is found there now is another
	listed    bool             // what is below is known, and watched
}

// table is what is known of each node, and the way from there to the feed. Between
// two Watches it stays as it was, so that nothing is taken away which is only not
// read again yet.
type table struct {
	layout layout
	log    *slog.Logger
	lull   time.Duration // how long a service without instances is kept

	mu      sync.Mutex // guards what follows
	nodes   map[string]*node
	heft    int                         // bytes that all nodes take, about
	sides   map[string]map[string]*side // by service and path
	groups  map[catalog.Key]*group
	dirty   map[catalog.Key]time.Time // since when
	denied  map[string]error          // nodes that may not be read
	untold  map[string]bool           // of denied, what changed since the feed was told
	partial bool                      // the feed was told that it may not be told of all
	shown   map[string]bool           // what was denied then and may be read again, and was not yet
	calm    time.Time                 // since when there is none of these; zero: there is
	refused map[string]bool           // records of which the feed was told that they are refused
	id      string                    // of the ensemble that all this is of
	told    bool                      // of that one everything was reported once
	round   int                       // the number of Watches that began
	feed    *catalog.Feed             // nil while no Watch reports
}

func newTable(l layout, log *slog.Logger) *table {
	t := &table{layout: l, log: log, lull: lull, refused: map[string]bool{}}
	t.resetLocked()
	return t
}

func (t *table) resetLocked() {
	t.heft, t.told = 0, false
	t.nodes, t.sides, t.groups = map[string]*node{}, map[string]map[string]*side{}, map[catalog.Key]*group{}
	t.dirty, t.denied, t.untold, t.shown = map[catalog.Key]time.Time{}, map[string]error{}, map[string]bool{}, map[string]bool{}
	for _, path := range t.layout.roots() {
		t.nodes[path] = &node{reading: reading{stamp: stamp{path: path}}}
	}
}

// turn is called when a Watch begins, before it looks at the server. What is read from
// then on counts, be it older than what is known: the server may have been restored
// from a backup.
func (t *table) turn() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.round++
	for _, n := range t.nodes {
		n.listed, n.gone = false, nil
	}
}

// begin is called with the id of the ensemble that a Watch reads. What is known of
// another is forgotten.
func (t *table) begin(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.id != "" && id != t.id {
		t.resetLocked()
	}
	t.id = id
}

// detach ends the reports of a Watch.
func (t *table) detach() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.feed = nil
}

// read makes a reading of a node, of its data only if that is new.
func (t *table) read(path string, data []byte, stat *zk.Stat) reading {
	n := znode{path, data, stat.Czxid, stat.Mzxid, stat.Version, stat.EphemeralOwner}
	if old, known := t.known(path); known && old.stamp == stampOf(n) {
		return old
	}
	r := reading{stamp: stampOf(n), size: len(data)}
	if t.layout.role(path) == sidecar {
		r.of, r.side = t.layout.parseSide(n)
		return r
	}
	r.record, r.err = t.layout.parse(n)
	return r
}

func (t *table) known(path string) (reading, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.nodes[path]
	if n == nil {
		return reading{}, false
	}
	return n.reading, true
}

// knows reports whether a node is part of what is read.
func (t *table) knows(path string) bool {
	_, known := t.known(path)
	return known
}

// expire takes note that a node is gone. If another is there by the time that those
// above list it, that is read.
func (t *table) expire(path string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := t.nodes[path]; n != nil {
		n.expired, n.listed = true, false
	}
}

// set takes over what was read of a node, and reports whether what is below it has to
// be listed.
func (t *table) set(r reading) (list bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.nodes[r.path]
	if n == nil {
		return false
	}
	if n.confirmed = t.round; n.czxid != r.czxid {
		n.listed = false
	}
	if !errors.Is(t.denied[r.path], errCrowd) {
		t.allowLocked(r.path)
	}
	if r.mzxid < n.mzxid && n.taken == t.round {
		return false // we wrote it since; the watch tells of that
	}
	t.takeLocked(n, r)
	if n.leaf() {
		n.listed = false
		t.clearLocked(n)
		t.allowLocked(r.path)
	}
	return !n.listed && !n.leaf()
}

// takeLocked takes over what a node holds.
func (t *table) takeLocked(n *node, r reading) {
	n.taken = t.round
	if n.stamp == r.stamp {
		return
	}
	r.path = n.path // one text for both
	t.touchNodeLocked(n)
	t.sideLocked(n, nil)
	t.heft -= n.heft()
	n.reading = r
	t.heft += n.heft()
	t.sideLocked(n, r.side)
	t.touchNodeLocked(n)
}

// leaf reports whether a node is one below which nothing counts: it was an instance's
// or a side node when it was last read, or goes with a session.
func (n *node) leaf() bool { return n.record != nil || n.side != nil || n.session != 0 }

// sideLocked has the side node of a node known, or no more.
func (t *table) sideLocked(n *node, s *side) {
	if s == nil {
		delete(t.sides[n.of], n.path)
		if len(t.sides[n.of]) == 0 {
			delete(t.sides, n.of)
		}
		return
	}
	if t.sides[n.of] == nil {
		t.sides[n.of] = map[string]*side{}
	}
	t.sides[n.of][n.path] = s
}

const (
	maxPath = 1024      // bytes of a node's path; what is below cannot be a service's
	maxHeft = 384 << 20 // what 250,000 instances of usual size take
)

var errTooMuch = fmt.Errorf("more nodes than can be kept: they take more than %d MiB", maxHeft>>20)

// heft is about what a node takes: of a small one most is for its watches, which the
// library keeps.
func (n *node) heft() int {
	const plain, entry = 900, 80
	all := plain + len(n.path)
	if n.record != nil {
		all += n.size + entry*len(n.record.endpoint.Meta)
	}
	if n.side != nil {
		all += 2 * n.size
	}
	return all
}

// full returns an error if there is more than can be kept, and then forgets all of it:
// the last report stands, and the next Watch has room.
func (t *table) full() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.heft <= maxHeft {
		return nil
	}
	t.resetLocked()
	return errTooMuch
}

// setList takes over the list of a node's children, and returns what has to be asked
// because of it.
func (t *table) setList(path string, names []string, stat *zk.Stat) (all []question) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.nodes[path]
	if n == nil || n.leaf() {
		return nil
	}
	n.listed, n.pzxid, n.confirmed = true, stat.Pzxid, t.round
	t.allowLocked(path)
	listed := make(map[string]bool, len(names))
	for _, name := range names {
		long := len(path)+1+len(name) > maxPath
		if long {
			name = catalog.Brief(name)
		}
		listed[name] = true
		if q, ask := t.foundLocked(n, name, long); ask {
			all = append(all, q)
		}
	}
	for name, child := range n.below {
		if !listed[name] && (child.czxid <= stat.Pzxid || child.taken < t.round) {
			t.dropLocked(child)
		}
	}
	maps.DeleteFunc(n.gone, func(_ string, zxid int64) bool { return zxid <= stat.Pzxid })
	t.touchNodeLocked(n) // foreign data is refused where nothing is below
	return all
}

// addLocked takes a node in below the one above it.
func (t *table) addLocked(n *node) {
	if n.up.below == nil {
		n.up.below = map[string]*node{}
	}
	n.up.below[n.name()], t.nodes[n.path] = n, n // one text for both
	t.heft += n.heft()
}

// foundLocked takes note of a child that was listed, and returns what is to be asked of
// it if that is not known. Of one at a path that is too long the name is what is kept of
// it, by which nobody can ask.
func (t *table) foundLocked(up *node, name string, long bool) (q question, ask bool) {
	child := up.below[name]
	path := up.path + "/" + name
	role := t.layout.role(path)
	if role == nothing {
		return q, false
	}
	if child == nil {
		if up.gone[name] > up.pzxid {
			return q, false
		}
		child = &node{reading: reading{stamp: stamp{path: path}}, up: up}
		t.addLocked(child)
	} else if !child.expired && child.confirmed == t.round {
		return q, false
	}
	child.expired, child.confirmed = false, t.round
	if long {
		child.err, child.listed = errLong, true
		t.touchNodeLocked(child)
		return q, false
	}
	return question{path, role == folder}, true
}

var errLong = errors.New("its path is too long for a service")

// drop takes away a node that is gone, or of a root what was below it. It returns the
// node above, whose list said that it was there; "" if it was dropped before.
func (t *table) drop(path string) (up string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.nodes[path]
	switch {
	case n == nil:
		return ""
	case n.up == nil:
		n.confirmed = t.round
		n.listed = false
		t.clearLocked(n)
		return ""
	case n.czxid > n.up.pzxid && n.expired:
		return n.up.path // we wrote it, after what the server knew
	}
	t.dropLocked(n)
	return n.up.path
}

// clearLocked drops all below a node.
func (t *table) clearLocked(n *node) {
	for _, child := range n.below {
		t.dropLocked(child)
	}
	n.below = nil
}

func (t *table) dropLocked(n *node) {
	t.clearLocked(n)
	t.touchNodeLocked(n)
	t.sideLocked(n, nil)
	delete(n.up.below, n.name())
	delete(t.nodes, n.path)
	t.heft -= n.heft()
	t.allowLocked(n.path)
}

func (n *node) name() string { return n.path[len(n.up.path)+1:] }
