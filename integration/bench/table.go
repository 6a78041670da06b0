package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
)

// report is all that was found, and where.
type report struct {
	World   string   `json:"world"`
	Pairs   int      `json:"pairs"`
	Load    string   `json:"load"` // of the machine, before
	Figures []figure `json:"figures"`
	Faults  []string `json:"faults,omitempty"` // rows without figures, and why: answers that differ, above all
}

// add takes a row's figures, or why there are none: the other rows go on. Only
// the end of ctx is returned.
func (r *report) add(ctx context.Context, row string, figures []figure, err error) error {
	r.Figures = append(r.Figures, figures...)
	if err != nil && ctx.Err() == nil {
		r.Faults = append(r.Faults, fmt.Sprintf("%s: %v", row, err))
	}
	return ctx.Err()
}

func (r report) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// writeTable prints one line a figure. A row's name stands on its first line.
func (r report) writeTable(w io.Writer) error {
	fmt.Fprintf(w, "%s; %d pairs, medians; a ratio is ours to theirs, with the quartiles of its pairs; load before: %s\n\n", r.World, r.Pairs, r.Load)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "row\tchain\tfigure\tours\tstock\tbase\tto stock\tto base\ttarget\tmet\t")
	last := ""
	for _, f := range r.Figures {
		row, c := f.Row, string(f.Chain)
		if row+c == last {
			row, c = "", ""
		} else {
			last = row + c
		}
		fmt.Fprintf(t, "%s\t%s\t%s, %s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", row, c, f.Name, f.Unit,
			f.value(ours), f.value(stock), f.value(f.base()), f.ratio(stock), f.ratio(f.base()), f.Target, f.met(), f.Note)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, fault := range r.Faults {
		fmt.Fprintf(w, "\nNOT MEASURED: %s\n", fault)
	}
	return nil
}

// base is whom f compares with besides stock.
func (f figure) base() side {
	for _, s := range []side{alone, cache} {
		if _, found := f.Values[s]; found {
			return s
		}
	}
	return floor
}

func (f figure) value(s side) string {
	v, ok := f.Values[s]
	switch {
	case !ok:
		return "-"
	case v >= 1000:
		return fmt.Sprintf("%.0f", v)
	case v >= 100:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func (f figure) ratio(s side) string {
	r, ok := f.Ratios[s]
	if !ok {
		return "-"
	}
	return fmt.Sprintf("%.3f (%.3f-%.3f)", r.Median, r.Low, r.High)
}

// String tells the target as the table shows it.
func (t *target) String() string {
	switch {
	case t == nil:
		return "-"
	case t.Against == "":
		return fmt.Sprintf("<= %v", t.AtMost)
	case t.AtMost > 0:
		return fmt.Sprintf("<= %.2f x %s, <= %.0f", t.Times, t.Against, t.AtMost)
	}
	return fmt.Sprintf("<= %.2f x %s", t.Times, t.Against)
}

func (f figure) met() string {
	switch {
	case f.Met == nil:
		return "-"
	case *f.Met:
		return "yes"
	}
	return "NO"
}
