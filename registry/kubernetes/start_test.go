package kubernetes

import (
	"testing"
	"time"
)

// BenchmarkStart takes the world from what was decoded off the wire to the first
// report: what is kept of each object, the tables, and what the catalog makes of
// it.
func BenchmarkStart(b *testing.B) {
	services, slices := make([]any, worldServices), make([]any, worldServices)
	for i := range worldServices {
		services[i], slices[i] = worldService(i), worldSlice(i)
	}
	var heads, parts, first time.Duration
	b.ReportAllocs()
	for b.Loop() {
		v, _, sources := worldView(config{noPodNames: true})
		start := time.Now()
		list(&sources[0], worldServices, func(i int) any { return services[i] })
		heads += time.Since(start)
		start = time.Now()
		list(&sources[2], worldServices, func(i int) any { return slices[i] })
		parts += time.Since(start)
		start = time.Now()
		v.first()
		first += time.Since(start)
	}
	for unit, d := range map[string]time.Duration{"ms-services/op": heads, "ms-slices/op": parts, "ms-first/op": first} {
		b.ReportMetric(float64(d.Microseconds())/1000/float64(b.N), unit)
	}
}
