package main

import (
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
		"NOT TIMED: ptr: answers differ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the table (-want +got):\n%s", diff)
	}
}
