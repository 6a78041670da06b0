package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/isthmus-dns/isthmus/bridge"
)

func statusCommand() *cobra.Command {
	var bridgeAt running
	var output string
	cmd := &cobra.Command{
		Use:   "status {-conf FILE | -admin ADDRESS}",
		Short: "Show what a running bridge knows and does",
		Long: `Show what a running bridge knows and does.

The first table has the registries, the second the rules. Below it stands what is
not mirrored as it should be, one a line, the first 100 of each kind:

  =  a deletion that waits, with what it waits for
  !  not mirrored: the name is taken, or the target cannot hold it; or not all of it
  ?  a write that failed and is tried again, or the last one that failed
  o  an orphan: a mirror of ours that no rule wants any more, for "isthmus purge"
  x  a record of a registry that is left out

Exit status: 0 shown, whatever it says; 1 an error, such as no bridge there.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			body, err := bridgeAt.ask(cmd.Context(), http.MethodGet, "/status", nil)
			if err != nil {
				return err
			}
			if output == "json" {
				_, err := cmd.OutOrStdout().Write(body)
				return err
			}
			var r bridge.Report
			if err := json.Unmarshal(body, &r); err != nil {
				return fmt.Errorf("read the bridge's answer: %w", err)
			}
			return printStatus(cmd.OutOrStdout(), r)
		},
	}
	bridgeAt.flags(cmd)
	outputFlag(cmd, &output)
	return cmd
}

// printStatus prints a report for people.
func printStatus(w io.Writer, r bridge.Report) error {
	fmt.Fprintf(w, "bridge %s%s\n\n", r.Owner, leadState(r))
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "REGISTRY\tSTATE\tNEWS\tSERVICES\tNATIVE\tMIRRORS\tORPHANS\tREFUSED")
	for _, o := range r.Origins {
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\n", o.Origin, originState(o, r.Time), ago(o.News, r.Time), o.Services, o.Natives, o.Mirrors, o.Orphans.Count, o.Refused.Count)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print the status: %w", err)
	}
	fmt.Fprintln(w)
	fmt.Fprintln(table, "RULE\tSTATE\tSAME\tPENDING\tLAG\tHELD\tTAKEN\tREFUSED\tREDUCED\tFAILED\tPUTS\tDELETES")
	for _, u := range r.Rules {
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", u.Rule, ruleState(u), u.Same, u.Pending, seconds(u.Lag),
			u.Held.Count, u.Taken.Count, u.Refused.Count, u.Reduced.Count, u.Failed.Count, u.Puts, u.Deletes)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print the status: %w", err)
	}
	return printDetails(w, r)
}

// leadState says who leads, where somebody is elected.
func leadState(r bridge.Report) string {
	l := r.Lead
	since := ""
	if !l.Since.IsZero() {
		since = " for " + r.Time.Sub(l.Since).Round(time.Second).String()
	}
	switch {
	case l.Election == "none" || l.Election == "":
		return ""
	case l.Leads:
		return fmt.Sprintf(", leads%s by %s, as %s", since, l.Election, l.Name)
	case l.Error != "":
		return fmt.Sprintf(", standby%s by %s: %s", since, l.Election, oneLine(l.Error))
	case l.Leader == "" || l.Leader == l.Name:
		return fmt.Sprintf(", standby%s by %s, nobody leads", since, l.Election)
	}
	return fmt.Sprintf(", standby%s by %s, %s leads", since, l.Election, oneLine(l.Leader))
}

func originState(o bridge.OriginReport, now time.Time) string {
	since := ""
	if !o.Since.IsZero() {
		since = " for " + now.Sub(o.Since).Round(time.Second).String()
	}
	switch {
	case o.Connected && !o.Synced:
		return "being read" + since
	case o.Connected:
		return "connected" + since
	case o.Synced:
		return "lost" + since
	}
	return "never reached"
}

func ruleState(u bridge.RuleReport) string {
	switch {
	case strings.HasPrefix(u.Blocked, "standing by"):
		return "standby"
	case u.Blocked != "":
		return "blocked"
	case u.Failed.Count > 0:
		return "failing"
	case u.Pending > 0:
		return "writing"
	case u.Budget != "":
		return "held"
	}
	return "settled"
}

func ago(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return now.Sub(t).Round(time.Second).String() + " ago"
}

func seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(time.Millisecond).String()
}

// printDetails prints what wants somebody's attention; nothing where nothing does.
func printDetails(w io.Writer, r bridge.Report) error {
	details := bytes.NewBufferString("\n")
	table := tabwriter.NewWriter(details, 0, 8, 2, ' ', 0)
	for _, o := range r.Origins {
		printOrigin(table, o)
	}
	for _, u := range r.Rules {
		printRule(table, u)
	}
	if err := table.Flush(); err != nil || details.Len() == 1 {
		return err
	}
	if _, err := details.WriteTo(w); err != nil {
		return fmt.Errorf("print the status: %w", err)
	}
	return nil
}

func printOrigin(w io.Writer, o bridge.OriginReport) {
	note(w, "%s: %s", string(o.Origin), o.Error)
	note(w, "%s may hold more than could be read: %s", string(o.Origin), o.Partial)
	printFindings(w, string(o.Origin), "o", "orphan", o.Orphans)
	for _, f := range o.Refused.Records {
		fmt.Fprintf(w, "%s: x %s\t\tleft out: %s\n", o.Origin, oneLine(f.Record), oneLine(f.Why))
	}
	more(w, string(o.Origin), "x", o.Refused.Count-len(o.Refused.Records))
}

func printFindings(w io.Writer, subject, sign, what string, all bridge.Findings) {
	for _, f := range all.List {
		fmt.Fprintf(w, "%s: %s %s\t%s\t%s: %s\n", subject, sign, oneLine(f.Target), oneLine(f.Original), what, oneLine(f.Why))
	}
	more(w, subject, sign, all.Count-len(all.List))
}

func printRule(w io.Writer, u bridge.RuleReport) {
	note(w, "%s: nothing is written: %s", u.Rule, u.Blocked)
	note(w, "%s: deletions held: %s", u.Rule, u.Budget)
	printFindings(w, u.Rule, "=", "held", u.Held)
	printFindings(w, u.Rule, "!", "taken", u.Taken)
	printFindings(w, u.Rule, "!", "refused", u.Refused)
	printFindings(w, u.Rule, "!", "reduced", u.Reduced)
	printFindings(w, u.Rule, "?", "failed", u.Failed)
	if e := u.Error; e != nil {
		fmt.Fprintf(w, "%s: ? %s\t\tlast error, at %s: %s\n", u.Rule, e.Target, e.Time.UTC().Format(time.RFC3339), oneLine(e.Why))
	}
}

// note prints a line with why in it, unless there is no why.
func note(w io.Writer, format, subject, why string) {
	if why != "" {
		fmt.Fprintf(w, format+"\n", subject, oneLine(why))
	}
}

func more(w io.Writer, subject, sign string, n int) {
	if n > 0 {
		fmt.Fprintf(w, "%s: %s and %d more\n", subject, sign, n)
	}
}

// oneLine is text that a registry's users had a hand in, as a terminal may have it: what
// it does not show, or turns others around, is left out.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
}
