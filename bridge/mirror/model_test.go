package mirror

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// step is something that happens to two registries or to the bridge between them.
type step struct {
	what    string
	there   bool             // at the second registry
	service *catalog.Service // what is set, or of which ref is removed
	pause   time.Duration
}

func (s step) String() string {
	text := fmt.Sprintf("%s there=%v then %v", s.what, s.there, s.pause)
	if s.service != nil {
		text += "\n" + s.service.Text()
	}
	return text
}

// steps draws what users, other bridges, people with an editor, broken cables and
// restarts do.
func steps() *rapid.Generator[[]step] {
	return rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) step {
		s := step{
			what:  rapid.SampledFrom([]string{"set", "set", "set", "remove", "remove", "others", "others go", "tamper", "erase", "cut", "heal", "restart"}).Draw(rt, "what"),
			there: rapid.Bool().Draw(rt, "there"),
			pause: rapid.SampledFrom([]time.Duration{0, 0, time.Millisecond, time.Second, time.Minute}).Draw(rt, "pause"),
		}
		s.service = service(false).Draw(rt, "service")
		s.service.Name, _ = strings.CutPrefix(s.service.Name, "bad")
		if s.service.Name == "" {
			s.service.Name = "d"
		}
		s.service.Mark = nil
		switch s.what {
		case "others", "others go":
			s.service.Mark = &catalog.Mark{Owner: "you", Of: "id:elsewhere/1", Key: s.service.Key, Format: 1}
		case "tamper", "erase":
			of := id(src)
			if !s.there {
				of = id(dst)
			}
			s.service.Mark = &catalog.Mark{Owner: "me", Of: of, Key: key().Draw(rt, "original"), Format: 1}
		}
		return s
	}), 1, 40)
}

// world is two registries, the rules between them, and the bridge.
type world struct {
	sides  [2]*store
	rules  []*Rule
	bridge *process
	theirs [2]map[catalog.Ref]string // what the model has of all but this bridge's mirrors
}

func (w *world) do(t *testing.T, s step) {
	at := 0
	if s.there {
		at = 1
	}
	side := w.sides[at]
	switch s.what {
	case "set", "others":
		side.set(s.service)
		w.theirs[at][s.service.Ref()] = content(s.service)
	case "remove", "others go":
		side.remove(s.service.Ref())
		delete(w.theirs[at], s.service.Ref())
	case "tamper":
		side.set(s.service)
	case "erase":
		side.remove(s.service.Ref())
	case "cut":
		side.Link().Cut()
	case "heal":
		side.Link().Heal()
	case "restart":
		w.sides[0].Link().Heal()
		w.sides[1].Link().Heal()
		w.bridge.stop()
		w.bridge = start(t, nil, w.rules, w.sides[0], w.sides[1])
	}
	pass(s.pause)
}

// content is what a mirror has of its original.
func content(s *catalog.Service) string {
	text := s.Alias
	for _, e := range s.Endpoints {
		text += fmt.Sprintf(" %s %s %v", e.ID, e.Host, e.Ready)
	}
	return text
}

// wrong compares one side with the model:
//
//	who wants a name          who else has it   what stands there of this bridge
//	nobody                    whoever           nothing, or a mirror that waits for its new name
//	an original               nobody            its mirror
//	several originals         nobody            a mirror of one of them
//	one original or several   somebody          the same, or nothing
//
// All else is as it was put there.
func (w *world) wrong(t *testing.T, at int) (all []string) {
	r, from := w.rules[1-at], w.theirs[1-at] // rules[0] writes to sides[1]
	named := map[catalog.Key]catalog.Key{}   // originals to the names that they want
	wanted := map[catalog.Key]map[catalog.Key]string{}
	for ref, is := range from {
		if ref.Owner != "" {
			continue
		}
		to := r.target(&catalog.Service{Key: ref.Key})
		named[ref.Key] = to
		if wanted[to] == nil {
			wanted[to] = map[catalog.Key]string{}
		}
		wanted[to][ref.Key] = is
	}
	others, found := map[catalog.Key]bool{}, map[catalog.Ref]bool{}
	for ref := range w.theirs[at] {
		others[ref.Key] = true
	}
	for _, s := range w.sides[at].holds(t) {
		found[s.Ref()] = true
		is := content(s)
		if s.Ref().Owner != "me" {
			if was, put := w.theirs[at][s.Ref()]; !put || is != was {
				all = append(all, fmt.Sprintf("of others: %s is %q, was put as %q", s.Ref().Key, is, was))
			}
			continue
		}
		want, known := wanted[s.Key][s.Mark.Key]
		to, waits := named[s.Mark.Key]
		switch {
		case known && is != want:
			all = append(all, fmt.Sprintf("the mirror %s of %s is %q, want %q", s.Key, s.Mark.Key, is, want))
		case !known && !(waits && (others[to] || len(wanted[to]) > 1)):
			all = append(all, fmt.Sprintf("the mirror %s of %s is wanted by nobody", s.Key, s.Mark.Key))
		}
	}
	for ref := range w.theirs[at] {
		if !found[ref] {
			all = append(all, fmt.Sprintf("of others: %v is gone", ref))
		}
	}
	for to := range wanted {
		if !found[catalog.Ref{Key: to, Owner: "me"}] && !others[to] {
			all = append(all, fmt.Sprintf("no mirror %s", to))
		}
	}
	slices.Sort(all)
	return all
}

func (w *world) written() int { return w.sides[0].written() + w.sides[1].written() }

// TestModel holds that two registries to which anything happens, with rules both
// ways, end as the model says, and that nothing is written from then on.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		all := steps().Draw(rt, "steps")
		naming := func(what string) registry.Naming {
			return rapid.SampledFrom([]registry.Naming{namingSame, {Namespace: "x", Name: "{service}"}, {Namespace: "n", Name: "{service}-{namespace}"}, {Namespace: "far", Name: "{service}-{namespace}"}}).Draw(rt, what)
		}
		rules := []*Rule{between("me", src, dst, naming("there")), between("me", dst, src, naming("back"))}
		for _, r := range rules {
			r.Namespaces = []string{"*"}
		}
		var wrong []string
		synctest.Test(t, func(t *testing.T) {
			wrong = run(t, rules, all)
		})
		if len(wrong) > 0 {
			rt.Fatalf("%s", strings.Join(wrong, "\n"))
		}
	})
}

// run returns what is wrong after all steps.
func run(t *testing.T, rules []*Rule, all []step) []string {
	w := &world{sides: [2]*store{newStore(t, src, ""), newStore(t, dst, "")}, rules: rules}
	w.theirs = [2]map[catalog.Ref]string{{}, {}}
	w.bridge = start(t, nil, rules, w.sides[0], w.sides[1])
	for _, s := range all {
		w.do(t, s)
	}
	w.sides[0].Link().Heal()
	w.sides[1].Link().Heal()
	pass(time.Hour)
	before := w.written()
	pass(time.Hour)
	wrong := append(w.wrong(t, 0), w.wrong(t, 1)...)
	if n := w.written() - before; n > 0 {
		wrong = append(wrong, fmt.Sprintf("%d services written at rest", n))
	}
	w.bridge.stop()
	return wrong
}
