package mirror

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/isthmus-dns/isthmus/catalog"
)

// Wanted is what a rule wants its target to hold. It is immutable.
type Wanted struct {
	Rule     *Rule
	Of       catalog.Identity              // the source's, in every mark
	Services map[catalog.Key]catalog.Entry // by the target's key, in the target's canonical form
	Names    map[Original]catalog.Key      // every original that is not rightly absent: the name it wants
	Taken    []Finding                     // originals that lost their name to another one of the same rule
	Refused  []Finding                     // originals that cannot be mirrored
	Reduced  []Finding                     // originals whose mirrors lack something
	Natives  int                           // how many the source has, selected or not
	Missing  map[string]bool               // namespaces that are to be made first

	refused map[Original]bool       // of those that cannot be mirrored, be it for one of their ports
	parts   map[Original][]Original // of those with a mirror for each port
	blocks  map[Original]*Rule      // of those for which a block says otherwise
	beside  Beside                  // the target's; nil: nothing stands beside another there
	unread  bool                    // nobody can tell which originals are exported
	lacks   bool                    // the target lacks a namespace of some
	joins   joins
}

// Original tells an original from all others, and one that has several mirrors
// for which of its ports each is.
type Original struct {
	Of catalog.Identity
	catalog.Key
	Port string
}

// whole is the original that a mirror is of, be it for one port.
func whole(m *catalog.Mark) Original { return Original{Of: m.Of, Key: m.Key} }

// Finding is one original that is not mirrored, or a namespace that is missing
// at the target (then Original is the zero key), or something that concerns many
// (then Target is, too), and why.
type Finding struct {
	Original catalog.Key
	Target   catalog.Key
	Why      string
}

func (f Finding) compare(o Finding) int {
	return cmp.Or(f.Original.Compare(o.Original), f.Target.Compare(o.Target), cmp.Compare(f.Why, o.Why))
}

// MirrorOf says what the mirror of one original is: nil if the target rightly
// holds it as absence, an error if it cannot be held. A mirror with an error is
// one that lacks something of what it should be. It keeps src as it is and
// returns the same for the same src, so that its results may be kept.
type MirrorOf func(src *catalog.Service) (*catalog.Service, error)

// Mirrors says what the mirrors of one original are, as MirrorOf says of one: no
// mirror and no error if there rightly are none.
type Mirrors func(src *catalog.Service) ([]*catalog.Service, error)

// entries is Mirrors of and for what is kept.
type entries func(src catalog.Entry) ([]catalog.Entry, error)

func (mirrors Mirrors) entries(src catalog.Entry) ([]catalog.Entry, error) {
	all, err := mirrors(src.Service())
	kept := make([]catalog.Entry, len(all))
	for i, m := range all {
		kept[i] = catalog.NewEntry(m)
	}
	return kept, err
}

// MirrorsOf returns the Mirrors of a rule whose source is as s shows it, and
// whose target's Canon is canon.
func MirrorsOf(s *catalog.Snapshot, r *Rule, canon MirrorOf) Mirrors {
	return sourceOf(s, r).mirrors(r, canon)
}

func (from source) mirrors(rule *Rule, canon MirrorOf) Mirrors {
	return func(src *catalog.Service) ([]*catalog.Service, error) {
		r := rule.of(src)
		c, err := r.choices(src)
		if err != nil || !c.export {
			return nil, err
		}
		endpoints, ok, err := way{c.address, from.nodes, r.Internal, r.Outside, !rule.WantsNodes()}.reach(src)
		if ok {
			endpoints, ok = r.pick(endpoints)
		}
		if !ok {
			return nil, err
		}
		endpoints, lacks, unknown := from.names.places(r, endpoints)
		if unknown != nil {
			return nil, unknown
		}
		endpoints, theirs := from.outside(r, endpoints)
		if theirs != nil && len(endpoints) == 0 {
			return nil, theirs
		}
		endpoints, mainPort := c.marked(endpoints)
		m := &catalog.Service{
			Key:       r.target(src),
			Mark:      r.mark(src.Key, src.Mark, from.of),
			Type:      catalog.Headless,
			Alias:     src.Alias,
			Ports:     src.Ports,
			Endpoints: endpoints,
			Meta:      c.metaOf(src, mainPort),
			TTL:       src.TTL,
		}
		if r.Inward {
			m.Meta = told(m.Meta, endpoints)
		}
		switch {
		case src.Type == catalog.ExternalName:
			m.Type = catalog.ExternalName
		case r.Virtual:
			m.Type = catalog.ClusterIP
		}
		all, refused := r.held(m, canon)
		if len(all) == 0 {
			return nil, refused
		}
		return all, errors.Join(append(c.wrong, err, lacks, theirs, refused)...)
	}
}

// held returns what the target makes of a mirror, or of its parts.
func (r *Rule) held(m *catalog.Service, canon MirrorOf) (all []*catalog.Service, refused error) {
	for _, part := range r.split(m) {
		c, err := canon(part)
		switch {
		case c != nil:
			all = append(all, c)
		case err != nil:
			err = partRefused{err}
		}
		refused = errors.Join(refused, err)
	}
	return all, refused
}

// source is what mirrors depend on beside the original. Two are equal if what
// is made of equal originals is equal.
type source struct {
	of     catalog.Identity
	nodes  catalog.Directory
	names  *Answers
	ranges catalog.Ranges // the target's
}

func sourceOf(s *catalog.Snapshot, r *Rule) source {
	from := source{of: s.State(r.From).Identity}
	if r.WantsNodes() {
		from.nodes = s.Directory(r.From)
	}
	if r.Inward {
		from.ranges = s.Ranges(r.To)
	}
	return from
}

