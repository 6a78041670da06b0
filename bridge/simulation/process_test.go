package simulation

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/isthmus-dns/isthmus/bridge"
	"github.com/isthmus-dns/isthmus/bridge/mirror"
	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/memory"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

// process is one run of the bridge, from nothing until it ends or crashes.
type process struct {
	world  *world
	number int
	began  time.Time
	config *bridge.Config
	bridge *bridge.Bridge
	cancel context.CancelFunc
	ended  chan struct{}

	mu      sync.Mutex                // guards following
	dead    bool                      // it crashed: nothing of it reaches a server any more
	crash   int                       // it crashes at this write from now; 0: it does not
	after   bool                      // once the server took that write, and not before
	running chan struct{}             // closed unless it is stopped
	wires   map[catalog.Origin]uint64 // opened
	wrote   map[catalog.Origin]bool
	read    map[catalog.Origin]time.Time // since when it reads from there; zero: it never did
	deposed map[catalog.Origin]bool      // where another process took over
	term    int                          // of leading, that began last; 0: it never led
}

// start runs a bridge that knows nothing.
func (w *world) start() *process {
	p := &process{world: w, number: len(w.processes) + 1, began: time.Now(), ended: make(chan struct{}), running: make(chan struct{}), wires: map[catalog.Origin]uint64{}, wrote: map[catalog.Origin]bool{}, read: map[catalog.Origin]time.Time{}, deposed: map[catalog.Origin]bool{}}
	close(p.running)
	w.processes = append(w.processes, p)
	config, err := bridge.Parse("isthmus.conf", []byte(w.file), p.types(), func(string) string { return "" })
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	p.config, w.rules = config, config.Rules
	w.mu.Unlock()
	if p.bridge, err = bridge.Open(config, slog.New(w.log)); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	go func() {
		defer close(p.ended)
		if err := p.bridge.Run(ctx); err != nil {
			w.fail("R1", "the bridge ended: %v", err)
		}
	}()
	return p
}

// stop ends a process and waits for it.
func (p *process) stop() {
	p.cancel()
	<-p.ended
	if err := p.bridge.Close(); err != nil {
		p.world.fail("R1", "close: %v", err)
	}
}

// kill ends it with nothing written from now on.
func (p *process) kill() {
	p.mu.Lock()
	p.dead = true
	p.mu.Unlock()
	p.stop()
}

// halt stops a process where it is until the returned function is called.
func (p *process) halt() (resume func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	running := make(chan struct{})
	p.running = running
	return func() { close(running) }
}

// types are the registries of a file as this process reaches them.
func (p *process) types() []registry.Type {
	var all []registry.Type
	for _, name := range []string{"kubernetes", "consul", "etcd", "zookeeper"} {
		all = append(all, registry.Type{Name: name, Parse: func(s stanza.Stanza, _ func(string) string) (registry.Config, error) {
			return config{p, catalog.Origin(name + "/" + s.Args()[0])}, nil
		}})
	}
	return all
}

// config is a registry of the file.
type config struct {
	process *process
	origin  catalog.Origin
}

func (c config) Origin() catalog.Origin  { return c.origin }
func (c config) Naming() registry.Naming { return naming(c.origin) }
func (c config) String() string          { return string(c.origin) }
func (c config) Policy() catalog.OriginPolicy {
	return catalog.OriginPolicy{Origin: c.origin, Speaks: c.origin == kube}
}
func (c config) Reader(*slog.Logger) (registry.Registry, error) { return c.line().Reader(), nil }
func (c config) Writer(owner string, _ *slog.Logger) (registry.Writer, error) {
	return poisoned{c.line().Writer(owner).(registry.NamespaceCreator)}, nil
}

func (c config) line() memory.Line {
	p := c.process
	p.mu.Lock()
	p.wires[c.origin]++
	n := uint64(p.number)<<32 | p.wires[c.origin]
	p.mu.Unlock()
	side := p.world.sides[c.origin]
	return side.Via(&wire{process: p, side: side, number: n, asked: map[memory.Request]uint64{}, terms: map[catalog.Ref]int{}})
}

// poisoned cannot hold what is called bad.
type poisoned struct{ registry.NamespaceCreator }

func (w poisoned) Canon(s *catalog.Service) (*catalog.Service, error) {
	if bad(s.Name) {
		return nil, fmt.Errorf("%q: %w", s.Name, registry.ErrInvalid)
	}
	return w.NamespaceCreator.Canon(s)
}

// wire is what a process reaches a server by.
type wire struct {
	process *process
	side    *side

	number uint64

	mu    sync.Mutex // guards following
	asked map[memory.Request]uint64
	terms map[catalog.Ref]int // in which a write was last asked for; none: a claim
}

// chance returns the luck of a request. It follows from the seed and from how
// often the same was asked before, and not from what is asked at the same time.
func (w *wire) chance(r memory.Request) *rand.Rand {
	w.mu.Lock()
	w.asked[r]++
	n := w.asked[r]
	w.mu.Unlock()
	return rand.New(rand.NewPCG(w.process.world.seed, w.hash(r, n)))
}

