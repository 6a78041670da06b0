package mirror

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// Annotations by which the users of a native service at a rule's target have the
// instances of a source added to it.
const (
	noteJoin     = "isthmus.dev/join"      // TYPE/NAME/SERVICE or TYPE/NAME/NAMESPACE/SERVICE
	noteJoinMode = "isthmus.dev/join-mode" // union, or failover: only while none of its own is ready
)

// asked is a native at the target that asks a rule for what its source has.
type asked struct {
	native   catalog.Entry
	name     string // of what is asked for, in the words of the annotation
	key      catalog.Key
	failover bool
	err      error // why it cannot be done
}

// joins tells what became of those that ask, by their keys at the target.
type joins struct {
	asked map[catalog.Key]bool // those that ask
	rest  map[catalog.Key]bool // failover: their own instances are ready
	stand map[catalog.Key]bool // what is there stands: it cannot be told what should be
}

// asking visits the natives at r's target that ask for something of its source.
func (r *Rule) asking(s *catalog.Snapshot, visit func(asked)) {
	if !r.Inward {
		return
	}
	for e := range s.Entries(r.To) {
		if e.Mark() != nil {
			continue
		}
		native := e.Head()
		text := native.Meta[noteJoin]
		if text == "" {
			continue
		}
		a := asked{native: e}
		rest, ok := strings.CutPrefix(strings.TrimSpace(text), string(r.From)+"/")
		if !ok {
			continue // another rule's
		}
		a.name = rest
		a.key.Namespace, a.key.Name, ok = strings.Cut(strings.ToLower(rest), "/")
		if !ok {
			a.key = catalog.Key{Name: a.key.Namespace}
		}
		switch mode := strings.TrimSpace(native.Meta[noteJoinMode]); mode {
		case "", "union":
		case "failover":
			a.failover = true
		default:
			a.err = fmt.Errorf("annotation %s: %q is neither union nor failover: %w", noteJoinMode, mode, registry.ErrInvalid)
		}
		visit(a)
	}
}

// find returns the native of the source that is asked for, or none. Where no
// namespace is said, the least key of the name counts.
func (r *Rule) find(s *catalog.Snapshot, key catalog.Key) catalog.Entry {
	if key.Namespace != "" {
		return s.Entry(r.From, catalog.Ref{Key: key})
	}
	var least catalog.Entry
	for src := range s.Entries(r.From) {
		if is := src.Ref().Key; src.Mark() == nil && is.Name == key.Name && (least.IsZero() || is.Compare(least.Ref().Key) < 0) {
			least = src
		}
	}
	return least
}

// JoinOf says what src adds to native: nil if nothing. As with MirrorOf, an error
// beside it is what it lacks, and it is the same for the same.
type JoinOf func(native, src *catalog.Service) (*catalog.Service, error)

// joinEntries is JoinOf of and for what is kept: none if nothing.
type joinEntries func(native, src catalog.Entry) (catalog.Entry, error)

func (joinOf JoinOf) entries(native, src catalog.Entry) (catalog.Entry, error) {
	m, err := joinOf(native.Service(), src.Service())
	if m == nil {
		return catalog.Entry{}, err
	}
	return catalog.NewEntry(m), err
}

// join adds to w what natives at the target ask for.
func (w *Wanted) join(s *catalog.Snapshot, joinOf joinEntries) {
	w.joins = joins{asked: map[catalog.Key]bool{}, rest: map[catalog.Key]bool{}, stand: map[catalog.Key]bool{}}
	w.Rule.asking(s, func(a asked) {
		key := a.native.Ref().Key
		w.joins.asked[key] = true
		switch src := w.Rule.find(s, a.key); {
		case a.err != nil:
			w.cannotJoin(a, a.err)
		case w.Rule.Writable(key.Namespace) != nil:
			w.cannotJoin(a, w.Rule.Writable(key.Namespace))
		case src.IsZero():
			w.Refused = append(w.Refused, Finding{Target: key, Why: fmt.Sprintf("annotation %s: there is no %q at %s", noteJoin, a.name, w.Rule.From)})
		case a.failover && a.native.Service().ReadyEndpoints() > 0:
			w.joins.rest[key] = true
		default:
			m, err := joinOf(a.native, src)
			w.joined(a, m, err)
		}
	})
	slices.SortFunc(w.Taken, Finding.compare)
	slices.SortFunc(w.Refused, Finding.compare)
	slices.SortFunc(w.Reduced, Finding.compare)
}

