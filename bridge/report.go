package bridge

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/isthmus-dns/isthmus/bridge/mirror"
	"github.com/isthmus-dns/isthmus/catalog"
)

// shown is how many of a list a Report shows; it counts all.
const shown = 100

// Report is what a bridge last knew of everything, as the page /status serves
// it. Its form is part of the program's contract: fields are added, not changed.
type Report struct {
	Owner   string         `json:"owner"`
	Time    time.Time      `json:"time"`
	Lead    LeadStatus     `json:"lead"`
	Origins []OriginReport `json:"origins"` // in the order of the file
	Rules   []RuleReport   `json:"rules"`   // in the order of the file
}

// OriginReport is what is known of one registry.
type OriginReport struct {
	Origin    catalog.Origin   `json:"origin"`
	Identity  catalog.Identity `json:"identity,omitempty"` // what it says it is
	Synced    bool             `json:"synced"`             // it reported everything since start
	Connected bool             `json:"connected"`
	Since     time.Time        `json:"since,omitzero"` // since when it is connected, or not
	Error     string           `json:"error,omitempty"`
	Partial   string           `json:"partial,omitempty"` // why it may hold more than could be read
	News      time.Time        `json:"news,omitzero"`     // when it was last heard of
	Services  int              `json:"services"`          // all of the following two
	Natives   int              `json:"natives"`
	Mirrors   int              `json:"mirrors"` // of any owner
	Missed    int              `json:"missed"`  // changes that only a comparison found
	Refused   Refused          `json:"refused"` // records that are left out
	Orphans   Findings         `json:"orphans"` // mirrors of this owner that no rule wants any more
}

// Refused are records of a registry that are left out, and why.
type Refused struct {
	Count   int             `json:"count"`
	Records []RefusedRecord `json:"records"` // the first by name
}

// RefusedRecord is one of them.
type RefusedRecord struct {
	Record string `json:"record"`
	Why    string `json:"why"`
}

// RuleReport is what one rule makes of it.
type RuleReport struct {
	Rule    string         `json:"rule"` // FROM:TO
	From    catalog.Origin `json:"from"`
	To      catalog.Origin `json:"to"`
	Blocked string         `json:"blocked,omitempty"`   // why nothing is written at all
	Same    int            `json:"same"`                // mirrors that are as they should be
	Pending int            `json:"pending"`             // changes to be written
	Lag     float64        `json:"lag_seconds"`         // age of the oldest of them
	Last    float64        `json:"last_change_seconds"` // what the last change took, until its echo
	Puts    int            `json:"puts"`                // since start
	Deletes int            `json:"deletes"`             // since start
	Budget  string         `json:"budget,omitempty"`    // why the budget holds deletions
	Held    Findings       `json:"held"`
	Taken   Findings       `json:"taken"`
	Refused Findings       `json:"refused"`
	Reduced Findings       `json:"reduced"` // mirrored without something
	Failed  Findings       `json:"failed"`  // changes whose last write failed
	Error   *Failure       `json:"last_error,omitempty"`
}

// Findings are originals that are not mirrored as a rule wants, and why.
type Findings struct {
	Count int       `json:"count"`
	List  []Finding `json:"list"` // the first by target
}

// Finding is one of them. Without an original it is about the target itself.
type Finding struct {
	Original string `json:"original,omitempty"`
	Target   string `json:"target"`
	Why      string `json:"why"`
}

// Failure is the last write that failed, also where a later one did not. Without
// a target it is the claim of the owner's fence.
type Failure struct {
	Time   time.Time `json:"time"`
	Target string    `json:"target,omitempty"`
	Why    string    `json:"why"`
}

// Report may be called at any time, from any goroutine; it waits for nobody.
func (b *Bridge) Report() Report {
	s, now := b.catalog.Snapshot(), time.Now()
	r := Report{Owner: b.config.Owner, Time: now, Lead: b.leadStatus()}
	for _, st := range s.Origins() {
		r.Origins = append(r.Origins, reportOrigin(s, st, orphans(s, b.config, st.Origin)))
	}
	for _, l := range b.loops {
		r.Rules = append(r.Rules, reportRule(r.Lead.rule(l.Status()), now))
	}
	return r
}

func reportOrigin(s *catalog.Snapshot, st catalog.State, orphans []mirror.Finding) OriginReport {
	o := OriginReport{
		Origin: st.Origin, Identity: st.Identity, Synced: st.Synced, Connected: st.Connected, Since: st.Since,
		Error: text(st.Err), Partial: text(st.Partial), News: st.News, Services: st.Services, Missed: st.Missed,
		Refused: reportRefused(s, st), Orphans: findings(orphans),
	}
	for e := range s.Entries(st.Origin) {
		if e.Mark() == nil {
			o.Natives++
		} else {
			o.Mirrors++
		}
	}
	return o
}

func reportRefused(s *catalog.Snapshot, st catalog.State) Refused {
	r := Refused{Count: st.Refused, Records: []RefusedRecord{}}
	for name, err := range s.Refused(st.Origin) {
		r.Records = append(r.Records, RefusedRecord{name, err.Error()})
	}
	slices.SortFunc(r.Records, func(a, b RefusedRecord) int { return cmp.Compare(a.Record, b.Record) })
	r.Records = r.Records[:min(len(r.Records), shown)]
	return r
}

func reportRule(st *mirror.Status, now time.Time) RuleReport {
	r := RuleReport{
		Rule: st.Rule, From: st.From, To: st.To, Blocked: st.Blocked, Same: st.Same, Pending: st.Pending,
		Lag: lag(st.Since, now), Last: st.Lag.Seconds(), Puts: st.Puts, Deletes: st.Deletes, Budget: st.Budget,
		Held: findings(st.Held), Taken: findings(st.Taken), Refused: findings(st.Refused), Reduced: findings(st.Reduced), Failed: findings(st.Failed),
	}
	if f := st.Failure; f != nil {
		r.Error = &Failure{Time: f.At, Target: keyText(f.Target), Why: f.Why}
	}
	return r
}

// orphans lists the mirrors at o that no rule wants any more.
func orphans(s *catalog.Snapshot, c *Config, o catalog.Origin) []mirror.Finding {
	var all []mirror.Finding
	for _, m := range mirror.Orphans(s, c.Rules, c.Owner, o) {
		all = append(all, mirror.Finding{Original: m.Mark.Key, Target: m.Key, Why: fmt.Sprintf("no rule mirrors from %q to here", string(mirror.ReadFrom(m.Mark)))})
	}
	return all
}

func findings(all []mirror.Finding) Findings {
	f := Findings{Count: len(all), List: []Finding{}}
	for _, one := range all[:min(len(all), shown)] {
		f.List = append(f.List, Finding{keyText(one.Original), keyText(one.Target), one.Why})
	}
	return f
}

// keyText is "" for no key.
func keyText(k catalog.Key) string {
	if k == (catalog.Key{}) {
		return ""
	}
	return k.String()
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
