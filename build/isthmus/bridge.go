package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"sync"

	"github.com/spf13/cobra"

	"github.com/isthmus-dns/isthmus/bridge"
	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry/all"
)

func bridgeCommand() *cobra.Command {
	var file, format string
	var verbose bool
	cmd := &cobra.Command{
		Use:   "bridge -conf FILE",
		Short: "Mirror services as the file says, until told to stop",
		Long: `Mirror services as the file says, until SIGINT or SIGTERM.

A registry that cannot be reached is said once and tried again; the rules that do
not need it go on. What is mirrored stays when the bridge stops.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			log, err := logFlags(cmd, format, verbose)
			if err != nil {
				return err
			}
			b, err := open(file, log)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, b.Close()) }()
			return runBridge(cmd.Context(), b)
		},
	}
	confFlag(cmd, &file)
	cmd.Flags().StringVar(&format, "log", "text", "how to log: text or json")
	cmd.Flags().BoolVar(&verbose, "debug", false, "log more")
	return cmd
}

// runBridge runs b, and the collector as suits it, until ctx ends.
func runBridge(ctx context.Context, b *bridge.Bridge) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { collect(ctx, func() bool { return allSynced(b.Status().Origins) }) })
	defer wg.Wait()
	defer cancel()
	return b.Run(ctx)
}

func allSynced(all []catalog.State) bool {
	return !slices.ContainsFunc(all, func(st catalog.State) bool { return !st.Synced })
}

func confFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "conf", "", "the bridge's `file`")
}

func logFlags(cmd *cobra.Command, format string, verbose bool) (*slog.Logger, error) {
	if format != "text" && format != "json" {
		return nil, errors.New("-log: want text or json")
	}
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	return logger(cmd.ErrOrStderr(), format == "json", level), nil
}

// open reads a file and opens its registries.
func open(file string, log *slog.Logger) (*bridge.Bridge, error) {
	if file == "" {
		return nil, errors.New("which file? want -conf FILE")
	}
	conf, err := bridge.Load(file, all.Types(), os.Getenv)
	if err != nil {
		return nil, err
	}
	return bridge.Open(conf, log)
}
