package mirror

import (
	"fmt"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// Tell leaves a notice at an origin. It does not block.
type Tell func(o catalog.Origin, n registry.Notice)

// Announce says whom to tell what the owners of services should know, each thing
// once when it begins to hold. It is called before Run.
func (l *Loop) Announce(tell Tell) { l.tell = tell }

// announced is what the owners of services were told.
type announced struct{ taken, refused, held news }

// announce tells those at the source about their services, and those at the target
// about names and mirrors there. That a deletion waits for a registry is nothing
// that they could change; nor can they who have no service.
func (l *Loop) announce(st *Status) {
	if l.tell == nil {
		return
	}
	fresh, _ := l.told.taken.update(st.Taken)
	for _, f := range fresh {
		l.notice(l.rule.From, f.Original, registry.NameTaken, "not mirrored to %s as %q: %s", l.rule.To, f.Target, f.Why)
		l.notice(l.rule.To, f.Target, registry.NameTaken, "%s %q is not mirrored here: %s", l.rule.From, f.Original, f.Why)
	}
	fresh, _ = l.told.refused.update(st.Refused)
	for _, f := range fresh {
		l.notice(l.rule.From, f.Original, registry.RecordRefused, "not mirrored to %s as %q: %s", l.rule.To, f.Target, f.Why)
	}
	fresh, _ = l.told.held.update(overBudget(st, l.told.held))
	for _, f := range fresh {
		l.notice(l.rule.From, f.Original, registry.DeletionHeld, "its mirror %q at %s stays until \"isthmus approve %s\": too many would go", f.Target, l.rule.To, l.rule)
		l.notice(l.rule.To, f.Target, registry.DeletionHeld, "%s no longer has it as %q; it stays until \"isthmus approve %s\": too many would go", l.rule.From, f.Original, l.rule)
	}
}

func (l *Loop) notice(o catalog.Origin, k catalog.Key, reason registry.Reason, format string, args ...any) {
	if k.Name != "" {
		l.tell(o, registry.Notice{Key: k, Reason: reason, Text: fmt.Sprintf(format, args...)})
	}
}

// overBudget lists what the budget holds, without its numbers, which change; and
// what it held until something else came in the way.
func overBudget(st *Status, before news) []Finding {
	var all []Finding
	for _, f := range st.Held {
		over := f.Why == st.Budget
		if f.Why = ""; over || before[f] {
			all = append(all, f)
		}
	}
	return all
}
