package main

import (
	"strconv"
	"strings"
)

// sum adds up the values of a metric, in Prometheus's text form, over all of its
// series that have the labels, each written NAME="VALUE".
func sum(text, metric string, labels ...string) (total float64) {
	for line := range strings.Lines(text) {
		series, value, found := strings.Cut(strings.TrimSpace(line), "} ")
		rest, named := strings.CutPrefix(series, metric+"{")
		if !found || !named || !hasAll(rest, labels) {
			continue
		}
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			total += v
		}
	}
	return total
}

func hasAll(series string, labels []string) bool {
	for _, l := range labels {
		if !strings.Contains(","+series+",", ","+l+",") {
			return false
		}
	}
	return true
}
