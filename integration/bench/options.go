package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// options are what people may choose.
type options struct {
	shape    shape
	pairs    int
	time     time.Duration // of one run of traffic
	settle   time.Duration // before memory counts as steady
	events   int           // whose propagation is timed, of each kind
	bridge   bridgeTimes
	only     selection
	json     bool
	dir      string   // of the world's data; empty: a temporary one
	profiles string   // folder for CPU profiles; empty: none
	given    programs // instead of those that would be built
}

// bridgeTimes are how much and how long the bridge is looked at.
type bridgeTimes struct {
	changes int           // that are timed, of each kind
	idle    time.Duration // whose CPU is counted
	quiet   time.Duration // in which nothing is written
	compare time.Duration // between comparisons of a bridge, meanwhile
}

const usage = `usage: bench [FLAG...]

Measures our CoreDNS against stock CoreDNS and against the constant-answer
plugin, on a real API server, the bridge between real registries, and prints
one table.

`

// parse reads the command line. Errors and help go to out.
func parse(args []string, out io.Writer) (o options, err error) {
	var quick bool
	var only, format, oursPath, stockPath string
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(out)
	f.Usage = func() { fmt.Fprint(out, usage); f.PrintDefaults() }
	f.BoolVar(&quick, "quick", false, "a small world, 2 pairs of 1s: for development, not for figures")
	f.IntVar(&o.pairs, "pairs", 12, "`N` pairs of runs for each row")
	f.DurationVar(&o.time, "time", 3*time.Second, "how long one run asks")
	f.StringVar(&only, "only", "", "only `ROW,...`, as the table calls them: clusterip, or clusterip/bare")
	f.StringVar(&format, "o", "table", "print a `FORMAT`: table or json")
	f.StringVar(&o.dir, "dir", "", "keep the API server's data in `DIR` and begin with what is there (default: a temporary one)")
	f.StringVar(&o.profiles, "profiles", "", "after each row, keep a CPU profile of each server in `DIR`")
	f.StringVar(&oursPath, "ours", "", "measure the CoreDNS at `PATH` as ours (default: build this tree's)")
	f.StringVar(&stockPath, "stock", "", "measure the CoreDNS at `PATH` as stock (default: build the pinned one)")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("bench: unexpected %q", f.Arg(0))
	}
	o.shape, o.settle, o.events = whole(), 30*time.Second, 1000
	o.bridge = bridgeTimes{changes: 300, idle: time.Minute, quiet: 5 * time.Minute, compare: time.Minute}
	if quick {
		o.shape, o.settle, o.events = small(), 3*time.Second, 100
		o.bridge = bridgeTimes{changes: 50, idle: 5 * time.Second, quiet: 15 * time.Second, compare: 5 * time.Second}
		unlessSet(f, "pairs", func() { o.pairs = 2 })
		unlessSet(f, "time", func() { o.time = time.Second })
	}
	if only != "" {
		o.only = strings.Split(only, ",")
	}
	o.json = format == "json"
	if o.given, err = absolute(programs{ours: oursPath, stock: stockPath}); err != nil {
		return o, err
	}
	return o, o.check(format)
}

// absolute returns given with paths that do not depend on the folder.
func absolute(given programs) (programs, error) {
	for s, path := range given {
		if path == "" {
			continue
		}
		abs, err := filepath.Abs(path)
		if err == nil {
			_, err = os.Stat(abs)
		}
		if err != nil {
			return nil, fmt.Errorf("bench: -%s: %w", s, err)
		}
		given[s] = abs
	}
	return given, nil
}

func unlessSet(f *flag.FlagSet, name string, do func()) {
	set := false
	f.Visit(func(one *flag.Flag) { set = set || one.Name == name })
	if !set {
		do()
	}
}

func (o options) check(format string) error {
	switch {
	case o.pairs < 1:
		return fmt.Errorf("bench: -pairs %d: at least one", o.pairs)
	case o.time <= 0:
		return fmt.Errorf("bench: -time %v: it must be positive", o.time)
	case format != "table" && format != "json":
		return fmt.Errorf("bench: -o %q: table or json", format)
	}
	if o.profiles != "" {
		if err := os.MkdirAll(o.profiles, 0o755); err != nil {
			return fmt.Errorf("bench: -profiles: %w", err)
		}
	}
	return o.only.check()
}
