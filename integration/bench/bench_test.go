package main

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"
)

// TestBench runs the whole machinery in a tiny world: every row is there, its
// answers were found equal, and nothing is zero. It says nothing of speed.
func TestBench(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	o := options{shape: shape{Namespaces: 2, Services: 10, Endpoints: 120}, pairs: 2, time: 100 * time.Millisecond, settle: time.Millisecond, events: 5,
		bridge: bridgeTimes{changes: 5, idle: time.Second, quiet: 3 * time.Second, compare: time.Second}}
	rep, err := benchmark(ctx, o, func(line string) { t.Log(line) })
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range rep.Faults {
		t.Error(fault)
	}
	lines := make(map[string]figure)
	for _, f := range rep.Figures {
		lines[f.Row+"/"+string(f.Chain)+"/"+f.Name] = f
	}
	for _, s := range stories() {
		for _, row := range s.rows {
			if !slices.ContainsFunc(rep.Figures, func(f figure) bool { return f.Row == row }) {
				t.Errorf("nothing about %q", row)
			}
		}
	}
	for _, f := range rep.Figures {
		if f.Chain == "" {
			checkFigure(t, f.Row+": "+f.Name, f, slices.Collect(maps.Keys(f.Values)), 0)
		}
	}
	for _, r := range queryRows() {
		for _, c := range []chain{bare, kubeadm} {
			for _, m := range metrics() {
				id := r.name + "/" + string(c) + "/" + m.name
				checkFigure(t, id, lines[id], r.sides(c), o.pairs)
			}
		}
	}
}

// checkFigure holds that a line has something of every side, from so many pairs;
// 0: from some.
func checkFigure(t *testing.T, id string, f figure, sides []side, pairs int) {
	t.Helper()
	for _, s := range sides {
		if f.Values[s] <= 0 && (f.Target == nil || *f.Target != target{}) {
			t.Errorf("%s: %s has %v, want more than nothing", id, s, f.Values[s])
		}
		if got := f.Ratios[s].Pairs; s != ours && (got == 0 || pairs > 0 && got != pairs) {
			t.Errorf("%s: %d pairs with %s, want %d", id, f.Ratios[s].Pairs, s, pairs)
		}
	}
	if (f.Target == nil) != (f.Met == nil) {
		t.Errorf("%s: target %v, met %v", id, f.Target, f.Met)
	}
}
