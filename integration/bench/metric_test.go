package main

import "testing"

func TestSum(t *testing.T) {
	const text = `# HELP requests Counter
requests{code="200",resource="slices",verb="LIST"} 3
requests{code="200",resource="slices",verb="WATCHLIST"} 1e+01
requests{code="200",resource="slices",verb="LIST",zone="a"} 5
requests{code="200",subresource="slices",verb="LIST"} 7
requests_seconds{resource="slices",verb="LIST"} 9
`
	for _, tt := range []struct {
		labels []string
		want   float64
	}{
		{nil, 25},
		{[]string{`resource="slices"`}, 18},
		{[]string{`resource="slices"`, `verb="LIST"`}, 8},
		{[]string{`verb="DELETE"`}, 0},
	} {
		if got := sum(text, "requests", tt.labels...); got != tt.want {
			t.Errorf("sum(%q) = %v, want %v", tt.labels, got, tt.want)
		}
	}
}
