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
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/isthmus-dns/isthmus/integration/servers"
)

// consul is the Consul of the demo: one that runs already, one on PATH, or one
// that is built first. Its address is known before it is up.
type consul struct {
	url    string
	port   int    // 0: it is not ours to start
	binary string // "" to build it
	dir    string
}

// findConsul decides which one, without starting anything.
func findConsul(dir string, out io.Writer) (*consul, error) {
	if addr := os.Getenv("CONSUL_HTTP_ADDR"); addr != "" {
		if !strings.Contains(addr, "://") {
			addr = "http://" + addr
		}
		u, err := url.Parse(addr)
		if err != nil || u.Host == "" {
			return nil, errors.New("CONSUL_HTTP_ADDR is no address such as http://127.0.0.1:8500")
		}
		return &consul{url: strings.TrimSuffix(addr, "/")}, nil
	}
	port, err := freePort(8500, out)
	if err != nil {
		return nil, err
	}
	c := &consul{port: port, dir: filepath.Join(dir, "consul"), url: "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	if path, err := exec.LookPath("consul"); err == nil {
		c.binary = path
	}
	return c, nil
}

// run starts Consul if it is ours to start, calls up once it has a leader, and
// keeps it until ctx ends. It returns nil when ctx ended.
func (c *consul) run(ctx context.Context, progress func(string), up func()) error {
	switch {
	case c.port == 0:
	case c.binary == "":
		server, err := servers.StartConsul(ctx, servers.Options{Dir: c.dir, Port: c.port, Log: progress})
		if err != nil {
			return ended(ctx, fmt.Errorf("start consul: %w", err))
		}
		defer server.Stop()
	default:
		stop, err := c.exec()
		if err != nil {
			return err
		}
		defer stop()
	}
	if err := c.wait(ctx); err != nil {
		return ended(ctx, err)
	}
	up()
	<-ctx.Done()
	return nil
}

// ended returns nil for an error that only says that ctx ended.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// exec runs the consul on PATH as a development server.
func (c *consul) exec() (stop func(), err error) {
	cmd := exec.Command(c.binary, "agent", "-dev", "-client=127.0.0.1", "-bind=127.0.0.1", "-log-level=error",
		"-http-port="+strconv.Itoa(c.port), "-dns-port=-1", "-grpc-port=-1", "-grpc-tls-port=-1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us; we stop it
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %q: %w", c.binary, err)
	}
	return func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	}, nil
}

// wait returns once Consul has a leader.
func (c *consul) wait(ctx context.Context) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := c.leader(ctx); err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

func (c *consul) leader(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+"/v1/status/leader", nil)
	if err != nil {
		return fmt.Errorf("ask %q for its leader: %w", c.url, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body := make([]byte, 64)
	if n, _ := resp.Body.Read(body); resp.StatusCode != http.StatusOK || n < 4 {
		return errors.New("no leader yet")
	}
	return nil
}
