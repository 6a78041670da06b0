package mirror

import (
	"fmt"
	"slices"

	"github.com/isthmus-dns/isthmus/catalog"
)

// blocked returns why nothing at all may be written for r now, or "".
func blocked(s *catalog.Snapshot, r *Rule, others []Other) string {
	from, to := s.State(r.From), s.State(r.To)
	switch {
	case !to.Synced:
		return fmt.Sprintf("%s is not synced yet", r.To)
	case !to.Connected:
		return fmt.Sprintf("%s is not connected: %v", r.To, to.Err)
	case from.Identity == "":
		return fmt.Sprintf("%s is not known yet", r.From)
	case from.Identity == to.Identity:
		return fmt.Sprintf("%s and %s are the same registry", r.From, r.To)
	}
	for _, o := range others {
		if other := o.Rule.From; s.State(other).Identity == from.Identity {
			return fmt.Sprintf("%s and %s are the same registry: mirror it to %s by one rule, or by two bridges with owners of their own", min(r.From, other), max(r.From, other), r.To)
		}
	}
	for _, st := range []catalog.State{from, to} {
		if st.Another {
			return fmt.Sprintf("%s is another registry than it was, and was not read since", st.Origin)
		}
	}
	return ""
}

// blind returns why nothing may be deleted for r now, or "".
func blind(s *catalog.Snapshot, r *Rule, others []Other) string {
	from, to := s.State(r.From), s.State(r.To)
	switch {
	case !from.Synced:
		return fmt.Sprintf("%s is not synced yet", r.From)
	case !from.Connected:
		return fmt.Sprintf("%s is not connected", r.From)
	case from.Partial != nil:
		return fmt.Sprintf("%s may hold more than could be read: %v", r.From, from.Partial)
	case !to.Connected:
		return fmt.Sprintf("%s is not connected", r.To)
	}
	for _, o := range others {
		other := o.Rule.From
		switch of := s.State(other).Identity; {
		case of == from.Identity:
			return fmt.Sprintf("its original may be at %s, the same registry", other)
		case of == "" && other.Type() == r.From.Type():
			return fmt.Sprintf("%s is not known yet, and may be the same registry as %s", other, r.From)
		}
	}
	return ""
}

// holdBlind holds back every loss for the reason why, unless it is "": that of a
// mirror, of its last instance, and of its name to another original, since its own
// may be there and not be seen.
func (p *Plan) holdBlind(why string) {
	if why == "" {
		return
	}
	p.hold(func(c Change) bool { return c.Want == nil && !c.meant || c.loss() != Loss{} }, why, false)
}

// holdBudget holds back the losses that nobody released if together with what
// was spent they are more than the limit allows, and those that a second look
// denied in any case: what is known of their source is wrong then.
func (p *Plan) holdBudget(w *Wanted, total int, b Budget) {
	counts := func(c Change) bool { return c.loss() != Loss{} && !b.Released[c.Ref()] }
	loss, denied := b.Spent, 0
	for _, c := range slices.Concat(p.Puts, p.Deletes) {
		if counts(c) && !b.Unsure[c.try()] {
			loss = loss.plus(c.loss())
		}
		if counts(c) && b.Denied[c.Ref()] {
			denied++
		}
	}
	limit := w.Rule.Limit
	switch {
	case loss != b.Spent && limit.exceeded(loss, total+b.Spent.Instances):
		p.Budget = fmt.Sprintf("%d services with %d of %d instances would go; the limit is %d services or %d %%",
			loss.Services, loss.Instances, total+b.Spent.Instances, limit.Services, limit.Percent)
	case denied > 0:
		p.Budget = fmt.Sprintf("%d services would go that a second read of %s still had", denied, w.Rule.From)
		all := counts
		counts = func(c Change) bool { return all(c) && b.Denied[c.Ref()] }
	default:
		return
	}
	if p.Fell = w.Natives == 0; p.Fell {
		p.Budget += fmt.Sprintf("; %s fell to nothing", w.Rule.From)
	}
	p.hold(counts, p.Budget, true)
}

// overBudget lists what the budget holds.
func (p *Plan) overBudget() []catalog.Ref {
	var refs []catalog.Ref
	for _, c := range p.Held {
		if c.over {
			refs = append(refs, c.Ref())
		}
	}
	return refs
}

// until says what lets go what the budget holds. fell: the source fell to nothing.
func (r *Rule) until(fell bool) string {
	people := fmt.Sprintf("the source has them again, or they are approved: isthmus approve %s", r)
	if fell || r.Hold == 0 {
		return people
	}
	return fmt.Sprintf("a second read of the source agrees, %s from now, or %s", r.Hold, people)
}

// hold moves the changes that match into Held.
func (p *Plan) hold(match func(Change) bool, why string, over bool) {
	for _, list := range []*[]Change{&p.Puts, &p.Deletes} {
		*list = slices.DeleteFunc(*list, func(c Change) bool {
			if !match(c) {
				return false
			}
			c.Why, c.over = why, over
			p.Held = append(p.Held, c)
			return true
		})
	}
}
