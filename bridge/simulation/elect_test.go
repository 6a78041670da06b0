package simulation

import (
	"context"
	"log/slog"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// Election elects in the registry's model, over a wire of its own.
func (c config) Election(_, place string, times registry.LeaseTimes, _ *slog.Logger) (registry.Election, error) {
	return election{c.line().Election(place, times), c.process}, nil
}

// election counts the times of leading.
type election struct {
	registry.Election
	process *process
}

func (e election) Elect(ctx context.Context, c registry.Candidate) error {
	lead := c.Lead
	c.Lead = func(ctx context.Context, holds func() bool) {
		e.process.begins()
		lead(ctx, holds)
	}
	return e.Election.Elect(ctx, c)
}

// begins takes note of a time of leading: who leads may write whoever took over
// before.
func (p *process) begins() {
	w := p.world
	w.mu.Lock()
	w.terms++
	term := w.terms
	w.mu.Unlock()
	p.mu.Lock()
	was := p.term
	p.term, p.deposed = term, map[catalog.Origin]bool{}
	p.mu.Unlock()
	w.reach("elected")
	switch {
	case was > 0 && was < term-1:
		w.reach("elected again")
	case term > 1 && was == 0:
		w.reach("elected after another")
	}
}

func (p *process) inTerm() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.term
}

func (p *process) isHalted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.running:
		return false
	default:
		return true
	}
}

// begin starts the bridge: one process, or two of which one leads.
func (w *world) begin() {
	w.process = w.start()
	if w.elects {
		w.standby = w.start()
	}
}

// running are the processes that are there, to be replaced by others.
func (w *world) running() []**process {
	if w.standby == nil {
		return []**process{&w.process}
	}
	return []**process{&w.process, &w.standby}
}

// either is one of them.
func (w *world) either() **process {
	all := w.running()
	return all[w.rnd.IntN(len(all))]
}

// removeLease has another lead at once, which who leads does not know yet.
func (w *world) removeLease() {
	if w.elects {
		w.sides[w.options.lead].RemoveLeases()
	}
}

// look finds out who leads.
func (w *world) look() {
	if w.elects && !w.process.bridge.Status().Lead.Leads && w.standby.bridge.Status().Lead.Leads {
		w.process, w.standby = w.standby, w.process
	}
}
