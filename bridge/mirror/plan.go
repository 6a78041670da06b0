package mirror

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/isthmus-dns/isthmus/catalog"
)

// Plan is what a rule would write now, and what it would not and why. Lists
// are sorted by the target's key.
type Plan struct {
	Rule    *Rule
	Blocked string    // why nothing at all may be written now; "" if it may
	Puts    []Change  // written first
	Deletes []Change  // written after the puts
	Held    []Change  // deletions, and puts that come to the same, that wait
	Taken   []Finding // names that somebody else has
	Refused []Finding // originals that cannot be mirrored; old copies stand, see Diff
	Reduced []Finding // originals whose mirrors lack something of what they should be
	Same    int       // mirrors that are as they should be
	Budget  string    // why the budget holds deletions; "" if it does not
	Fell    bool      // the source fell to nothing: the hold never ends by time
}

// Empty reports whether there is nothing to do, nor held back.
func (p *Plan) Empty() bool { return len(p.Puts)+len(p.Deletes)+len(p.Held) == 0 }

// pending returns what is to be written.
func (p *Plan) pending() map[catalog.Ref]bool {
	all := make(map[catalog.Ref]bool, len(p.Puts)+len(p.Deletes))
	for _, list := range [][]Change{p.Puts, p.Deletes} {
		for _, c := range list {
			all[c.Ref()] = true
		}
	}
	return all
}

// Change is one write: Want is put where Found stands. One of them may be nil.
type Change struct {
	Want  *catalog.Service
	Found *catalog.Service
	Why   string        // what differs or why it goes; for a held one, what it waits for
	want  catalog.Entry // Want as it is kept: the same as long as it is the same that is wanted
	over  bool          // held by the budget
	make  bool          // the namespace of Want is to be made first
	meant bool          // a deletion that the users of what it is part of asked for
}

// Ref is the name at the target of the service that the change is about.
func (c Change) Ref() catalog.Ref {
	if c.Want != nil {
		return c.Want.Ref()
	}
	return c.Found.Ref()
}

// Original is the key of the service that the mirror is a copy of.
func (c Change) Original() catalog.Key {
	if c.Want != nil {
		return c.Want.Mark.Key
	}
	return c.Found.Mark.Key
}

// loss is what the change takes away: instances of a mirror that goes, is left
// without any, or gives its name to another original's.
func (c Change) loss() Loss {
	switch {
	case c.meant, c.Found == nil, c.Want != nil && reached(c.Want) > 0 && !c.replaces():
		return Loss{}
	case c.Want == nil:
		return Loss{1, max(1, reached(c.Found))}
	case reached(c.Found) == 0:
		return Loss{}
	}
	return Loss{1, reached(c.Found)}
}

// replaces reports whether the change gives the name of one original's mirror to
// another's.
func (c Change) replaces() bool {
	return c.Want != nil && c.Found != nil && whole(c.Want.Mark) != whole(c.Found.Mark)
}

// reached counts the ways by which a service is reached.
func reached(s *catalog.Service) int {
	if s.Alias != "" {
		return 1
	}
	return len(s.Endpoints)
}

// instances is reached of what is kept.
func instances(e catalog.Entry) int {
	if n := e.Endpoints(); n > 0 {
		return n
	}
	return reached(e.Head())
}

// Budget is what a loop remembers of deletions: those of the last while, with
// those that may have been done, and what people or a second look said of others.
type Budget struct {
	Spent    Loss
	Unsure   map[Try]bool // these are in Spent, and may be tried again
	Released map[catalog.Ref]bool
	Denied   map[catalog.Ref]bool // a second look still found what these are copies of
}

// Try is a write over what stood there: once that was done, another write under
// the same name is one of something else.
type Try struct {
	catalog.Ref
	Version string // of what was found; "": nothing was
}

func (c Change) try() Try {
	t := Try{Ref: c.Ref()}
	if c.Found != nil {
		t.Version = c.Found.Version
	}
	return t
}

// Other is another rule to the same target, and what it wants, which is asked
// for only where it matters.
type Other struct {
	Rule   *Rule
	Wanted func() *Wanted
}

