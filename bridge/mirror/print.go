package mirror

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/isthmus-dns/isthmus/catalog"
)

// line is one mirror of a plan as it is printed.
type line struct {
	Action   string `json:"action"` // put, replace, delete, hold, taken, refused, reduced
	Target   string `json:"target"`
	Original string `json:"original,omitempty"`
	Why      string `json:"why"`
}

// sign is the action in the text form.
func (l line) sign() string {
	switch l.Action {
	case "put":
		return "+"
	case "replace":
		return "~"
	case "delete":
		return "-"
	case "hold":
		return "="
	}
	return "!"
}

func lines(p *Plan) []line {
	all := []line{}
	for _, c := range p.Puts {
		action := "put"
		if c.Found != nil {
			action = "replace"
		}
		all = append(all, change(action, c))
	}
	for _, c := range p.Deletes {
		all = append(all, change("delete", c))
	}
	for _, c := range p.Held {
		all = append(all, change("hold", c))
	}
	for _, f := range p.Taken {
		all = append(all, finding("taken", f))
	}
	for _, f := range p.Refused {
		all = append(all, finding("refused", f))
	}
	for _, f := range p.Reduced {
		all = append(all, finding("reduced", f))
	}
	return all
}

func change(action string, c Change) line {
	return line{action, c.Ref().Key.String(), c.Original().String(), c.Why}
}

func finding(action string, f Finding) line {
	return line{action, keyText(f.Target), keyText(f.Original), f.Why}
}

// WriteText prints for people the rules with something to say, and a last line that sums up.
func WriteText(w io.Writer, plans []*Plan) error {
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	puts, deletes, held, not := 0, 0, 0, 0
	for _, p := range plans {
		puts, deletes, held = puts+len(p.Puts), deletes+len(p.Deletes), held+len(p.Held)
		not += len(p.Taken) + len(p.Refused)
		all := lines(p)
		if len(all) == 0 && p.Blocked == "" {
			continue
		}
		fmt.Fprintf(table, "%s -> %s: %d as they should be\n", p.Rule.From, p.Rule.To, p.Same)
		if p.Blocked != "" {
			fmt.Fprintf(table, "  nothing is written: %s\n", p.Blocked)
		}
		for _, l := range all {
			why := l.Why
			if l.sign() == "!" || l.Action == "hold" {
				why = l.Action + ": " + why
			}
			fmt.Fprintf(table, "  %s %s\t%s\t%s\n", l.sign(), l.Target, l.Original, why)
		}
	}
	switch {
	case puts+deletes+held > 0:
		fmt.Fprintf(table, "%d to put, %d to delete, %d held\n", puts, deletes, held)
	case not > 0:
		fmt.Fprintf(table, "nothing to do; %d not mirrored\n", not)
	default:
		fmt.Fprintln(table, "nothing to do")
	}
	return table.Flush()
}

// WriteJSON prints one object; its form is part of the program's contract.
func WriteJSON(w io.Writer, plans []*Plan) error {
	type rule struct {
		From    catalog.Origin `json:"from"`
		To      catalog.Origin `json:"to"`
		Blocked string         `json:"blocked,omitempty"`
		Budget  string         `json:"budget,omitempty"`
		Same    int            `json:"same"`
		Lines   []line         `json:"lines"`
	}
	out := struct {
		Rules []rule `json:"rules"`
	}{Rules: []rule{}}
	for _, p := range plans {
		out.Rules = append(out.Rules, rule{p.Rule.From, p.Rule.To, p.Blocked, p.Budget, p.Same, lines(p)})
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(out)
}
