package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/isthmus-dns/isthmus/bridge"
	"github.com/isthmus-dns/isthmus/bridge/mirror"
	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry/all"
)

// purging is what the flags of purge say.
type purging struct {
	file, output string
	dryRun, yes  bool
	of           []string
	purge        bridge.Purge
	in           io.Reader
	terminal     bool // in is one
	out, err     io.Writer
}

func purgeCommand() *cobra.Command {
	p := purging{}
	cmd := &cobra.Command{
		Use:   "purge -conf FILE [REGISTRY...]",
		Short: "Remove the mirrors of the file's owner from its registries",
		Long: `Remove the mirrors of the file's owner from every registry in it that can be
written to, or from those that are named, as consul/dc1. Each is removed on condition
that it is as it was read, and by the owner's fence, which has to name a source of the
file's rules: mirrors of another bridge that uses the same owner name stay.

Stop the bridge first: one that still runs writes nothing more once its mirrors are
purged. With -orphans only mirrors go that no rule of the file wants any more, as
those from a registry that left the file; then the bridge may go on.

What would go is listed on standard output. It goes if that is confirmed on a
terminal, or with -yes. Other mirrors of a registry that is gone for good are named by
-of, with the identity that the list shows or "isthmus status -o json" told.

Exit status: 0 removed, or nothing was there; 1 an error, something is left over, or
not confirmed; 2 with -dry-run: something would go.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			p.in, p.out, p.err = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
			p.terminal = isTerminal(p.in)
			return p.run(cmd.Context(), args)
		},
	}
	confFlag(cmd, &p.file)
	outputFlag(cmd, &p.output)
	cmd.Flags().BoolVar(&p.purge.Orphans, "orphans", false, "only mirrors that no rule wants any more")
	cmd.Flags().StringArrayVar(&p.of, "of", nil, "only copies from the registry with this `identity`; may be repeated")
	cmd.Flags().BoolVar(&p.dryRun, "dry-run", false, "list what would go, and remove nothing")
	cmd.Flags().BoolVar(&p.yes, "yes", false, "do not ask")
	cmd.Flags().DurationVar(&p.purge.Wait, "timeout", 20*time.Second, "how long to wait for the registries")
	return cmd
}

// isTerminal reports whether somebody may sit at in.
func isTerminal(in io.Reader) bool {
	f, ok := in.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

func (p *purging) run(ctx context.Context, args []string) error {
	if err := checkOutput(p.output); err != nil {
		return err
	}
	if p.file == "" {
		return errors.New("which file? want -conf FILE")
	}
	conf, err := bridge.Load(p.file, all.Types(), os.Getenv)
	if err != nil {
		return err
	}
	for _, o := range args {
		p.purge.At = append(p.purge.At, catalog.Origin(o))
	}
	for _, id := range p.of {
		p.purge.Of = append(p.purge.Of, catalog.Identity(id))
	}
	found := 0
	p.purge.Waiting = func(all []catalog.Origin) {
		fmt.Fprintf(p.err, "isthmus: waiting for %q, at most %v\n", all, p.purge.Wait)
	}
	p.purge.Agree = func(all []bridge.Doomed) (bool, error) {
		found = len(all)
		return p.agree(ctx, conf.Owner, all)
	}
	p.purge.Progress = func(gone, all int) { fmt.Fprintf(p.err, "isthmus: %d of %d removed\n", gone, all) }
	err = p.purge.Run(ctx, conf, logger(p.err, false, slog.LevelWarn))
	if err == nil && found == 0 {
		return p.list(conf.Owner, nil)
	}
	return err
}

// agree lists what would go and finds out whether it may.
func (p *purging) agree(ctx context.Context, owner string, all []bridge.Doomed) (bool, error) {
	if err := p.list(owner, all); err != nil {
		return false, err
	}
	switch {
	case p.dryRun:
		return false, exitError{status: 2}
	case p.yes:
		return true, nil
	case !p.terminal:
		return false, fmt.Errorf("%w: without a terminal to ask at, want -yes", bridge.ErrDisagreed)
	}
	fmt.Fprintf(p.err, "Remove these %d mirrors? Write yes: ", len(all))
	return answered(ctx, p.in)
}

// answered reports whether the next line is yes. Where ctx ends first the reader is
// left behind, since nothing ends the reading of a terminal; so does the program.
func answered(ctx context.Context, in io.Reader) (bool, error) {
	line := make(chan string, 1)
	go func() {
		text, _ := bufio.NewReader(in).ReadString('\n') // an end is no yes
		line <- text
	}()
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case text := <-line:
		return strings.TrimSpace(text) == "yes", nil
	}
}

// list prints what would go.
func (p *purging) list(owner string, all []bridge.Doomed) error {
	if p.output == "json" {
		return printDoomedJSON(p.out, owner, all)
	}
	if len(all) == 0 {
		_, err := fmt.Fprintf(p.out, "no mirrors of owner %q to remove\n", owner)
		return err
	}
	table := tabwriter.NewWriter(p.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "REGISTRY\tMIRROR\tORIGINAL\tIDENTITY\tINSTANCES")
	for _, d := range all {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\n", d.Origin, d.Mirror.Key, d.Mirror.Mark.Key, oneLine(string(mirror.ReadFrom(d.Mirror.Mark))), len(d.Mirror.Endpoints))
	}
	fmt.Fprintf(table, "%d mirrors of owner %q\n", len(all), owner)
	return table.Flush()
}

// printDoomedJSON prints one object; its form is part of the program's contract.
func printDoomedJSON(w io.Writer, owner string, all []bridge.Doomed) error {
	type line struct {
		Registry  catalog.Origin   `json:"registry"`
		Mirror    string           `json:"mirror"`
		Original  string           `json:"original"`
		Identity  catalog.Identity `json:"identity"` // of the registry that it was read from
		Instances int              `json:"instances"`
	}
	out := struct {
		Owner   string `json:"owner"`
		Mirrors []line `json:"mirrors"`
	}{owner, []line{}}
	for _, d := range all {
		m := d.Mirror
		out.Mirrors = append(out.Mirrors, line{d.Origin, m.Key.String(), m.Mark.Key.String(), mirror.ReadFrom(m.Mark), len(m.Endpoints)})
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(out)
}
