package differential

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// worker compares one answer at a time.
type worker struct {
	p      pair
	s      *state                      // not modified while it compares
	memory *memory                     // of this round, shared
	tally  *tally                      // of this round, its own
	askers map[*side]map[string]*asker // by side and variant
}

func newWorker(p pair, s *state) *worker {
	return &worker{p: p, s: s, memory: newMemory(), tally: newTally(), askers: map[*side]map[string]*asker{}}
}

func (w *worker) close() {
	for _, all := range w.askers {
		for _, a := range all {
			a.close()
		}
	}
}

func (w *worker) ask(s *side, q question) (reply, error) {
	if w.askers[s] == nil {
		w.askers[s] = map[string]*asker{}
	}
	a := w.askers[s][q.v.name]
	if a == nil {
		a = newAsker(s.addr(q.v))
		w.askers[s][q.v.name] = a
	}
	r, err := a.ask(q)
	if err != nil {
		return r, fmt.Errorf("%s: %w", s.word, err)
	}
	return r, nil
}

// says asks aside what a side says of a name, in lower case.
func (w *worker) says(s *side, v *variant, name string, typ uint16) (answer, error) {
	w.tally.asides++
	r, err := w.ask(s, question{v: v, name: name, typ: typ, mode: mode{network: "tcp"}})
	if err != nil {
		return answer{rcode: -1}, err
	}
	return reduce(r.Msg, true), nil
}

// compare asks both sides and returns an error if they disagree.
func (w *worker) compare(q question) error {
	stock, err1 := w.ask(w.p.stock, q)
	ours, err2 := w.ask(w.p.ours, q)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	var whole [2]reply
	if q.mode.network == "udp" && (stock.Truncated || ours.Truncated) {
		w.tally.truncated++
		again := q
		again.mode.network = "tcp"
		whole[0], err1 = w.ask(w.p.stock, again)
		whole[1], err2 = w.ask(w.p.ours, again)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
	}
	if q.mode.network == "udp" {
		if err := errors.Join(q.fits(stock, whole[0].Msg), q.fits(ours, whole[1].Msg)); err != nil {
			return err
		}
		if whole[0].Msg != nil {
			stock, ours = whole[0], whole[1]
		}
	}
	w.tally.count(q)
	return w.judge(q, stock.Msg, ours.Msg)
}

// judge compares whole answers.
func (w *worker) judge(q question, stock, ours *dns.Msg) error {
	a, b := reduce(stock, false), reduce(ours, false)
	switch {
	case a.truncated || b.truncated:
		return fmt.Errorf("truncated over TCP\nstock: %s\nours:  %s", a, b)
	case a.opt != b.opt || a.echo != b.echo:
		return fmt.Errorf("not the same OPT record or flags\nstock: %s\nours:  %s", a, b)
	case b.doubled != "":
		return fmt.Errorf("ours: twice %s", b.doubled)
	}
	if err := respelled(ours, q.name); err != nil {
		return fmt.Errorf("ours: %w\n%s", err, b)
	}
	if len(a.serials) > 0 && len(b.serials) > 0 && a.serials[0] != b.serials[0] {
		w.tally.explained["serial"]++
	}
	if a.is(b) {
		w.tally.equal++
		return nil
	}
	d := w.dispute(q, reduce(stock, true), reduce(ours, true))
	if d.stock.is(d.ours) {
		if q.name == d.name {
			return fmt.Errorf("spelled differently\nstock: %s\nours:  %s", a, b)
		}
		w.tally.explained["spelling"]++
		return nil
	}
	return w.explain(d)
}

// explain finds the one row of the table that explains the dispute.
func (w *worker) explain(d *dispute) error {
	var by []string
	d = d.atEnd()
	for _, row := range differences() {
		if row.explains != nil && row.explains(d) {
			by = append(by, row.name)
		}
	}
	switch len(by) {
	case 1:
		w.tally.explained[by[0]]++
		return nil
	case 0:
		return fmt.Errorf("unexplained\n%s", d)
	}
	return fmt.Errorf("explained by more than one: %s\n%s", strings.Join(by, ", "), d)
}

func (w *worker) dispute(q question, stock, ours answer) *dispute {
	d := &dispute{v: q.v, name: strings.ToLower(q.name), typ: q.typ, stock: stock, ours: ours}
	d.zone, d.labels = q.v.split(d.name)
	d.s = w.memory.seen(w.s, q.v, d.zone)
	d.spelled = !strings.HasSuffix(q.name, d.zone)
	d.stockSays = func(name string, typ uint16) answer { return w.remember(w.p.stock, q.v, name, typ) }
	d.unignored = func(name string, typ uint16) answer { return w.remember(w.p.stock, variantNamed(q.v.plain), name, typ) }
	d.oursSays = func(name string, typ uint16) answer { return w.remember(w.p.ours, q.v, name, typ) }
	return d
}

// memory keeps what the sides said aside in one round, and what variants show.
type memory struct {
	mu    sync.Mutex // guards what follows
	said  map[string]answer
	shows map[string]*state // by variant and whether it is of several clusters
}

func newMemory() *memory { return &memory{said: map[string]answer{}, shows: map[string]*state{}} }

// seen returns what a variant shows in a zone.
func (m *memory) seen(s *state, v *variant, zone string) *state {
	m.mu.Lock()
	defer m.mu.Unlock()
	id := v.name
	if zone == setZone {
		id += " " + zone
		s = s.imported()
	}
	if m.shows[id] == nil {
		m.shows[id] = s.seenBy(v)
	}
	return m.shows[id]
}

func (w *worker) remember(s *side, v *variant, name string, typ uint16) answer {
	id := fmt.Sprint(s.word, " ", v.name, " ", name, " ", typ)
	w.memory.mu.Lock()
	a, known := w.memory.said[id]
	w.memory.mu.Unlock()
	if known {
		return a
	}
	a, err := w.says(s, v, name, typ)
	if err == nil {
		w.memory.mu.Lock()
		w.memory.said[id] = a
		w.memory.mu.Unlock()
	}
	return a
}
