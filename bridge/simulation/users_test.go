package simulation

import (
	"errors"
	"fmt"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
)

// An action is something that happens once.
type action struct {
	name string
	do   func(*world)
}

// changes are what users, other bridges and people with an editor do.
func changes() []action {
	return []action{
		{"set", func(w *world) { w.set(w.source(), w.name(), 1+w.rnd.IntN(3)) }},
		{"set", func(w *world) { w.set(w.source(), w.name(), 1+w.rnd.IntN(3)) }},
		{"set", func(w *world) { w.set(w.source(), w.name(), 1) }},
		{"remove", func(w *world) { w.remove(w.source(), w.name()) }},
		{"remove", func(w *world) { w.remove(w.source(), w.name()) }},
		{"remove and set", func(w *world) { s, k := w.source(), w.name(); w.remove(s, k); w.set(s, k, 1) }},
		{"not ready", func(w *world) { w.unready(w.source(), w.name()) }},
		{"register again", (*world).register},
		{"leave empty", func(w *world) { w.vacate(w.source(), w.name()) }},
		{"remove many", (*world).removeMany},
		{"leave many empty", (*world).vacateMany},
		{"remove all", (*world).removeAll},
		{"poison", func(w *world) {
			w.set(w.source(), catalog.Key{Namespace: "shop", Name: fmt.Sprint("bad", w.rnd.IntN(2))}, 1)
		}},
		{"malformed record", func(w *world) { w.source().Malform("shop/broken", errors.New("no service")) }},
		{"intrude", (*world).intrude},
		{"intrude", (*world).intrude},
		{"withdraw", (*world).withdraw},
		{"newer mark", (*world).newer},
		{"tamper", (*world).tamper},
		{"erase", (*world).erase},
		{"forge", (*world).forge},
		{"approve", (*world).approve},
	}
}

const names = 16 // of services in each namespace

// lasting reports whether users never remove a service, nor leave it empty.
func lasting(k catalog.Key) bool { return k.Name[len(k.Name)-1]%3 == 0 }

func (w *world) name() catalog.Key {
	return catalog.Key{Namespace: []string{"shop", "team"}[w.rnd.IntN(2)], Name: fmt.Sprintf("s%02d", w.rnd.IntN(names))}
}

// source is one of the sides that are mirrored.
func (w *world) source() *side {
	return w.sides[w.layout.rules[w.rnd.IntN(len(w.layout.rules))][0]]
}

func (w *world) set(s *side, k catalog.Key, instances int) {
	w.revision++
	s.register(service(k, w.revision, instances))
}

func (w *world) remove(s *side, k catalog.Key) {
	if !lasting(k) {
		s.unregister(k)
	}
}

// vacate leaves a service without instances, which in ZooKeeper are all that it is.
func (w *world) vacate(s *side, k catalog.Key) {
	switch {
	case lasting(k):
	case s.origin == keeper:
		s.unregister(k)
	default:
		s.register(service(k, 0, 0))
	}
}

// unready has instances of a service fail, all of them or the first one.
func (w *world) unready(s *side, k catalog.Key) {
	n := s.natives[k]
	if n == nil || n.is == nil || lasting(k) {
		return
	}
	w.revision++
	is := service(k, w.revision, len(n.is.Endpoints))
	all := w.rnd.IntN(2) == 0
	for i := range is.Endpoints {
		is.Endpoints[i].Ready = i > 0 && !all
	}
	s.register(is)
}

// register has clients register again what they have registered, as some do by removing
// it first.
func (w *world) register() {
	s := w.source()
	var all []*catalog.Service
	each(func(k catalog.Key) {
		if n := s.natives[k]; n != nil && n.is != nil && w.rnd.IntN(4) == 0 {
			all = append(all, n.is)
		}
	})
	if s.ways.Lull == 0 || len(all) == 0 {
		return
	}
	w.reach("removed and registered within a lull")
	for _, is := range all {
		s.unregister(is.Key)
	}
	time.Sleep(time.Duration(w.rnd.IntN(int(s.ways.Lull))))
	for _, is := range all {
		s.register(is)
	}
}

func each(do func(catalog.Key)) {
	for i := range names {
		for _, ns := range []string{"shop", "team"} {
			do(catalog.Key{Namespace: ns, Name: fmt.Sprintf("s%02d", i)})
		}
	}
}

