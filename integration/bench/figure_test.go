package main

import "testing"

func TestJudge(t *testing.T) {
	runs := map[side][]float64{ours: {20, 20}, stock: {100, 80}, floor: {19, 17}}
	for _, tt := range []struct {
		name   string
		target target
		want   bool
	}{
		{"a quarter of stock", target{Against: stock, Times: 0.25}, true},
		{"a fifth of stock", target{Against: stock, Times: 0.2}, false},
		{"near the floor", target{Against: floor, Times: 1.15}, true},
		{"too much", target{Against: stock, Times: 0.25, AtMost: 19}, false},
		{"not measured", target{Against: "nobody", Times: 9}, false},
		{"no more than that", target{AtMost: 20}, true},
		{"more than that", target{AtMost: 19}, false},
		{"more than nothing", target{}, false},
	} {
		f := newFigure("row", bare, "name", "unit", runs).judge(&tt.target)
		if f.Met == nil || *f.Met != tt.want {
			t.Errorf("%s: %+v met = %v, want %v", tt.name, tt.target, f.Met, tt.want)
		}
	}
	if f := newFigure("row", bare, "name", "unit", runs).judge(nil); f.Met != nil || f.Target != nil {
		t.Errorf("without a target: %+v", f)
	}
}

func TestFiguresOfARow(t *testing.T) {
	row := queryRows()[0]
	runs := map[side][]sample{ours: {{cpu: 10, qps: 2}}, stock: {{cpu: 20, qps: 1}}, floor: {{cpu: 9, qps: 3, others: 0.5}}}
	bareFigures, others := row.figures(bare, runs), row.figures(kubeadm, runs)
	if len(bareFigures) != len(metrics()) || len(others) != len(metrics()) {
		t.Fatalf("%d and %d figures, want %d", len(bareFigures), len(others), len(metrics()))
	}
	f := bareFigures[0]
	if f.Values[ours] != 10 || f.Ratios[stock].Median != 0.5 || f.Met == nil || !*f.Met || f.Note == "" {
		t.Errorf("CPU in the bare chain: %+v", f)
	}
	if others[0].Target != nil || bareFigures[1].Target != nil {
		t.Error("only the CPU in the bare chain has a target")
	}
}
