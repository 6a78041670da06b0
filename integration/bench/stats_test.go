package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestQuantile(t *testing.T) {
	values := []int{5, 1, 4, 2, 3}
	for _, tt := range []struct {
		q    float64
		want int
	}{{0, 1}, {0.2, 1}, {0.21, 2}, {0.5, 3}, {0.99, 5}, {1, 5}} {
		if got := quantile(values, tt.q); got != tt.want {
			t.Errorf("quantile(%v, %v) = %v, want %v", values, tt.q, got, tt.want)
		}
	}
	if want := []int{5, 1, 4, 2, 3}; !cmp.Equal(values, want) {
		t.Errorf("quantile() changed its values to %v", values)
	}
}

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		want   float64
	}{{[]float64{3}, 3}, {[]float64{4, 1}, 2.5}, {[]float64{9, 1, 2}, 2}} {
		if got := median(tt.values); got != tt.want {
			t.Errorf("median(%v) = %v, want %v", tt.values, got, tt.want)
		}
	}
}

// A machine that slows down halfway through changes neither ratio nor spread.
func TestPaired(t *testing.T) {
	ours, theirs := []float64{10, 10, 30, 30, 5}, []float64{20, 20, 60, 60, 5}
	want := ratio{Median: 0.5, Low: 0.5, High: 0.5, Pairs: 5}
	if got := paired(ours, theirs); got != want {
		t.Errorf("paired(%v, %v) = %+v, want %+v", ours, theirs, got, want)
	}
}

func TestQuantiles(t *testing.T) {
	var ours, theirs []float64
	for i := range 100 {
		ours, theirs = append(ours, float64(i+1)), append(theirs, float64(2*i+2))
	}
	got := quantiles(ours, theirs, 0.99)
	if got.Median != 0.5 || got.Low != 0.5 || got.High != 0.5 || got.Pairs != 100 {
		t.Errorf("quantiles() = %+v, want a half throughout", got)
	}
}
