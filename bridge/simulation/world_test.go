package simulation

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/isthmus-dns/isthmus/bridge/mirror"
	"github.com/isthmus-dns/isthmus/catalog"
)

// world is the registries, the bridge between them, and what is known of both.
type world struct {
	t         *testing.T
	seed      uint64
	rnd       *rand.Rand // of the schedule, which is of one goroutine
	layout    layout
	file      string
	sides     map[catalog.Origin]*side
	rules     []*mirror.Rule
	log       *heard
	options   options
	elects    bool       // a leader, of two processes
	process   *process   // that runs now, and leads or did so last
	standby   *process   // nil: nobody is elected
	processes []*process // all that there were
	revision  int
	halted    []*halted
	trace     *strings.Builder // nil: nobody reads it

	mu        sync.Mutex // guards following, and what sides know; taken within a server's lock
	wrong     []string
	written   int
	reached   map[string]int
	spent     map[ledger][]spent
	approved  map[ledger]map[catalog.Ref]bool
	newest    map[[2]string]said
	longest   time.Duration // the longest that anything was held up
	landing   bool          // what was late arrives now
	lateSince time.Time
	terms     int // of leading that there were
}

// halted is a process that is stopped, and that another took over from.
type halted struct {
	*process
	resume func()
	left   int // steps until it goes on, then until it ends
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{
		t: t, seed: seed, rnd: rand.New(rand.NewPCG(seed, 1)),
		reached: map[string]int{}, spent: map[ledger][]spent{}, approved: map[ledger]map[catalog.Ref]bool{}, newest: map[[2]string]said{},
	}
	w.log = &heard{w}
	all := layouts()
	l := all[w.rnd.IntN(len(all))]
	w.arrange(l, drawOptions(w.rnd, l))
	return w
}

// arrange gives the world its sides, as a layout has them, and the bridge its file.
func (w *world) arrange(l layout, is options) {
	w.layout, w.options, w.file, w.sides, w.elects = l, is, l.file(is), map[catalog.Origin]*side{}, is.lead != ""
	for _, o := range l.origins {
		w.sides[o] = newSide(w, o)
	}
}

func (w *world) fail(name, format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failLocked(name, format, args...)
}

func (w *world) failLocked(name, format string, args ...any) {
	w.wrong = append(w.wrong, name+" after "+time.Since(epoch).String()+": "+fmt.Sprintf(format, args...))
	w.noteLocked("%s", w.wrong[len(w.wrong)-1])
}

// epoch is when fake time begins.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func (w *world) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.noteLocked(format, args...)
}

func (w *world) noteLocked(format string, args ...any) {
	if w.trace != nil {
		fmt.Fprintf(w.trace, "%12s %s\n", time.Since(epoch), fmt.Sprintf(format, args...))
	}
}

// reach counts a fault or a way to recover.
func (w *world) reach(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reached[what]++
	w.noteLocked("- %s", what)
}

func (w *world) writes() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.written
}

// delayed takes note that a write is on its way.
func (w *world) delayed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lateSince.IsZero() {
		w.lateSince = time.Now()
	}
}

// heldUp takes note that something may be held up for as long.
func (w *world) heldUp(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.longest = max(w.longest, d)
}

// heard counts what the bridge says: each way to recover is said once.
type heard struct{ world *world }

func (h *heard) Enabled(context.Context, slog.Level) bool { return true }
func (h *heard) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h *heard) WithGroup(string) slog.Handler            { return h }
func (h *heard) Handle(_ context.Context, r slog.Record) error {
	w := h.world
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reached["said: "+r.Message]++
	if w.trace != nil {
		var b strings.Builder
		r.Attrs(func(a slog.Attr) bool { fmt.Fprintf(&b, " %s=%v", a.Key, a.Value); return true })
		w.noteLocked("  %s%s", r.Message, b.String())
	}
	return nil
}

func contains(s, part string) bool { return strings.Contains(s, part) }
