package simulation

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/isthmus-dns/isthmus/bridge/mirror"
	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/memory"
)

// faults are what registries, networks and machines do.
func faults() []action {
	weathers := func(name string, is func(per int) weather) action {
		return action{"weather: " + name, func(w *world) { w.any().sky(is([]int{100, 300, 700}[w.rnd.IntN(3)])) }}
	}
	return []action{
		{"cut", (*world).cut},
		{"cut", (*world).cut},
		{"stall", (*world).stall},
		{"answers lost", (*world).deafen},
		{"another registry", (*world).mislead},
		{"heal", (*world).heal},
		{"heal", (*world).heal},
		{"history forgotten", func(w *world) { w.any().Forget() }},
		{"backup", func(w *world) { w.any().save() }},
		{"backup", func(w *world) { w.any().save() }},
		{"restore", (*world).restore},
		{"part of it hidden", (*world).hideSome},
		{"fence removed", (*world).removeFence},
		{"lease removed", (*world).removeLease},
		{"crash", (*world).crash},
		{"restart", (*world).restart},
		{"crash at a write", (*world).crashLater},
		{"crash at a write", (*world).crashLater},
		{"stop and go on", (*world).stopAndGo},
		{"another takes over", (*world).takeOver},
		{"fence moved", (*world).moveFence},
		{"late writes arrive", (*world).land},
		weathers("lost", func(n int) weather { return weather{lost: n} }),
		weathers("answers lost", func(n int) weather { return weather{unanswered: n} }),
		weathers("late", func(n int) weather { return weather{late: n} }),
		weathers("not told", func(n int) weather { return weather{unseen: n} }),
		weathers("behind", func(n int) weather { return weather{older: n, lost: n / 4} }),
		weathers("empty", func(n int) weather { return weather{empty: n} }),
		weathers("raced", func(n int) weather { return weather{raced: n} }),
		{"weather: fair", func(w *world) { w.any().sky(weather{}) }},
		{"weather: fair", func(w *world) { w.any().sky(weather{}) }},
	}
}

// any is one of the sides.
func (w *world) any() *side {
	return w.sides[w.layout.origins[w.rnd.IntN(len(w.layout.origins))]]
}

func (s *side) sky(is weather) {
	s.world.mu.Lock()
	s.weather = is
	s.world.mu.Unlock()
	if is.older > 0 {
		s.save()
	}
	if is != (weather{}) && s.cut.IsZero() && !s.astray { // so that somebody lists
		s.Forget()
		s.Link().Cut()
		s.Link().Heal()
	}
}

func (w *world) cut() {
	s := w.any()
	s.Link().Cut()
	s.cut = time.Now()
	s.back()
}

// mislead has another registry stand at an address, until that is healed.
func (w *world) mislead() {
	s := w.any()
	s.Link().Mislead()
	s.cut, s.astray = time.Time{}, true
}

// back has a side stand at its address again.
func (s *side) back() {
	if s.astray {
		s.astray, s.home = false, time.Now()
	}
}

// stall holds everything up for a while; more than a while is for cut.
func (w *world) stall() {
	s := w.any()
	s.Link().Stall()
	d := time.Duration(w.rnd.IntN(20)) * time.Second
	w.heldUp(d)
	time.Sleep(d)
	s.heal()
}

// deafen has writes done and their answers lost.
func (w *world) deafen() {
	s := w.any()
	s.Link().LoseAnswers()
	s.cut = time.Time{}
	s.back()
}

func (w *world) heal() { w.any().heal() }

func (s *side) heal() {
	s.Link().Heal()
	s.hide(nil)
	s.cut = time.Time{}
	s.back()
}

// hideSome has nobody read all of a side.
func (w *world) hideSome() {
	if s := w.any(); s.bearsHiding() {
		s.hide(errors.New("may not read all"))
	}
}

// hide leaves something out of what is read.
func (s *side) hide(why error) {
	w := s.world
	w.mu.Lock()
	was := s.hiding
	s.hiding = why != nil
	if was || s.hiding {
		s.blinded = time.Now()
	}
	w.mu.Unlock()
	if was != (why != nil) {
		s.Hide(why)
	}
}

func (w *world) restore() {
	s := w.any()
	if len(s.backups) > 0 {
		s.restore(s.backups[w.rnd.IntN(len(s.backups))])
		w.reach("restored")
	}
}

// crash ends the bridge at any moment, and starts it from nothing.
func (w *world) crash() {
	p := w.either()
	(*p).kill()
	w.reach("crash")
	*p = w.start()
}

// restart ends the bridge as one does who has time.
func (w *world) restart() {
	p := w.either()
	(*p).stop()
	*p = w.start()
}

