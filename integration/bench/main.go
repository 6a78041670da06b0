// Command bench measures our CoreDNS against stock CoreDNS, and both against
// what CoreDNS costs with a plugin that looks nothing up.
//
// It builds the three programs, starts a real API server, fills it, and prints
// one table: a line a figure, with the target and whether it is met.
//
// # How it measures
//
//   - Answers come first. Both servers are asked every query of a row, and what
//     they say must be equal but for the order of records. A row whose answers
//     differ is not timed, and the command fails in the end.
//   - Every DNS server has one core and one thread of Go; the traffic, the API
//     server and this command share another core. For rows of the bridge
//     everything may use both cores.
//   - Runs come in pairs, half of them backwards (ABBA BAAB). What is compared is
//     the ratio within a pair: a machine that gets slower changes both.
//   - What counts is CPU time per answer, user and kernel, as the kernel counts
//     it. Rates and latencies are those of a closed loop of 96 queries, which
//     keeps the server saturated: they say little while others use its core.
//   - Over UDP nobody who waits for an answer sleeps. To wake him is an interrupt to
//     the other core, which the server would pay for, a slow one more often.
//   - Every answer of every run is checked: id, rcode, truncation, count.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// errMissing says that some rows have no figures.
var errMissing = errors.New("bench: not every row was measured")

// run is the command: the table to out, the progress to progress.
func run(ctx context.Context, args []string, out, progress io.Writer) error {
	o, err := parse(args, progress)
	if err != nil {
		return err
	}
	rep, err := benchmark(ctx, o, func(line string) { fmt.Fprintln(progress, line) })
	if len(rep.Faults) > 0 {
		err = errors.Join(err, errMissing)
	}
	if len(rep.Figures) == 0 && len(rep.Faults) == 0 {
		return err
	}
	if o.json { // what was measured before an error, too
		return errors.Join(err, rep.writeJSON(out))
	}
	return errors.Join(err, rep.writeTable(out))
}
