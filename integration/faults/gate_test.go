package faults

import "sync"

// gate stands where requests pass, on their way to the servers of one registry. It
// counts those that write, and can keep them, and their answers, where they are.
type gate struct {
	mu     sync.Mutex // guards what follows
	frozen chan struct{}
	late   bool // what the server does not have yet when the ice melts still gets there
	open   map[*write]bool
	trap   int           // the gate freezes at so many writes from now; 0: never
	sprung chan struct{} // closed then
	counts map[string]*tally
}

// tally counts writes of one kind.
type tally struct{ tried, taken int }

// The kinds of writes: any to Consul, etcd or ZooKeeper that mirrors something, an
// object that is made in a cluster, and one that is changed or deleted there.
const (
	transaction = "transaction"
	creation    = "creation"
	alteration  = "alteration"
)

// write is a request that writes and is not answered yet.
type write struct {
	forwarded, caught bool
	of                *tally // that counts it
}

func newGate() *gate { return &gate{open: map[*write]bool{}, counts: map[string]*tally{}} }

// count returns how many writes of a kind came since hold, or ever, and how many of
// these the server took.
func (g *gate) count(kind string) tally {
	g.mu.Lock()
	defer g.mu.Unlock()
	if t := g.counts[kind]; t != nil {
		return *t
	}
	return tally{}
}

// unanswered is how many writes are under way.
func (g *gate) unanswered() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.open)
}

// enter notes a write, which may spring the trap.
func (g *gate) enter(kind string) *write {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.counts[kind] == nil {
		g.counts[kind] = &tally{}
	}
	wr := &write{of: g.counts[kind]}
	g.open[wr] = true
	wr.of.tried++
	if g.trap > 0 {
		if g.trap--; g.trap == 0 {
			g.freezeLocked()
			close(g.sprung)
		}
	}
	return wr
}

func (g *gate) leave(wr *write) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.open, wr)
}

// mayForward waits while the gate is frozen, and reports whether the server is to
// have the request. One that was caught by a kill goes as that says.
func (g *gate) mayForward(wr *write) bool {
	g.wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	wr.forwarded = !wr.caught || g.late
	return wr.forwarded
}

func (g *gate) wait() {
	g.mu.Lock()
	frozen := g.frozen
	g.mu.Unlock()
	if frozen != nil {
		<-frozen
	}
}

// set arms the trap: the gate freezes with the n-th write from now.
func (g *gate) set(n int) <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.trap, g.sprung = n, make(chan struct{})
	return g.sprung
}

// freeze keeps writes and their answers where they are.
func (g *gate) freeze() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.trap = 0
	g.freezeLocked()
}

// hold freezes the gate and counts from then on.
func (g *gate) hold() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.freezeLocked()
	g.counts = map[string]*tally{}
}

func (g *gate) freezeLocked() {
	if g.frozen == nil {
		g.frozen = make(chan struct{})
	}
}

// caught counts the writes that are under way, of a writer that is dead: those that
// the server has or had, and those that it has not.
func (g *gate) caught() (there, here int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for wr := range g.open {
		wr.caught = true
		if wr.forwarded {
			there++
		} else {
			here++
		}
	}
	return there, here
}

// thaw lets go on what stands: with late, also what the server does not have yet.
func (g *gate) thaw(late bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.late, g.trap = late, 0
	if g.frozen != nil {
		close(g.frozen)
		g.frozen = nil
	}
}

// took counts a write that the server took.
func (g *gate) took(wr *write) {
	g.mu.Lock()
	defer g.mu.Unlock()
	wr.of.taken++
}
