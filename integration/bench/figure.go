package main

// figure is one line of the table: what the servers needed or gave, and how
// ours stands to the others.
type figure struct {
	Row    string           `json:"row"`
	Chain  chain            `json:"chain,omitempty"`
	Name   string           `json:"figure"`
	Unit   string           `json:"unit"`
	Values map[side]float64 `json:"values"` // medians of all runs
	Ratios map[side]ratio   `json:"ratios"` // ours to that one's, of pairs of runs
	Target *target          `json:"target,omitempty"`
	Met    *bool            `json:"met,omitempty"` // with a Target
	Note   string           `json:"note,omitempty"`
}

// newFigure makes a figure of runs, of which those with one index belong
// together.
func newFigure(row string, c chain, name, unit string, runs map[side][]float64) figure {
	f := figure{Row: row, Chain: c, Name: name, Unit: unit, Values: map[side]float64{}, Ratios: map[side]ratio{}}
	for s, values := range runs {
		f.Values[s] = median(values)
		if s != ours {
			f.Ratios[s] = paired(runs[ours], values)
		}
	}
	return f
}

// single makes a figure of one value of ours, which is to be at most so much.
func single(row, name, unit string, value float64, atMost float64) figure {
	return plain(row, name, unit, value).judge(&target{AtMost: atMost})
}

// plain makes a figure of one value of ours without a target.
func plain(row, name, unit string, value float64) figure {
	return figure{Row: row, Name: name, Unit: unit, Values: map[side]float64{ours: value}}
}

// judge sets the target, and whether it is met.
func (f figure) judge(t *target) figure {
	if t == nil {
		return f
	}
	f.Target = t
	if t.Against == "" {
		f.Met = new(f.Values[ours] <= t.AtMost)
		return f
	}
	r, measured := f.Ratios[t.Against]
	f.Met = new(measured && r.Median <= t.Times && (t.AtMost == 0 || f.Values[ours] <= t.AtMost))
	return f
}

// sample is what one run of traffic says of one server.
type sample struct {
	cpu      float64 // microseconds a query
	qps      float64
	p50, p99 float64 // microseconds
	memory   memory
	others   float64 // part of the server's core that others used, of the host's other guests too
}

// metrics are the figures of a row of queries, in the table's order.
func metrics() []struct {
	name, unit string
	of         func(sample) float64
} {
	return []struct {
		name, unit string
		of         func(sample) float64
	}{
		{"CPU per query", "us", func(s sample) float64 { return s.cpu }},
		{"queries", "1/s", func(s sample) float64 { return s.qps }},
		{"latency p50", "us", func(s sample) float64 { return s.p50 }},
		{"latency p99", "us", func(s sample) float64 { return s.p99 }},
		{"resident memory", "MiB", func(s sample) float64 { return s.memory.resident }},
		{"peak since start", "MiB", func(s sample) float64 { return s.memory.peak }},
	}
}

// figures makes the lines of r in a chain.
func (r queryRow) figures(c chain, runs map[side][]sample) []figure {
	var all []figure
	for i, m := range metrics() {
		values := make(map[side][]float64)
		for s, samples := range runs {
			for _, one := range samples {
				values[s] = append(values[s], m.of(one))
			}
		}
		f := newFigure(r.name, c, m.name, m.unit, values)
		if i == 0 && c == bare {
			f = f.judge(r.target)
		}
		if i == 0 {
			f.Note = disturbance(runs)
		}
		all = append(all, f)
	}
	return all
}