// Diff returns what is to be written so that the target holds what w wants,
// while the others want the same of it.
//
//	wanted  found at the target                  do
//	yes     nothing                              put, unless another with a lesser origin wants the name
//	yes     our mirror, same                     nothing
//	yes     our mirror, differs                  put at its version
//	yes     native, or another owner's mirror    taken, or put beside it where the rule shares names
//	yes     our mirror of another source         taken
//	yes     our mirror of a newer format         taken
//	no      our mirror of this rule              delete at its version
//	no      anything else                        nothing
//
// Where our mirror stands beside a native or another owner's under one key, it
// is kept up, and the name reported as taken unless the rule shares it (see
// Wanted.inTheWay).
//
// A deletion, and what comes to the same, waits while the source was not synced
// since start, may hold more than could be read, or either side is not connected;
// while its original's new name is not there, or one of several by port; and while
// the budget is exceeded or a second look did not agree. The mirror of an original
// that is refused, or that lost its name, stands; but not for an original all of
// whose addresses are in the target's own ranges. Nothing is put while the target
// is not there.
//
// Marks name a registry and not the origin that reads it. So nothing is written
// while another rule's source is the same registry as the rule's, since which of the
// two a mirror belongs to cannot be told, and nothing is deleted while it may be. Nor
// is anything written while the source or the target is another registry than what is
// held of it was read from.
func Diff(s *catalog.Snapshot, w *Wanted, others []Other, b Budget) *Plan {
	p := &Plan{Rule: w.Rule, Taken: slices.Clone(w.Taken), Refused: w.Refused, Reduced: w.Reduced}
	if p.Blocked = blocked(s, w.Rule, others); !s.State(w.Rule.To).Synced || w.Of == "" {
		return p
	}
	found := survey(s, w.Rule)
	for key, want := range w.Services {
		p.want(w, want, found[key])
	}
	total := 0
	for _, there := range found {
		m := there.ours
		if !w.ours(m) {
			continue
		}
		total += instances(m)
		switch {
		case !w.Services[m.Ref().Key].IsZero():
		case m.Mark().Joins:
			p.unjoined(w, m)
		default:
			p.unwanted(w, m, found)
		}
	}
	p.makeMissing(w)
	p.yield(w, others)
	p.holdBlind(blind(s, w.Rule, others))
	p.holdBudget(w, total, b)
	p.sort()
	return p
}

// spot is what stands at the target under one key.
type spot struct {
	ours     catalog.Entry   // of this owner
	stranger catalog.Entry   // native, or else the least owner's
	more     []catalog.Entry // the other strangers
}

func survey(s *catalog.Snapshot, r *Rule) map[catalog.Key]spot {
	found := make(map[catalog.Key]spot, s.State(r.To).Services)
	for e := range s.Entries(r.To) {
		there := found[e.Ref().Key]
		there.add(r, e)
		found[e.Ref().Key] = there
	}
	return found
}

func (there *spot) add(r *Rule, e catalog.Entry) {
	switch m := e.Mark(); {
	case m != nil && m.Owner == r.Owner:
		there.ours = e
	case there.stranger.IsZero():
		there.stranger = e
	case e.Ref().Owner < there.stranger.Ref().Owner:
		there.stranger, there.more = e, append(there.more, there.stranger)
	default:
		there.more = append(there.more, e)
	}
}

// ours reports whether m is a mirror of this rule, which it may write: its
// source is where it was read from.
func (w *Wanted) ours(e catalog.Entry) bool {
	if e.IsZero() {
		return false
	}
	m := e.Mark()
	return m.Owner == w.Rule.Owner && ReadFrom(m) == w.Of && m.Format <= catalog.MarkFormat
}

// want settles one wanted service: the upper half of the table.
func (p *Plan) want(w *Wanted, want catalog.Entry, there spot) {
	if want.Mark().Joins {
		there.stranger = catalog.Entry{} // it is what is joined
	}
	by, alone := w.inTheWay(want, there)
	switch m := there.ours; {
	case m.IsZero() && !by.IsZero():
		p.taken(want, by, alone)
		return
	case m.IsZero():
		p.Puts = append(p.Puts, creation(want))
	case !w.ours(m):
		p.taken(want, m, nil)
		return
	case want.Same(m):
		p.Same++
	default:
		p.Puts = append(p.Puts, update(m, want))
	}
	if !by.IsZero() {
		p.taken(want, by, alone)
	}
}

func creation(of catalog.Entry) Change {
	want := of.Service()
	return Change{Want: want, want: of, Why: describe(want)}
}

func update(was, is catalog.Entry) Change {
	found, want := was.Service(), is.Service()
	return Change{Want: want, want: is, Found: found, Why: differs(found, want)}
}

