package simulation

import (
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/isthmus-dns/isthmus/bridge/mirror"
	"github.com/isthmus-dns/isthmus/catalog"
)

var (
	schedules = flag.Int("schedules", 500, "how many `seeds` are run")
	seed      = flag.Uint64("seed", 0, "the only `seed` to run, with all that happens told")
)

// TestMain lets garbage pile up: a world is small and soon forgotten, and most of
// what a collection costs is done for each, however little there is to collect.
func TestMain(m *testing.M) {
	debug.SetGCPercent(800)
	os.Exit(m.Run())
}

// pause lets some time pass between two things that happen, and no two of them
// happen at one time.
func (w *world) pause() {
	all := []time.Duration{0, 0, time.Millisecond, 20 * time.Millisecond, time.Second, 3 * time.Second, 10 * time.Second, time.Minute}
	time.Sleep(all[w.rnd.IntN(len(all))] + time.Duration(w.rnd.IntN(int(latency))))
}

// run plays the schedule of a seed.
func (w *world) run() {
	for _, s := range w.sides {
		s.save() // as it was when it was empty
	}
	for _, r := range w.layout.rules {
		s := w.sides[r[0]]
		each(func(k catalog.Key) {
			if w.rnd.IntN(3) > 0 {
				w.set(s, k, 1+w.rnd.IntN(2))
			}
		})
	}
	w.begin()
	w.pause()
	users, world := changes(), faults()
	for range 5 + w.rnd.IntN(25) {
		all := users
		if w.rnd.IntN(2) == 0 {
			all = world
		}
		a := all[w.rnd.IntN(len(all))]
		w.reach(a.name)
		a.do(w)
		w.pause()
		w.r8Told()
		w.turn()
	}
	w.clearUp()
	w.r1Converges()
	w.r13Compared()
	for _, p := range w.running() {
		(*p).stop()
	}
}

// r13Compared counts what only a comparison found. That all of it was found is R1.
func (w *world) r13Compared() {
	for _, st := range w.process.bridge.Status().Origins {
		if st.Missed > 0 {
			w.reach("found by comparing")
		}
	}
}

// clearUp ends all faults.
func (w *world) clearUp() {
	for _, h := range w.halted {
		if h.left > 0 {
			h.resume()
		}
		h.kill()
	}
	w.halted = nil
	for _, o := range w.layout.origins {
		w.sides[o].sky(weather{})
		w.sides[o].heal()
	}
	w.land()
	for _, p := range w.running() {
		(*p).crashIn(0, false)
	}
	w.unmistake()
	w.turn()
	w.note("the faults are over")
}

// within is how long it may take until all is as it should be, from the last fault
// or from when the last of what is held was let go: the longest pause between two
// tries of a write, and between two of a registry.
const within = 45 * time.Second

// r1Converges waits for the end and has nothing written from then on.
func (w *world) r1Converges() {
	if w.blinded() {
		time.Sleep(compared)
	}
	waited := w.held() // for people or time; the last that they let go takes as long again
	for round := 0; ; round++ {
		time.Sleep(within)
		held := w.turn() || w.held()
		wrong := w.unsettled()
		if len(wrong) == 0 && !held {
			break
		}
		waits := held || waited
		if waited = held; !waits || round == 10 {
			w.fail("R1", "not as it should be:\n\t%s", strings.Join(wrong, "\n\t"))
			return
		}
		w.approve()
	}
	before := w.writes()
	time.Sleep(time.Minute)
	if n := w.writes() - before; n > 0 {
		w.fail("R1", "%d writes at rest", n)
	}
}

func (w *world) blinded() bool {
	for _, s := range w.sides {
		if !s.blinded.IsZero() && time.Since(s.blinded) < compared {
			return true
		}
	}
	return false
}

// held reports whether anything waits for people.
func (w *world) held() bool {
	for _, st := range w.process.bridge.Status().Rules {
		if st.Budget != "" {
			return true
		}
	}
	return false
}

// r8Told has the bridge say which registries cannot be read.
func (w *world) r8Told() {
	if w.process.crashed() {
		return
	}
	for _, st := range w.process.bridge.Status().Origins {
		s := w.sides[st.Origin]
		if !s.cut.IsZero() && time.Since(s.cut) > time.Second && st.Connected {
			w.fail("R8", "%s is cut off since %s, and said to be connected", s.origin, time.Since(s.cut))
		}
	}
}

// trulyGone reports whether the originals of all that is held have no instance.
func (w *world) trulyGone(r *mirror.Rule, held []mirror.Finding) bool {
	for _, f := range held {
		if n := w.sides[r.From].natives[f.Original]; f.Target == target(r, f.Original) && n != nil && n.is != nil && w.sides[r.To].counted(n.is) > 0 {
			return false
		}
	}
	return true
}

// play runs a seed in fake time and returns what was wrong.
func play(t *testing.T, seed uint64, trace *strings.Builder) (w *world) {
	synctest.Test(t, func(t *testing.T) {
		w = newWorld(t, seed)
		w.trace = trace
		w.run()
	})
	return w
}

// TestSchedules holds for any schedule what the package says, and that all was met
// that is to be met.
func TestSchedules(t *testing.T) {
	if *seed != 0 {
		var trace strings.Builder
		w := play(t, *seed, &trace)
		t.Logf("%s: %s\n%s", w.layout.name, w.file, trace.String())
		for _, wrong := range w.wrong {
			t.Error(wrong)
		}
		return
	}
	all := &tally{reached: map[string]int{}}
	t.Run("all", func(t *testing.T) {
		for part := range parts {
			t.Run(fmt.Sprint(part), func(t *testing.T) {
				t.Parallel()
				for s := part + 1; s <= *schedules && !all.failed(); s += parts {
					all.add(t, play(t, uint64(s), nil))
				}
			})
		}
	})
	all.wantReached(t)
}

// parts are played side by side.
const parts = 4

// tally is what all schedules came to.
type tally struct {
	mu        sync.Mutex // guards following
	schedules int
	writes    int
	reached   map[string]int
	wrong     bool // one was: there is no need for more
}

func (a *tally) failed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.wrong
}

func (a *tally) add(t *testing.T, w *world) {
	t.Helper()
	if len(w.wrong) > 0 {
		t.Errorf("seed %d, %s: %s\nrun it again: go test ./bridge/simulation -run TestSchedules -seed %d -v", w.seed, w.layout.name, w.wrong[0], w.seed)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.wrong = a.wrong || t.Failed()
	a.schedules++
	a.writes += w.written
	for what, n := range w.reached {
		a.reached[what] += n
	}
}
