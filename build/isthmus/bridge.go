package main

import (
	"errors"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/isthmus-dns/isthmus/bridge"
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
			spareMemory(os.Getenv)
			return b.Run(cmd.Context())
		},
	}
	confFlag(cmd, &file)
	cmd.Flags().StringVar(&format, "log", "text", "how to log: text or json")
	cmd.Flags().BoolVar(&verbose, "debug", false, "log more")
	return cmd
}

// spareMemory has the collector run sooner than it would, unless the environment
// says when: a bridge has little to compute, and stands beside what people pay for.
func spareMemory(env func(string) string) {
	if env("GOGC") == "" && env("GOMEMLIMIT") == "" {
		debug.SetGCPercent(collectAt)
	}
}

// collectAt is by how many percent the memory in use grows until it is collected.
const collectAt = 75

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
