package differential

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// tally counts.
type tally struct {
	mu        sync.Mutex // guards the tally that those of workers are added to
	answers   int        // compared
	equal     int
	truncated int
	asides    int // asked besides, to explain
	failed    int
	cells     map[string]int // answers by shape and type
	modes     map[mode]int
	variants  map[string]int
	explained map[string]int // by row
}

func newTally() *tally {
	return &tally{cells: map[string]int{}, modes: map[mode]int{}, variants: map[string]int{}, explained: map[string]int{}}
}

func cell(shape string, typ uint16) string { return shape + " " + dns.Type(typ).String() }

func (c *tally) count(q question) {
	c.answers++
	c.cells[cell(q.shape, q.typ)]++
	c.modes[q.mode]++
	c.variants[q.v.name]++
}

// fails counts a failure, and reports whether it is worth showing.
func (c *tally) fails() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed++
	return c.failed <= maxFailing
}

func (c *tally) goesOn() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed < maxFailing
}

func (c *tally) add(o *tally) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answers += o.answers
	c.equal += o.equal
	c.truncated += o.truncated
	c.asides += o.asides
	sum(c.cells, o.cells)
	sum(c.modes, o.modes)
	sum(c.variants, o.variants)
	sum(c.explained, o.explained)
}

func sum[K comparable](to, from map[K]int) {
	for k, n := range from {
		to[k] += n
	}
}

func (c *tally) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d equal, %d truncated over UDP", c.equal, c.truncated)
	for _, name := range slices.Sorted(maps.Keys(c.explained)) {
		fmt.Fprintf(&b, "\n%8d %s", c.explained[name], name)
	}
	for _, name := range slices.Sorted(maps.Keys(c.variants)) {
		fmt.Fprintf(&b, "\n%8d asked of variant %s", c.variants[name], name)
	}
	return b.String()
}

// check holds that all was asked often enough, and that each row of the table
// is there for something.
func (c *tally) check(t *testing.T) {
	t.Helper()
	for _, s := range shapes() {
		for _, typ := range types() {
			if n := c.cells[cell(s.name, typ)]; n < 200 {
				t.Errorf("shape %q was asked for type %s %d times, at least 200", s.name, dns.Type(typ), n)
			}
		}
	}
	for _, m := range modes() {
		if c.modes[m] < 1000 {
			t.Errorf("%d questions over %s, at least 1000", c.modes[m], m)
		}
	}
	for _, row := range differences() {
		if c.explained[row.name] == 0 && (row.shows == nil || row.shows()) {
			t.Errorf("difference %q explained nothing: is it still one?", row.name)
		}
	}
}
