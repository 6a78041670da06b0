package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/isthmus-dns/isthmus/bridge/mirror"
	"github.com/isthmus-dns/isthmus/catalog"
)

func planCommand() *cobra.Command {
	var file, output string
	var limit time.Duration
	cmd := &cobra.Command{
		Use:   "plan -conf FILE",
		Short: "Show what the bridge would write now, and write nothing",
		Long: `Show what the bridge would write now, and write nothing.

Every registry in the file is read once; standard error says which ones are waited
for, at most for the time-out. Each line is one mirror:

  +  is put where nothing stands
  ~  replaces our own, with what differs
  -  is deleted, with the reason
  =  would go, but waits, with what it waits for
  !  is not mirrored: the name is taken, or the target cannot hold it

Exit status: 0 nothing to do, 2 changes (waiting ones included), 1 an error, such
as a registry that could not be read in time or rules that may not write.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), limit)
			defer cancel()
			waiting := func(all []catalog.Origin) {
				fmt.Fprintf(cmd.ErrOrStderr(), "isthmus: waiting for %q, at most %v\n", all, limit)
			}
			plans, err := readPlans(ctx, file, logger(cmd.ErrOrStderr(), false, slog.LevelWarn), waiting)
			if err != nil {
				return err
			}
			print := mirror.WriteText
			if output == "json" {
				print = mirror.WriteJSON
			}
			if err := print(cmd.OutOrStdout(), plans); err != nil {
				return err
			}
			return verdict(plans)
		},
	}
	confFlag(cmd, &file)
	outputFlag(cmd, &output)
	cmd.Flags().DurationVar(&limit, "timeout", 20*time.Second, "how long to wait for the registries")
	return cmd
}

func readPlans(ctx context.Context, file string, log *slog.Logger, waiting func([]catalog.Origin)) (plans []*mirror.Plan, err error) {
	b, err := open(file, log)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	return b.Plan(ctx, waiting)
}

// verdict turns plans into the exit status.
func verdict(plans []*mirror.Plan) error {
	var blocked []error
	changes := false
	for _, p := range plans {
		if p.Blocked != "" {
			blocked = append(blocked, fmt.Errorf("%s: %s", p.Rule, p.Blocked))
		}
		changes = changes || !p.Empty()
	}
	switch {
	case len(blocked) > 0:
		return errors.Join(blocked...)
	case changes:
		return exitError{status: 2}
	}
	return nil
}