// joined takes up what a JoinOf returned.
func (w *Wanted) joined(a asked, m catalog.Entry, err error) {
	switch {
	case m.IsZero() && err != nil:
		w.cannotJoin(a, err)
		return
	case m.IsZero():
		return
	case err != nil:
		w.Reduced = append(w.Reduced, Finding{m.Mark().Key, m.Ref().Key, oneLine(err)})
	}
	w.addJoin(m)
}

// addJoin wants m beside the native. A mirror that wants its name does not get it.
func (w *Wanted) addJoin(m catalog.Entry) {
	key := m.Ref().Key
	if other := w.Services[key]; !other.IsZero() {
		w.Taken = append(w.Taken, Finding{other.Mark().Key, key, "a native service has the name"})
	}
	w.Services[key] = m
}

func (w *Wanted) cannotJoin(a asked, err error) {
	key := a.native.Ref().Key
	w.joins.stand[key] = !errors.As(err, &rangeRefused{})
	w.Refused = append(w.Refused, Finding{Original: a.key, Target: key, Why: oneLine(err)})
}

// unjoined settles what joins a native that is not wanted there, or no more.
func (p *Plan) unjoined(w *Wanted, m catalog.Entry) {
	switch key := m.Ref().Key; {
	case w.joins.stand[key]:
	case w.joins.rest[key]:
		p.Deletes = append(p.Deletes, Change{Found: m.Service(), Why: "its own instances are ready", meant: true})
	case !w.joins.asked[key]:
		p.Deletes = append(p.Deletes, Change{Found: m.Service(), Why: "nobody asks to join it", meant: true})
	default:
		p.Deletes = append(p.Deletes, Change{Found: m.Service(), Why: "no longer wanted"})
	}
}

// joins returns the JoinOf of a rule, whose target's Canon is canon.
func (from source) joins(r *Rule, canon MirrorOf) JoinOf {
	placing := *r
	placing.Virtual = true // addresses are wanted, whatever the mirrors are
	return func(native, src *catalog.Service) (*catalog.Service, error) {
		if src.Alias != "" {
			return nil, fmt.Errorf("%q is an alias, which has no addresses: %w", src.Key, registry.ErrInvalid)
		}
		endpoints, ok := r.of(src).pick(src.Endpoints)
		if !ok {
			return nil, nil
		}
		endpoints, lacks, err := from.names.places(&placing, endpoints)
		endpoints, theirs := from.outside(r, endpoints)
		if err = cmp.Or(err, errors.Join(lacks, theirs)); err != nil && len(endpoints) == 0 {
			return nil, err
		}
		mark := r.mark(src.Key, src.Mark, from.of)
		mark.Joins = true
		m := &catalog.Service{Key: native.Key, Mark: mark, Type: catalog.Headless, Endpoints: fitPorts(native, endpoints)}
		m, refused := canon(m)
		if refused != nil {
			return nil, errors.Join(refused, err)
		}
		return m, err
	}
}

// fitPorts gives instances' ports the names by which a Service finds them: where
// both have one port, that of the Service.
func fitPorts(native *catalog.Service, all []catalog.Endpoint) []catalog.Endpoint {
	if len(native.Ports) != 1 {
		return all
	}
	all = slices.Clone(all)
	for i := range all {
		if e := &all[i]; len(e.Ports) == 1 {
			is := native.Ports[0]
			is.Number = e.Ports[0].Number
			e.Ports = []catalog.Port{is}
		}
	}
	return all
}