func (w *world) removeMany() {
	s := w.source()
	each(func(k catalog.Key) {
		if w.rnd.IntN(2) == 0 {
			w.remove(s, k)
		}
	})
}

func (w *world) vacateMany() {
	s := w.source()
	each(func(k catalog.Key) {
		if n := s.natives[k]; n != nil && n.is != nil && w.rnd.IntN(2) == 0 {
			w.vacate(s, k)
		}
	})
}

func (w *world) removeAll() {
	s := w.source()
	each(s.unregister)
}

// rule is any, with its sides.
func (w *world) anyRule() (from, to *side, name func(catalog.Key) catalog.Key) {
	r := w.rules[w.rnd.IntN(len(w.rules))]
	return w.sides[r.From], w.sides[r.To], func(k catalog.Key) catalog.Key { return target(r, k) }
}

// intrude has somebody else have the name of a mirror: a native or another owner.
func (w *world) intrude() {
	_, to, name := w.anyRule()
	k := name(w.name())
	if w.rnd.IntN(2) == 0 {
		w.set(to, k, 1)
		return
	}
	w.revision++
	svc := service(k, w.revision, 1)
	svc.Mark = &catalog.Mark{Owner: "you", Of: "id:elsewhere", Key: k, Format: 1}
	to.intrude(svc)
}

// newer has a newer version of the bridge have written a mirror.
func (w *world) newer() {
	from, to, name := w.anyRule()
	k := w.name()
	w.revision++
	svc := service(name(k), w.revision, 1)
	svc.Mark = &catalog.Mark{Owner: owner, Of: from.identity, Key: k, Format: catalog.MarkFormat + 1}
	to.intrude(svc)
}

// withdraw has them leave one name.
func (w *world) withdraw() {
	_, to, name := w.anyRule()
	for range 8 {
		k := name(w.name())
		for _, o := range []string{"you", owner} {
			ref := catalog.Ref{Key: k, Owner: o}
			if _, there := to.others[ref]; there {
				to.withdraw(ref)
				return
			}
		}
		if n := to.natives[k]; n != nil && n.is != nil {
			to.unregister(k)
			return
		}
	}
}

// mirror returns one of the bridge's, or nil.
func (w *world) mirror() (*side, *catalog.Service) {
	from, to, name := w.anyRule()
	m := to.Get(catalog.Ref{Key: name(w.name()), Owner: owner})
	if m == nil || m.Mark.Format > catalog.MarkFormat || m.Mark.Of != from.identity {
		return to, nil
	}
	return to, m
}

// tamper has somebody edit a mirror.
func (w *world) tamper() {
	if to, m := w.mirror(); m != nil {
		tampered := service(m.Key, 0, 1)
		tampered.Mark = m.Mark
		to.stands(m.Ref(), tampered)
		to.Set(tampered)
	}
}

// erase has somebody remove one.
func (w *world) erase() {
	if to, m := w.mirror(); m != nil {
		to.stands(m.Ref(), nil)
		to.Remove(m.Ref())
	}
}

// forge has somebody mark a record as the bridge's mirror of what it is not.
func (w *world) forge() {
	from, to, name := w.anyRule()
	k := name(w.name())
	ref := catalog.Ref{Key: k, Owner: owner}
	if _, newer := to.others[ref]; newer {
		return
	}
	forged := service(k, 0, 1)
	forged.Mark = &catalog.Mark{Owner: owner, Of: from.identity, Key: w.name(), Format: catalog.MarkFormat}
	to.stands(ref, forged)
	to.Set(forged)
}

// approve has an operator let go what is held and is truly gone.
func (w *world) approve() {
	for i, st := range w.process.bridge.Status().Rules {
		r := w.rules[i]
		if st.Budget == "" || !w.trulyGone(r, st.Held) {
			continue
		}
		w.mu.Lock()
		book := ledger{w.process, r.String()}
		if w.approved[book] == nil {
			w.approved[book] = map[catalog.Ref]bool{}
		}
		for _, f := range st.Held {
			w.approved[book][catalog.Ref{Key: f.Target, Owner: owner}] = true
		}
		w.mu.Unlock()
		if _, err := w.process.bridge.Approve(r.String()); err == nil {
			w.reach("approved")
		}
	}
}
