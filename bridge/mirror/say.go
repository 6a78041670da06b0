package mirror

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// sayings is what the log was told, each thing once a change of state.
type sayings struct {
	taken, refused, reduced, held, failed news
	blocked, budget                       string
	begun                                 bool // nothing was in the way once
}

// publish makes the status of a plan and logs what is new in it.
func (l *Loop) publish(p *Plan) {
	st := &Status{
		Rule: l.rule.String(), From: l.rule.From, To: l.rule.To,
		Blocked: p.Blocked, Since: l.since, Same: p.Same, Pending: len(p.Puts) + len(p.Deletes),
		Held: p.held(), Budget: p.Budget, Fell: p.Fell, Taken: p.Taken, Refused: p.Refused, Reduced: p.Reduced, Failed: l.failing(p),
		Puts: l.puts, Deletes: l.deletes, Lag: l.lag, Failure: l.failure,
	}
	if err := l.blockedBy(); err != nil && (st.Blocked == "" || l.target.Lost() != nil) {
		st.Blocked = err.Error()
	}
	l.last.Store(p)
	l.status.Store(st)
	l.say(st)
	l.announce(st)
}

// blockedBy returns what the target has against this owner writing at all.
func (l *Loop) blockedBy() error {
	if err := l.target.Lost(); err != nil {
		return err
	}
	return l.err
}

// failed takes note of a write that failed.
func (l *Loop) failed(o outcome) {
	if !errors.Is(o.Err, registry.ErrConflict) {
		l.failure = &Failure{At: time.Now(), Target: o.Ref().Key, Why: o.Err.Error()}
	}
}

// failing lists the changes whose last write failed. A conflict is no failure:
// the plan was old.
func (l *Loop) failing(p *Plan) []Finding {
	var all []Finding
	for _, list := range [][]Change{p.Puts, p.Deletes} {
		for _, c := range list {
			a := l.retries[c.Ref()]
			if a.err != nil && a.want == c.want && !errors.Is(a.err, registry.ErrConflict) {
				all = append(all, Finding{c.Original(), c.Ref().Key, a.err.Error()})
			}
		}
	}
	return all
}

func (l *Loop) say(st *Status) {
	if st.Blocked != l.said.blocked {
		l.said.blocked = st.Blocked
		l.sayBlocked(st)
	}
	if (st.Budget == "") != (l.said.budget == "") {
		if st.Budget != "" {
			l.log.Error("deletions held", "why", st.Budget, "until", l.rule.until(st.Fell))
		} else {
			l.log.Info("no deletions held by the budget any more")
		}
	}
	l.said.budget = st.Budget
	sayAll(l.log, &l.said.taken, "name taken", st.Taken)
	sayAll(l.log, &l.said.refused, "refused", st.Refused)
	sayAll(l.log, &l.said.reduced, "mirrored without something", st.Reduced)
	sayAll(l.log, &l.said.failed, "write failed, will retry", st.Failed)
	sayAll(l.log, &l.said.held, "deletion waits", withoutBudget(st))
}

// sayBlocked makes no fuss of a rule that did not begin yet, and some of one
// that never goes on by itself.
func (l *Loop) sayBlocked(st *Status) {
	level := slog.LevelWarn
	switch {
	case l.target.Lost() != nil:
		level = slog.LevelError
	case !l.said.begun && l.err == nil:
		level = slog.LevelInfo
	}
	if st.Blocked == "" {
		l.said.begun = true
		l.log.Info("writing")
		return
	}
	l.log.Log(context.Background(), level, "nothing is written", "why", st.Blocked)
}

// withoutBudget leaves out what the budget's own line said already.
func withoutBudget(st *Status) []Finding {
	var all []Finding
	for _, f := range st.Held {
		if f.Why != st.Budget {
			all = append(all, f)
		}
	}
	return all
}

func sayAll(log *slog.Logger, n *news, what string, now []Finding) {
	fresh, over := n.update(now)
	for _, f := range fresh {
		log.Warn(what, "target", keyText(f.Target), "original", keyText(f.Original), "why", f.Why)
	}
	for _, f := range over {
		log.Info("no longer: "+what, "target", keyText(f.Target), "original", keyText(f.Original))
	}
}

// keyText is "" for no key.
func keyText(k catalog.Key) string {
	if k == (catalog.Key{}) {
		return ""
	}
	return k.String()
}
