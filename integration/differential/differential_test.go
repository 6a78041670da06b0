package differential

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime/debug"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

const (
	perRound   = 2600 // answers
	perCell    = 205  // answers at least of each shape and type
	writes     = 30   // a round
	workers    = 4
	maxFailing = 20 // differences that are shown before the test gives up
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // little is kept, and the servers want the processors
	flag.Int("answers", 0, "how many answers are compared at least")
	flag.Int("seed", 1, "of the world and the questions; 0: any")
	os.Exit(m.Run())
}

// number returns the value of a flag.
func number(name string) int {
	n, _ := strconv.Atoi(flag.Lookup(name).Value.String())
	return n
}

// TestAnswers holds that both sides answer the same, but for the differences
// that are decided.
func TestAnswers(t *testing.T) {
	seed := uint64(number("seed"))
	if seed == 0 {
		seed = rand.Uint64N(1 << 30)
	}
	t.Logf("seed %d", seed)
	r := newRun(t, seed)
	want := max(number("answers"), perCell*len(shapes())*len(types()))
	start := time.Now()
	for n := 1; r.tally.answers < want && r.tally.goesOn(); n++ {
		if err := r.round(t, n, min(perRound, want-r.tally.answers)); err != nil {
			t.Fatalf("seed %d, round %d: %v", seed, n, err)
		}
	}
	took := time.Since(start)
	t.Logf("%d answers compared in %.1f s of %d rounds, %d more asked; %s", r.tally.answers, took.Seconds(), r.rounds, r.tally.asides, r.tally)
	if !t.Failed() {
		r.tally.check(t)
	}
}

// run is the test on its way.
type run struct {
	seed   uint64
	c      *cluster
	p      pair
	rng    *rand.Rand
	asked  int // questions planned so far
	rounds int
	serial uint32 // of main, on our side
	tally  *tally
	crew   []*worker
}

func newRun(t *testing.T, seed uint64) *run {
	t.Helper()
	c := newCluster(t)
	var local netip.Addr
	if all := hostAddrs(); len(all) > 0 {
		local = all[0]
	}
	var spaces, others []change
	for _, o := range append(fixtures(local), markedServices()...) {
		if o.GetNamespace() == "" {
			spaces = append(spaces, change{object: o})
		} else {
			others = append(others, change{object: o})
		}
	}
	for _, batch := range [][]change{spaces, others} {
		if err := c.apply(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	r := &run{seed: seed, c: c, p: startPair(t, c.kubeconfig), rng: rand.New(rand.NewPCG(seed, 0)), tally: newTally()}
	for range workers {
		w := newWorker(r.p, c.s)
		t.Cleanup(w.close)
		r.crew = append(r.crew, w)
	}
	return r
}

// round changes the world, waits until both sides show it, and compares.
func (r *run) round(t *testing.T, n, answers int) error {
	r.rounds = n
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := r.c.apply(ctx, mutate(r.rng, r.c.s, writes)); err != nil {
		return err
	}
	if err := r.c.apply(ctx, markers(n, r.c.s)); err != nil {
		return err
	}
	if err := r.settle(ctx, n); err != nil {
		return err
	}
	questions := r.plan(answers)
	memory := newMemory()
	var running sync.WaitGroup
	for i, w := range r.crew {
		w.memory, w.tally = memory, newTally()
		running.Go(func() {
			for j := i; j < len(questions) && r.tally.goesOn(); j += len(r.crew) {
				if err := w.compare(questions[j]); err != nil && r.tally.fails() {
					t.Errorf("seed %d, round %d: %s\n%v", r.seed, n, questions[j], err)
				}
			}
			r.tally.add(w.tally)
		})
	}
	running.Wait()
	return r.moved(ctx)
}

// settle returns when both sides show the markers of round n.
func (r *run) settle(ctx context.Context, n int) error {
	w := r.crew[0]
	for _, v := range variants() {
		for _, s := range []*side{r.p.stock, r.p.ours} {
			err := until(ctx, func() (bool, error) {
				says := func(name string, typ uint16) answer { a, _ := w.says(s, v, name, typ); return a }
				return v.marked(n, says), nil
			})
			if err != nil {
				return fmt.Errorf("%s, variant %s, does not show the markers: %w", s.word, v.name, err)
			}
		}
	}
	return nil
}

// plan makes the next questions: each shape of each type in turn.
func (r *run) plan(n int) []question {
	var all []question
	shapes, types, imports := shapes(), types(), r.c.s.imported()
	for range n {
		shape := shapes[r.asked/len(types)%len(shapes)]
		q := question{v: r.variant(shape.family), typ: types[r.asked%len(types)], rd: r.rng.IntN(2) == 0, cd: r.rng.IntN(8) == 0}
		names := namer{rng: r.rng, s: r.c.s, z: mainZone}
		switch shape.family {
		case ofClusters:
			names.s = imports
		case ofOutside:
			names.z = outerZone
		}
		if i := r.rng.IntN(1 + len(q.v.more)); i > 0 {
			names.z = q.v.more[i-1]
		}
		q.shape, q.name, q.mode = shape.name, shape.make(&names), modes()[r.rng.IntN(len(modes()))]
		if r.rng.IntN(5) == 0 {
			q.name = respell(r.rng, q.name)
		}
		all = append(all, q)
		r.asked++
	}
	return all
}

func (r *run) variant(of family) *variant {
	n := r.rng.IntN(100)
	for _, v := range variants() {
		if v.family != of {
			continue
		}
		if n -= v.share; n < 0 {
			return v
		}
	}
	return variants()[0]
}

// moved holds that our serial moved since the round before, as something
// changed.
func (r *run) moved(ctx context.Context) error {
	w := r.crew[0]
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	err := until(ctx, func() (bool, error) {
		a, err := w.says(r.p.ours, variants()[0], mainZone, dns.TypeSOA)
		if err != nil || len(a.serials) != 1 || a.serials[0] <= r.serial {
			return false, err
		}
		r.serial = a.serials[0]
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("the serial is still %d: %w", r.serial, err)
	}
	return nil
}
