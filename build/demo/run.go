package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"golang.org/x/sync/errgroup"

	"github.com/isthmus-dns/isthmus/bridge"
	"github.com/isthmus-dns/isthmus/registry/all"
)

//go:embed manifests
var examples embed.FS

const corefileText = `cluster.local:{{.DNSPort}} {
    bind 127.0.0.1
    errors
    isthmus {
        manifests demo "{{.Manifests}}"
        etcd edge {{.Etcd}}
{{- if .Consul}}
        consul dc1 {{.Consul}}
{{- end}}
        ttl 1
        startup_timeout 5s
    }
}
`

const bridgeText = `bridge demo {
    manifests demo "{{.Manifests}}"
    etcd edge {{.Etcd}}
    mirror manifests/demo etcd/edge
{{- if .Consul}}
    consul dc1 {{.Consul}}
    mirror manifests/demo consul/dc1
{{- end}}
}
`

// run starts everything, says what to type next, and ends everything when ctx
// ends. What it made is gone then.
func run(ctx context.Context, opts options, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "isthmus-demo-")
	if err != nil {
		return fmt.Errorf("make a folder to work in: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	p := places{}
	if p.Manifests, err = manifests(opts, dir); err != nil {
		return err
	}
	if p.DNSPort, err = freePort(opts.dnsPort, out); err != nil {
		return err
	}
	var c *consul
	if opts.withConsul {
		if c, err = findConsul(dir, out); err != nil {
			return err
		}
		p.Consul = c.url
	}
	etcd, url, err := startEtcd(ctx, filepath.Join(dir, "etcd"), out)
	if err != nil {
		return ended(ctx, err)
	}
	defer etcd.Close()
	p.Etcd = url
	return serve(ctx, opts, p, c, out)
}

// serve runs bridge, DNS server and Consul beside each other.
func serve(ctx context.Context, opts options, p places, c *consul, out io.Writer) (err error) {
	b, err := openBridge(p, logger(opts.verbose))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	corefile, err := p.fill(corefileText)
	if err != nil {
		return err
	}
	server, err := startDNS(corefile, opts.verbose)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopDNS(server)) }()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return b.Run(ctx) })
	if err := p.show(out, map[bool]string{true: nextLines, false: ownLines}[opts.manifests == ""]); err != nil {
		return err
	}
	if c != nil {
		g.Go(func() error { return runConsul(ctx, c, p, out) })
	}
	g.Go(func() error {
		<-ctx.Done()
		fmt.Fprintln(out, "\nending, and removing what was made")
		return nil
	})
	return g.Wait()
}

// runConsul keeps Consul. That it cannot be had is said and ends nothing else.
func runConsul(ctx context.Context, c *consul, p places, out io.Writer) error {
	progress := func(line string) { fmt.Fprintln(out, "[consul]", line) }
	fmt.Fprintln(out)
	switch {
	case c.port == 0:
		progress("waiting for the one at " + c.url + ", as CONSUL_HTTP_ADDR says")
	case c.binary == "":
		progress("not on PATH and CONSUL_HTTP_ADDR is not set, so a pinned version is built, which takes minutes the first time;")
		progress("DNS and etcd serve meanwhile, and it joins when it is up")
	}
	err := c.run(ctx, progress, func() {
		if err := p.show(out, consulLines); err != nil {
			progress(err.Error())
		}
	})
	if err != nil {
		progress("left out: " + err.Error())
	}
	return nil
}

func openBridge(p places, log *slog.Logger) (*bridge.Bridge, error) {
	text, err := p.fill(bridgeText)
	if err != nil {
		return nil, err
	}
	config, err := bridge.Parse("bridge.conf", []byte(text), all.Types(), func(string) string { return "" })
	if err != nil {
		return nil, err
	}
	return bridge.Open(config, log)
}

// fill returns one of the texts above with the places filled in.
func (p places) fill(text string) (string, error) {
	t, err := template.New("file").Parse(text)
	if err != nil {
		return "", fmt.Errorf("read a text of the demo: %w", err)
	}
	var b strings.Builder
	if err := t.Execute(&b, p); err != nil {
		return "", fmt.Errorf("fill a text of the demo: %w", err)
	}
	return b.String(), nil
}

func logger(verbose bool) *slog.Logger {
	if verbose {
		return slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return slog.New(slog.DiscardHandler)
}

// manifests returns the folder to serve: the user's, or the examples in dir.
func manifests(opts options, dir string) (string, error) {
	if opts.manifests == "" {
		examples := filepath.Join(dir, "manifests")
		return examples, writeExamples(examples)
	}
	path, err := filepath.Abs(opts.manifests)
	if err != nil {
		return "", fmt.Errorf("find the manifests: %w", err)
	}
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return "", fmt.Errorf("-manifests %q is no folder that can be read", opts.manifests)
	}
	return path, nil
}

// writeExamples writes the example manifests where they can be edited.
func writeExamples(dir string) error {
	sub, err := fs.Sub(examples, "manifests")
	if err != nil {
		return fmt.Errorf("find the example manifests: %w", err)
	}
	if err := os.CopyFS(dir, sub); err != nil {
		return fmt.Errorf("write the example manifests: %w", err)
	}
	return nil
}