// hash is of all that the luck of a request follows from.
func (w *wire) hash(r memory.Request, n uint64) uint64 {
	h := fnv.New64a()
	b := append(make([]byte, 0, 128), w.side.origin...)
	b = binary.AppendUvarint(b, w.number)
	b = append(b, byte(r.Verb))
	for _, word := range []string{r.Ref.Namespace, r.Ref.Name, r.Ref.Owner} {
		b = append(append(b, word...), 0)
	}
	h.Write(binary.AppendUvarint(b, n))
	return h.Sum64()
}

// Fate lets a request take a while, and fail as the weather is.
func (w *wire) Fate(ctx context.Context, r memory.Request) memory.Fate {
	luck := w.chance(r)
	lasts, roll := time.Duration(luck.IntN(int(latency))), luck.IntN(1000)
	if !w.process.alive(ctx) {
		return memory.Lost
	}
	w.ask(r)
	sleep(ctx, lasts+w.side.lag(r, roll, luck))
	if w.process.world.elects && w.process.isHalted() && (r.Verb == memory.Put || r.Verb == memory.Delete) {
		w.process.world.delayed() // it is on its way, whatever becomes of who sent it
		return w.side.meets("write under way of a leader that is stopped", memory.Late)
	}
	if !w.process.alive(ctx) {
		return memory.Lost
	}
	if fate, crashed := w.process.crashes(r); crashed {
		return fate
	}
	if r.Verb == memory.Watch { // who asks for changes has listed
		w.process.reads(w.side)
	}
	return w.side.fate(r, roll)
}

// ask takes note of the time of leading that a request is of.
func (w *wire) ask(r memory.Request) {
	term := w.process.inTerm()
	w.mu.Lock()
	defer w.mu.Unlock()
	switch r.Verb {
	case memory.Claim:
		w.terms[catalog.Ref{}] = term
	case memory.Put, memory.Delete:
		w.terms[r.Ref] = term
	}
}

func (w *wire) askedIn(ref catalog.Ref) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.terms[ref]
}

// Claimed has nobody else's write be right any more: who claimed last may write,
// also one whose claim comes late.
func (w *wire) Claimed() {
	term, world := w.askedIn(catalog.Ref{}), w.process.world
	if term > 0 {
		w.process.depose(w.side.origin, false)
	}
	world.mu.Lock()
	defer world.mu.Unlock()
	w.side.term = term
}

// latency is how long a request may take at most.
const latency = time.Millisecond

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// alive waits while the process is stopped, and reports whether it may go on.
func (p *process) alive(ctx context.Context) bool {
	for {
		p.mu.Lock()
		running, dead := p.running, p.dead
		p.mu.Unlock()
		if dead || ctx.Err() != nil {
			return false
		}
		select {
		case <-running:
			return true
		default:
		}
		select {
		case <-running:
		case <-ctx.Done():
		}
	}
}

// crashes counts writes until the one at which the process ends.
func (p *process) crashes(r memory.Request) (memory.Fate, bool) {
	if r.Verb != memory.Put && r.Verb != memory.Delete && r.Verb != memory.Claim {
		return 0, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.crash == 0 {
		return 0, false
	}
	if p.crash--; p.crash > 0 {
		return 0, false
	}
	p.dead = true
	if p.after {
		p.world.reach("crash after a write")
		return memory.Unanswered, true
	}
	p.world.reach("crash before a write")
	return memory.Lost, true
}

// crashed reports whether it came to the write at which it ends.
func (p *process) crashed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

// crashIn has the process crash at a write to come.
func (p *process) crashIn(writes int, after bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.crash, p.after = writes, after
}

// Landed has a write judged that the server took.
func (w *wire) Landed(was, is *catalog.Service, at string) {
	if was == nil && is == nil {
		return
	}
	w.process.mu.Lock()
	w.process.wrote[w.side.origin] = true
	w.process.mu.Unlock()
	ref := catalog.Ref{}
	if is != nil {
		ref = is.Ref()
	} else {
		ref = was.Ref()
	}
	w.process.world.judge(&write{process: w.process, term: w.askedIn(ref), to: w.side, was: was, is: is, at: at})
}

// lives reports whether the process did not end.
func (p *process) lives() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// depose takes note of whether another took over at an origin.
func (p *process) depose(at catalog.Origin, over bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deposed[at] = over
}

func (p *process) isDeposed(at catalog.Origin) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.deposed[at]
}

// fenced reports whether a rule says that nothing more is written until a restart.
func (p *process) fenced() bool {
	for _, st := range p.bridge.Status().Rules {
		if tookOver(st) {
			return true
		}
	}
	return false
}

func tookOver(st *mirror.Status) bool { return contains(st.Blocked, "until a restart") }

// reads takes note that a process read a side.
func (p *process) reads(s *side) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.read[s.origin].IsZero() {
		p.read[s.origin] = time.Now()
	}
}

func (p *process) readsSince(s *side) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.read[s.origin]
}