// taken reports who has a name that is wanted and, where names are shared, why
// that one is not.
func (p *Plan) taken(want, by catalog.Entry, alone error) {
	why := "a native service has the name"
	switch m := by.Mark(); {
	case m == nil:
	case m.Owner == catalog.UnknownOwner:
		why = "a copy by another tool has the name"
	case m.Format > catalog.MarkFormat:
		why = fmt.Sprintf("a mirror of owner %q in the newer format %d has the name", m.Owner, m.Format)
	default:
		why = fmt.Sprintf("owner %q's mirror of %q at %q has the name", m.Owner, m.Key, string(m.Of))
	}
	if alone != nil {
		why += "; it is not shared: " + oneLine(alone)
	}
	p.Taken = append(p.Taken, Finding{want.Mark().Key, want.Ref().Key, why})
}

// unwanted settles a mirror of this rule under a name that is not wanted.
func (p *Plan) unwanted(w *Wanted, m catalog.Entry, found map[catalog.Key]spot) {
	name, known := w.Names[w.originalOf(m)]
	next, waits := w.awaited(m, found)
	switch {
	case !known && w.refused[whole(m.Mark())]: // with all its ports, or for one of them
	case known && name == m.Ref().Key: // refused: what was there stands
	case waits:
		p.Held = append(p.Held, Change{Found: m.Service(), Why: fmt.Sprintf("the new name %q is not there", next)})
	case known:
		p.Deletes = append(p.Deletes, Change{Found: m.Service(), Why: fmt.Sprintf("renamed to %q", name)})
	default:
		p.Deletes = append(p.Deletes, Change{Found: m.Service(), Why: "no longer wanted"})
	}
}

// makeMissing notes which puts want a namespace first.
func (p *Plan) makeMissing(w *Wanted) {
	for i := range p.Puts {
		if c := &p.Puts[i]; w.Missing[c.Want.Namespace] {
			c.make = true
			c.Why += "; its namespace is made"
		}
	}
}

// yield leaves names where nothing stands to other rules whose claim comes first.
func (p *Plan) yield(w *Wanted, others []Other) {
	if !slices.ContainsFunc(p.Puts, func(c Change) bool { return c.Found == nil }) {
		return
	}
	for _, other := range others {
		if other.Rule.From >= w.Rule.From {
			continue
		}
		services := other.Wanted().Services
		p.Puts = slices.DeleteFunc(p.Puts, func(c Change) bool {
			theirs := services[c.Want.Key]
			if c.Found != nil || theirs.IsZero() {
				return false
			}
			p.Taken = append(p.Taken, Finding{c.Original(), c.Want.Key, fmt.Sprintf("the name goes to %s %q", other.Rule.From, theirs.Mark().Key)})
			return true
		})
	}
}

// sort puts every list into its order, and Taken's doubles away.
func (p *Plan) sort() {
	for _, list := range [][]Change{p.Puts, p.Deletes, p.Held} {
		slices.SortFunc(list, Change.compare)
	}
	slices.SortFunc(p.Taken, Finding.compare)
}

func (c Change) compare(o Change) int {
	return cmp.Or(c.Ref().Key.Compare(o.Ref().Key), cmp.Compare(c.Why, o.Why))
}

// Place is what a target can hold, as a Target says it.
type Place interface {
	Canon(*catalog.Service) (*catalog.Service, error) // see MirrorOf
	Beside(ours, theirs *catalog.Service) error       // see Beside
}

// Plans returns the plan of each rule, with nothing spent and nothing let go.
// at returns what is known of a rule's target; names are what Names wants to know.
func Plans(s *catalog.Snapshot, rules []*Rule, at func(to catalog.Origin) Place, names *Answers) []*Plan {
	all := make([]*Wanted, len(rules))
	for i, r := range rules {
		from := sourceOf(s, r)
		from.names = names
		to := at(r.To)
		all[i] = Desired(s, r, from.mirrors(r, to.Canon))
		all[i].join(s, from.joins(r, to.Canon).entries)
		all[i].beside = to.Beside
	}
	plans := make([]*Plan, len(rules))
	for i, w := range all {
		var others []Other
		for _, o := range all {
			if o != w && o.Rule.To == w.Rule.To {
				others = append(others, Other{o.Rule, func() *Wanted { return o }})
			}
		}
		plans[i] = Diff(s, w, others, Budget{})
	}
	return plans
}

// Names returns the names that the plans of rules want the addresses of.
func Names(s *catalog.Snapshot, rules []*Rule) map[string]bool {
	all := map[string]bool{}
	for _, r := range rules {
		if r.Inward {
			maps.Copy(all, namesOf(s, r))
		}
	}
	return all
}
