package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// exitError ends the program with a status, and without a message if it has none.
type exitError struct {
	status int
	err    error
}

// Error returns the message.
func (e exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

// Unwrap returns what went wrong, if anything did.
func (e exitError) Unwrap() error { return e.err }

// run is the program: it returns its exit status. SIGINT and SIGTERM end it
// cleanly.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	root := rootCommand()
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetArgs(normalise(root, args))
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if text := err.Error(); text != "" {
		fmt.Fprintf(stderr, "isthmus: %s\n", strings.ReplaceAll(text, "\n", "\nisthmus: "))
	}
	var exit exitError
	if errors.As(err, &exit) {
		return exit.status
	}
	return 1
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:               "isthmus",
		Short:             "One discovery out of two: mirror services between Kubernetes and other registries",
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetUsageFunc(usage)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%s; %q lists the flags", oneDash(err.Error()), cmd.CommandPath()+" -help")
	})
	root.AddCommand(bridgeCommand(), planCommand(), statusCommand(), approveCommand(), purgeCommand(), rightsCommand(), queryCommand(), versionCommand())
	return root
}

// usage prints how a command is called, with flags as the manuals write them.
func usage(cmd *cobra.Command) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage:\n  %s\n", oneUsage(cmd))
	if cmd.HasAvailableSubCommands() {
		b.WriteString("\nCommands:\n")
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() || c.Name() == "help" {
				fmt.Fprintf(&b, "  %-9s %s\n", c.Name(), c.Short)
			}
		}
	}
	if cmd.HasAvailableLocalFlags() {
		fmt.Fprintf(&b, "\nFlags:\n%s", oneDash(cmd.LocalFlags().FlagUsages()))
	}
	_, err := io.WriteString(cmd.OutOrStderr(), b.String())
	return err
}

// oneUsage is the line of a command; one that only has others wants one of them.
func oneUsage(cmd *cobra.Command) string {
	if cmd.HasAvailableSubCommands() {
		return cmd.CommandPath() + " COMMAND ..."
	}
	return cmd.UseLine()
}

// oneDash writes long flags as the manuals do.
func oneDash(text string) string { return strings.ReplaceAll(text, " --", " -") }

// normalise lets long flags be written with one dash, as they are in the
// manuals: "-conf FILE" is "--conf FILE". What begins with a short flag of the
// command, as "-ojson", is left alone, and so is all after "--".
func normalise(root *cobra.Command, args []string) []string {
	cmd, _, err := root.Find(args)
	if err != nil {
		return args
	}
	cmd.InitDefaultHelpFlag()
	all := make([]string, len(args))
	for i, arg := range args {
		if arg == "--" {
			copy(all[i:], args[i:])
			break
		}
		all[i] = arg
		if isLong(cmd, arg) {
			all[i] = "-" + arg
		}
	}
	return all
}

// isLong reports whether arg is a long flag written with one dash.
func isLong(cmd *cobra.Command, arg string) bool {
	name, _, _ := strings.Cut(strings.TrimPrefix(arg, "-"), "=")
	if !strings.HasPrefix(arg, "-") || strings.HasPrefix(arg, "--") || len(name) < 2 {
		return false
	}
	return cmd.Flags().Lookup(name) != nil || cmd.Flags().ShorthandLookup(name[:1]) == nil
}

// logger writes to w, as text for people or as JSON.
func logger(w io.Writer, asJSON bool, level slog.Level) *slog.Logger {
	opts := &slog.HandlerOptions{Level: level}
	if asJSON {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}
