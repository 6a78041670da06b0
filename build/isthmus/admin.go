package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/isthmus-dns/isthmus/bridge"
	"github.com/isthmus-dns/isthmus/registry/all"
)

const (
	answerTime = 30 * time.Second
	maxAnswer  = 64 << 20
)

// running is how a bridge that runs is found: by the file it runs with or by the
// address that it serves its administrators at.
type running struct{ file, address string }

func (r *running) flags(cmd *cobra.Command) {
	confFlag(cmd, &r.file)
	cmd.Flags().StringVar(&r.address, "admin", "", "the `address` of the bridge's admin, in place of its file")
}

// find returns the address.
func (r *running) find() (string, error) {
	switch {
	case r.address != "" && r.file != "":
		return "", errors.New("want -conf FILE or -admin ADDRESS, not both")
	case r.address != "":
		if _, _, err := net.SplitHostPort(r.address); err != nil {
			return "", fmt.Errorf("-admin: %q is no address with a port: %w", r.address, err)
		}
		return r.address, nil
	case r.file == "":
		return "", errors.New("which bridge? want -conf FILE or -admin ADDRESS")
	}
	conf, err := bridge.Load(r.file, all.Types(), os.Getenv)
	switch {
	case err != nil:
		return "", err
	case conf.Admin == "":
		return "", fmt.Errorf("%s: the bridge serves no status: add %q to it", r.file, "admin 127.0.0.1:8053")
	}
	return conf.Admin, nil
}

// ask sends one request to the bridge and returns the answer, or what the bridge
// has against the request.
func (r *running) ask(ctx context.Context, method, path string, query url.Values) ([]byte, error) {
	address, err := r.find()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	u := url.URL{Scheme: "http", Host: address, Path: path, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("ask the bridge: %w", err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // and no proxy: the bridge is on this host
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the bridge: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case err != nil:
		return nil, fmt.Errorf("ask the bridge at %q: %w", address, err)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the bridge at %q refuses: %s", address, strings.TrimSpace(string(body)))
	}
	return body, nil
}

// outputFlag is how a command prints.
func outputFlag(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", "text", "how to print: text or json")
}

func checkOutput(output string) error {
	if output != "text" && output != "json" {
		return errors.New("-o: want text or json")
	}
	return nil
}
