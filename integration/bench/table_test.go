package main

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWriteTable(t *testing.T) {
	runs := map[side][]float64{ours: {10, 12}, stock: {20, 24}}
	r := report{World: "a world", Pairs: 2, Load: "0.00", Faults: []string{"ptr: answers differ"}, Figures: []figure{
		newFigure("clusterip", bare, "CPU per query", "us", runs).judge(&target{Against: stock, Times: 0.4}),
		newFigure("clusterip", bare, "queries", "1/s", map[side][]float64{ours: {12345}, stock: {123.45}}),
		newFigure("start", "", "to the first right answer", "ms", runs).judge(&target{Against: stock, Times: 1, AtMost: 170}),
	}}
	var b strings.Builder
	if err := r.writeTable(&b); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(b.String()) {
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	want := []string{
		"a world; 2 pairs, medians; a ratio is ours to theirs, with the quartiles of its pairs; load before: 0.00",
		"",
		"row chain figure ours stock base to stock to base target met",
		"clusterip bare CPU per query, us 11.00 22.00 - 0.500 (0.500-0.500) - <= 0.40 x stock NO",
		"queries, 1/s 12345 123.5 - 100.000 (100.000-100.000) - - -",
		"start to the first right answer, ms 11.00 22.00 - 0.500 (0.500-0.500) - <= 1.00 x stock, <= 170 yes",
		"",
		"NOT MEASURED: ptr: answers differ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the table (-want +got):\n%s", diff)
	}
}

// One row's fault is not the others', but for the end of all.
func TestReportAdd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var r report
	if err := r.add(ctx, "ptr", nil, errors.New("answers differ")); err != nil {
		t.Errorf("add() = %v, want the next row", err)
	}
	if err := r.add(ctx, "start", []figure{{Row: "start"}}, nil); err != nil {
		t.Errorf("add() = %v, want the next row", err)
	}
	cancel()
	if err := r.add(ctx, "relist", nil, ctx.Err()); !errors.Is(err, context.Canceled) {
		t.Errorf("add() = %v, want %v", err, context.Canceled)
	}
	if diff := cmp.Diff([]string{"ptr: answers differ"}, r.Faults); diff != "" || len(r.Figures) != 1 {
		t.Errorf("%d figures, faults (-want +got):\n%s", len(r.Figures), diff)
	}
}
