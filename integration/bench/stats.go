package main

import (
	"math"
	"math/rand/v2"
	"slices"
)

// quantile returns the least of values that at least the part q of them does
// not exceed. values need not be sorted and stay as they are; there must be one.
func quantile[T int | int64 | uint32 | float64](values []T, q float64) T {
	sorted := slices.Sorted(slices.Values(values))
	i := int(math.Ceil(q*float64(len(sorted)))) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

// median returns the middle of values, of an even number the mean of the two.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// ratio is what pairs of runs say of one server against another: the median of
// the pairs' ratios, and between what the middle half of them lies.
type ratio struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`  // first quartile
	High   float64 `json:"high"` // third quartile
	Pairs  int     `json:"pairs"`
}

// paired returns the ratio of two equally long series, whose values of one
// index were measured side by side.
func paired(ours, theirs []float64) ratio {
	each := make([]float64, len(ours))
	for i := range ours {
		each[i] = ours[i] / theirs[i]
	}
	return ratio{Median: median(each), Low: quantile(each, 0.25), High: quantile(each, 0.75), Pairs: len(each)}
}

// quantiles returns the ratio of two series' quantiles, and between what the
// middle half of it lies when pairs are drawn again (bootstrap).
func quantiles(ours, theirs []float64, q float64) ratio {
	const draws = 200
	random := rand.New(rand.NewPCG(3, 4))
	a, b := make([]float64, len(ours)), make([]float64, len(ours))
	each := make([]float64, draws)
	for n := range each {
		for i := range a {
			k := random.IntN(len(ours))
			a[i], b[i] = ours[k], theirs[k]
		}
		each[n] = quantile(a, q) / quantile(b, q)
	}
	return ratio{
		Median: quantile(ours, q) / quantile(theirs, q),
		Low:    quantile(each, 0.25), High: quantile(each, 0.75), Pairs: len(ours),
	}
}
