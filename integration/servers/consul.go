package servers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
)

// Consul is a running Consul datacenter, dc1, of one server without access control. Its web interface is below URL()/ui/.
type Consul struct {
	*Server
	url string
}

// StartConsul builds Consul if needed, starts it and returns when it has a leader and its own node stands in the catalog. ctx
// bounds the start. Only HTTP is served: no DNS, no gRPC, no TLS; Options.Args may add them (`-dns-port`, `-hcl`).
func StartConsul(ctx context.Context, o Options) (*Consul, error) {
	s, o, err := newServer(ctx, ConsulAgent, o)
	if err != nil {
		return nil, err
	}
	c, err := withPorts(ctx, o, 3, func(ctx context.Context, port []int) (*Consul, error) {
		config, err := writeConsulConfig(o.Dir, port)
		if err != nil {
			return nil, err
		}
		c := &Consul{Server: s, url: "http://" + local(port[0])}
		return c, s.begin(ctx, o, port, c.healthy, "agent", "-config-file="+config)
	})
	if err != nil {
		return nil, errors.Join(err, s.discard())
	}
	return c, nil
}

func writeConsulConfig(dir string, port []int) (path string, err error) {
	config, err := json.MarshalIndent(map[string]any{
		"server":               true,
		"bootstrap_expect":     1,
		"node_name":            "server",
		"data_dir":             filepath.Join(dir, "data"),
		"bind_addr":            "127.0.0.1",
		"client_addr":          "127.0.0.1",
		"ui_config":            map[string]any{"enabled": true},
		"log_level":            "warn",
		"disable_update_check": true,
		"leave_on_terminate":   false, // who leaves comes back as another node
		"performance":          map[string]any{"raft_multiplier": 1},
		"ports": map[string]int{
			"http": port[0], "server": port[1], "serf_lan": port[2],
			"serf_wan": -1, "dns": -1, "https": -1, "grpc": -1, "grpc_tls": -1,
		},
	}, "", "  ")
	if err != nil {
		return "", fmt.Errorf("servers: configure consul: %w", err)
	}
	path = filepath.Join(dir, "consul.json")
	if err := os.WriteFile(path, config, 0o600); err != nil {
		return "", fmt.Errorf("servers: configure consul: %w", err)
	}
	return path, nil
}

// URL returns the address of the HTTP interface.
func (c *Consul) URL() string { return c.url }

// healthy asks for what needs a leader, and for what the leader registers when it has taken over.
func (c *Consul) healthy(ctx context.Context) error {
	body, err := get(ctx, http.DefaultClient, c.url+"/v1/catalog/service/consul?consistent", "")
	if err != nil {
		return err
	}
	var nodes []any
	if err := json.Unmarshal([]byte(body), &nodes); err != nil {
		return err
	}
	if len(nodes) == 0 {
		return errors.New("the server is not in the catalog yet")
	}
	return nil
}