// crashLater has it end at a write to come.
func (w *world) crashLater() { w.process.crashIn(1+w.rnd.IntN(8), w.rnd.IntN(2) == 0) }

// stopAndGo is a machine that sleeps, and nobody takes over.
func (w *world) stopAndGo() {
	d := time.Duration(w.rnd.IntN(90)) * time.Second
	w.heldUp(d)
	resume := w.process.halt()
	time.Sleep(d)
	resume()
	if w.elects {
		w.land()
	}
}

// takeOver stops the bridge, has another lead, and lets the first go on later,
// which does not know.
func (w *world) takeOver() {
	p := w.process
	if w.elects || !w.deposable(p) {
		return
	}
	resume := p.halt()
	for _, r := range w.rules {
		if w.bump(r) != nil {
			resume()
			return
		}
		p.depose(r.To, true)
		w.reach("deposed")
	}
	w.halted = append(w.halted, &halted{p, resume, 1 + w.rnd.IntN(3)})
	w.process = w.start()
}

// moveFence has another take over that does not live.
func (w *world) moveFence() {
	if r := w.rules[w.rnd.IntN(len(w.rules))]; w.deposable(w.process) && w.bump(r) == nil {
		w.process.depose(r.To, true)
		w.reach("deposed")
	}
}

// removeFence has somebody remove it, after which nobody can tell who was last.
func (w *world) removeFence() { w.unfence(w.any()) }

// unfence removes the fence of a side.
func (w *world) unfence(s *side) {
	for _, p := range w.processes {
		p.depose(s.origin, false)
	}
	w.mu.Lock()
	s.term = 0
	w.mu.Unlock()
	s.RemoveFence(owner)
}

// unmistake has people remove the fences that were claimed for another registry which
// stood at a source's address: what is right is refused there as a copied owner name.
func (w *world) unmistake() {
	for _, o := range w.layout.origins {
		s := w.sides[o]
		ours := func(id catalog.Identity) bool {
			return slices.ContainsFunc(w.rules, func(r *mirror.Rule) bool { return w.sides[r.From].identity == id })
		}
		if sources := s.Sources(owner); len(sources) > 0 && !slices.ContainsFunc(sources, ours) {
			w.unfence(s)
			w.note("fence of another registry's mirrors removed")
		}
	}
}

// deposable reports whether a fence can keep a process away: one that it claimed,
// and that is not from a backup, by which nobody can tell who was last.
func (w *world) deposable(p *process) bool {
	for _, r := range w.rules {
		p.mu.Lock()
		wrote := p.wrote[r.To]
		p.mu.Unlock()
		if s := w.sides[r.To]; !wrote || !p.began.After(s.restored) || !s.cut.IsZero() || s.astray {
			return false
		}
	}
	return true
}

// bump moves the fence at a rule's target, as who leads now does.
func (w *world) bump(r *mirror.Rule) error {
	var sources []catalog.Identity
	for _, other := range w.rules {
		if other.To == r.To {
			sources = append(sources, w.sides[other.From].identity)
		}
	}
	slices.Sort(sources)
	return w.sides[r.To].Via(clear{}).Writer(owner).Claim(context.Background(), registry.Fence{Owner: owner, Sources: sources}, true)
}

// clear is a wire in nobody's way.
type clear struct{}

func (clear) Fate(context.Context, memory.Request) memory.Fate { return memory.Passes }
func (clear) Landed(_, _ *catalog.Service, _ string)           {}
func (clear) Claimed()                                         {}

// land has all writes arrive that are on their way.
func (w *world) land() {
	w.mu.Lock()
	w.landing = !w.lateSince.IsZero()
	w.mu.Unlock()
	for _, o := range w.layout.origins {
		taken, refused := w.sides[o].Land()
		if taken > 0 {
			w.reach("late write taken")
		}
		if refused > 0 {
			w.reach("late write refused")
		}
	}
	w.mu.Lock()
	w.landing, w.lateSince = false, time.Time{}
	w.mu.Unlock()
}

// turn has go on who was stopped, and end who is deposed for long, crashed, or
// wants to be started anew. It reports whether one was.
func (w *world) turn() (anew bool) {
	var still []*halted
	for _, h := range w.halted {
		switch h.left--; h.left {
		case 0:
			h.resume()
		case -3:
			if h.fenced() {
				w.reach("a deposed bridge saw it")
			}
			h.kill()
			continue
		}
		still = append(still, h)
	}
	w.halted = still
	for _, p := range w.running() {
		switch {
		case (*p).crashed():
			(*p).kill()
		case (*p).fenced():
			w.reach("restart of a bridge that is fenced off")
			(*p).stop()
		default:
			continue
		}
		*p = w.start()
		anew = true
	}
	w.look()
	return anew
}