// Desired returns what r wants, given all that is known. Only natives of the
// source count, and mirrors by the bridges that the rule names. Of several
// originals that want one name the one whose mirror is there keeps it, else the
// least key gets it; the others are reported.
func Desired(s *catalog.Snapshot, r *Rule, mirrors Mirrors) *Wanted {
	return desired(s, r, mirrors.entries)
}

func desired(s *catalog.Snapshot, r *Rule, mirrors entries) *Wanted {
	w := &Wanted{
		Rule:     r,
		Of:       s.State(r.From).Identity,
		Services: map[catalog.Key]catalog.Entry{},
		Names:    map[Original]catalog.Key{},
		refused:  map[Original]bool{},
	}
	c := claims{missing: map[string]bool{}, rest: map[catalog.Key][]catalog.Entry{}}
	to := s.State(r.To).Identity
	for src := range s.Entries(r.From) {
		if !r.copies(src.Mark(), to) {
			continue
		}
		w.Natives++
		if r.selects(keyOf(src.Ref().Key, src.Mark())) {
			w.claim(s, src, mirrors, &c)
		}
	}
	if w.unread {
		w.Refused = append(w.Refused, Finding{Why: errExportsUnknown.Error()})
	}
	w.settle(s, c)
	slices.SortFunc(w.Taken, Finding.compare)
	slices.SortFunc(w.Refused, Finding.compare)
	slices.SortFunc(w.Reduced, Finding.compare)
	return w
}

// claims is what Desired finds on its walk and settles after it.
type claims struct {
	missing map[string]bool                 // namespaces that the target lacks
	rest    map[catalog.Key][]catalog.Entry // those who came second to a name
}

func (w *Wanted) claim(s *catalog.Snapshot, src catalog.Entry, mirrors entries, c *claims) {
	w.note(src)
	all, err := mirrors(src)
	switch {
	case err != nil && len(all) > 0:
		w.Reduced = append(w.Reduced, Finding{all[0].Mark().Key, all[0].Ref().Key, oneLine(err)})
		w.refuseParts(all[0], err)
	case err != nil:
		head := src.Head()
		w.refuse(src, w.Rule.of(head).target(head), err)
	}
	for _, m := range all {
		w.claimOne(s, src, m, c)
	}
}

func (w *Wanted) claimOne(s *catalog.Snapshot, src, m catalog.Entry, c *claims) {
	r, key := w.Rule, m.Ref().Key
	switch {
	case r.Writable(key.Namespace) != nil:
		w.refuse(src, key, r.Writable(key.Namespace))
	case r.Inward && s.Synced(r.To) && !s.HoldsNamespace(r.To, key.Namespace):
		w.Names[w.originalOf(m)] = key
		c.missing[key.Namespace] = true
		if r.Make {
			w.name(m, c)
		}
	default:
		w.name(m, c)
	}
}

// name gives m the name that it wants, unless somebody has it.
func (w *Wanted) name(m catalog.Entry, c *claims) {
	key := m.Ref().Key
	w.Names[w.originalOf(m)] = key
	w.notePart(m)
	if !w.Services[key].IsZero() {
		c.rest[key] = append(c.rest[key], m)
		return
	}
	w.Services[key] = m
}

func (w *Wanted) refuse(src catalog.Entry, target catalog.Key, err error) {
	m := w.Rule.mark(src.Ref().Key, src.Mark(), w.Of)
	if is := (Original{Of: m.Of, Key: m.Key}); !errors.As(err, &rangeRefused{}) {
		w.Names[is], w.refused[is] = target, true
	}
	if errors.Is(err, errExportsUnknown) {
		w.unread = true
		return
	}
	w.Refused = append(w.Refused, Finding{m.Key, target, oneLine(err)})
}

// oneLine is the text of an error that may be several.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// settle gives each name that several want to one of them, and reports
// namespaces that are missing, each once.
func (w *Wanted) settle(s *catalog.Snapshot, c claims) {
	for key, rest := range c.rest {
		all := append(rest, w.Services[key])
		slices.SortFunc(all, func(a, b catalog.Entry) int { return w.comparePrecedence(s, a, b) })
		w.Services[key] = all[0]
		for _, loser := range all[1:] {
			w.Taken = append(w.Taken, Finding{loser.Mark().Key, key, fmt.Sprintf("the name goes to %s %q", w.Rule.From, all[0].Mark().Key)})
		}
	}
	w.lacks = len(c.missing) > 0
	if w.Rule.Make {
		w.Missing = c.missing
		return
	}
	for ns := range c.missing {
		w.Refused = append(w.Refused, Finding{
			Target: catalog.Key{Namespace: ns},
			Why:    fmt.Sprintf("namespace %q does not exist at %s", ns, w.Rule.To),
		})
	}
}

// comparePrecedence orders mirrors that want one name. Two copies of one original
// come in an order of their own, which is the same each time.
func (w *Wanted) comparePrecedence(s *catalog.Snapshot, a, b catalog.Entry) int {
	m, n := a.Mark(), b.Mark()
	if order := cmp.Or(w.precedence(s, a)-w.precedence(s, b), m.Key.Compare(n.Key), cmp.Compare(m.Via, n.Via), cmp.Compare(m.Of, n.Of)); order != 0 {
		return order
	}
	return cmp.Compare(a.Service().Text(), b.Service().Text())
}

// precedence is 0 for a mirror whose like is there already, else 1.
func (w *Wanted) precedence(s *catalog.Snapshot, m catalog.Entry) int {
	there := s.Entry(w.Rule.To, m.Ref())
	if !there.IsZero() && whole(there.Mark()) == whole(m.Mark()) {
		return 0
	}
	return 1
}
