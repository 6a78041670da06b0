// Command demo is the five-minute start: an embedded etcd, a folder of example
// manifests, the DNS server and the bridge in one process on loopback, with
// Consul beside them. It prints the lines to paste next and leaves nothing
// behind when it ends.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	opts, err := parseFlags(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, opts, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	manifests  string // a folder of the user's, or "" for the examples
	withConsul bool
	dnsPort    int
	verbose    bool
}

func parseFlags(args []string) (options, error) {
	opts := options{withConsul: true}
	var without string
	fs := flag.NewFlagSet("demo", flag.ContinueOnError)
	fs.StringVar(&opts.manifests, "manifests", "", "folder of Kubernetes YAML to serve instead of the examples")
	fs.StringVar(&without, "without", "", "what to leave out: consul")
	fs.IntVar(&opts.dnsPort, "dns-port", 1053, "port for DNS on 127.0.0.1; another one is taken if it is in use")
	fs.BoolVar(&opts.verbose, "v", false, "show what bridge and DNS server log")
	if err := fs.Parse(args); err != nil {
		return opts, err
	}
	for _, w := range strings.FieldsFunc(without, func(r rune) bool { return r == ',' }) {
		if w != "consul" {
			fmt.Fprintf(os.Stderr, "demo: -without %q: only consul can be left out\n", w)
			return opts, errors.New("bad flag")
		}
		opts.withConsul = false
	}
	if opts.dnsPort < 0 || opts.dnsPort > 65535 {
		fmt.Fprintf(os.Stderr, "demo: -dns-port %d: want 0 to 65535\n", opts.dnsPort)
		return opts, errors.New("bad flag")
	}
	if fs.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "demo: unexpected word %q\n", fs.Arg(0))
		return opts, errors.New("bad flag")
	}
	return opts, nil
}
