package mirror

import (
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
)

// Status is what a rule's loop last made of the catalog. It is immutable.
type Status struct {
	Rule     string
	From, To catalog.Origin
	Blocked  string        // why nothing is written at all; "" if it may be
	Since    time.Time     // since when something is to be written; zero: the target is as it should be
	Same     int           // mirrors that are as they should be
	Pending  int           // changes to be written
	Held     []Finding     // deletions that wait, and for what
	Budget   string        // why the budget holds deletions; "" if it does not
	Fell     bool          // the source fell to nothing: time does not release what the budget holds
	Taken    []Finding     // names that somebody else has
	Refused  []Finding     // originals that cannot be mirrored
	Reduced  []Finding     // originals whose mirrors lack something of what they should be
	Failed   []Finding     // changes whose last write failed, and how
	Puts     int           // written since start
	Deletes  int           // written since start
	Lag      time.Duration // how long the last time took from a change to its echo
	Failure  *Failure      // the last write or claim that failed, also if it is over; nil: none since start
}

// Failure is what went wrong with a write, and when. A conflict is none: the plan
// was old.
type Failure struct {
	At     time.Time
	Target catalog.Key // the zero key: the claim of the owner's fence
	Why    string
}

// Settled reports whether the target is known and as the rule wants it, but for
// what is reported as held, taken or refused.
func (s *Status) Settled() bool { return s.Blocked == "" && s.Since.IsZero() }

func (p *Plan) held() []Finding {
	all := make([]Finding, len(p.Held))
	for i, c := range p.Held {
		all[i] = Finding{c.Original(), c.Ref().Key, c.Why}
		if c.replaces() { // then it waits for the sake of what is there
			all[i].Original = c.Found.Mark.Key
		}
	}
	return all
}

// news keeps what was said, so that each thing is said once.
type news map[Finding]bool

// update returns what is new among now and what is over.
func (n *news) update(now []Finding) (fresh, over []Finding) {
	if len(now)+len(*n) == 0 {
		return nil, nil
	}
	next := make(news, len(now))
	for _, f := range now {
		if !(*n)[f] && !next[f] {
			fresh = append(fresh, f)
		}
		next[f] = true
	}
	for f := range *n {
		if !next[f] {
			over = append(over, f)
		}
	}
	*n = next
	return fresh, over
}
