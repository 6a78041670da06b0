package servers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// Etcd is a running etcd cluster of one member.
type Etcd struct {
	*Server
	url, peer string
}

// StartEtcd builds etcd if needed, starts it and returns when it answers. ctx bounds the start.
func StartEtcd(ctx context.Context, o Options) (*Etcd, error) {
	s, o, err := newServer(ctx, EtcdServer, o)
	if err != nil {
		return nil, err
	}
	e, err := withPorts(ctx, o, 2, func(ctx context.Context, port []int) (*Etcd, error) {
		e := &Etcd{Server: s, url: "http://" + local(port[0]), peer: "http://" + local(port[1])}
		return e, s.begin(ctx, o, port, e.healthy, etcdArgs(o.Dir, e.url, e.peer)...)
	})
	if err != nil {
		return nil, errors.Join(err, s.discard())
	}
	return e, nil
}

func etcdArgs(dir, client, peer string) []string {
	return []string{
		"--name=default",
		"--data-dir=" + filepath.Join(dir, "data"),
		"--listen-client-urls=" + client,
		"--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer,
		"--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=default=" + peer,
		"--log-level=warn",
	}
}

// Endpoint returns the address for clients, as a URL.
func (e *Etcd) Endpoint() string { return e.url }

// Restore gives the cluster what a snapshot holds, as people do after a disaster: with the server down, `etcdutl snapshot
// restore` makes a new data folder of the file, in which revisions go on from the snapshot's. It keeps its cluster id, and is
// ready when Restore returns.
func (e *Etcd) Restore(ctx context.Context, snapshot string) error {
	program, err := Build(ctx, Etcdutl, nil)
	if err != nil {
		return err
	}
	if err := e.Halt(); err != nil {
		return err
	}
	data := filepath.Join(e.Dir(), "data")
	if err := os.RemoveAll(data); err != nil {
		return fmt.Errorf("servers: restore etcd: %w", err)
	}
	cmd := exec.CommandContext(ctx, program, "snapshot", "restore", snapshot, "--data-dir="+data,
		"--name=default", "--initial-cluster=default="+e.peer, "--initial-advertise-peer-urls="+e.peer)
	cmd.Env = environment(e.Dir())
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("servers: restore etcd: %w\n%s", err, out)
	}
	return e.Restart(ctx)
}

// healthy asks for a linearizable read, as `etcdctl endpoint health` does.
func (e *Etcd) healthy(ctx context.Context) error {
	body, err := get(ctx, http.DefaultClient, e.url+"/health", "")
	if err == nil && !strings.Contains(body, `"true"`) {
		err = errors.New(body)
	}
	return err
}

// get returns the body of a successful answer. token may be empty.
func get(ctx context.Context, c *http.Client, url, token string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	r.Close = true // a kept connection would outlive a server that is killed
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := c.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<16))
	if err != nil {
		return "", fmt.Errorf("read %q: %w", url, err)
	}
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("get %q: %s: %s", url, strconv.Itoa(answer.StatusCode), body)
	}
	return string(body), nil
}
