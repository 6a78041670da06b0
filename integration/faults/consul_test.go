package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isthmus-dns/isthmus/integration/servers"
	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
)

const (
	natives    = 40 // services of a registry's own users
	management = "11111111-1111-1111-1111-111111111111"
)

// consulTarget is a Consul, as who may do everything sees it.
type consulTarget struct {
	server        *servers.Consul
	url, token    string
	policy, rules string // the bridge's policy, and its text
}

func newConsulTarget(t *testing.T) *consulTarget {
	c := &consulTarget{token: management}
	c.server = serverstest.Consul(t, servers.Options{Args: []string{"-hcl",
		`acl { enabled = true, default_policy = "deny", tokens { initial_management = "` + management + `", default = "` + management + `" } }`}})
	c.url = c.server.URL()
	return c
}

func (c *consulTarget) name() string      { return "consul" }
func (c *consulTarget) origin() string    { return "consul/dc1" }
func (c *consulTarget) servers() []string { return []string{c.url} }

func (c *consulTarget) before(g *gate, server string) (string, func(), error) {
	w, stop, err := newWire(g, c.name(), server, nil)
	if err != nil {
		return "", nil, err
	}
	return w.addr, stop, nil
}

func (c *consulTarget) stanza(at []string, folder string) string {
	return fmt.Sprintf(`consul dc1 http://%s {
        token_file %s/token
        nodes 16
        compare 20s
    }`, at[0], folder)
}

// grant makes a token with a policy.
func (c *consulTarget) grant(ctx context.Context, rights, folder string) error {
	put := func(path string, in any) (out struct{ ID, SecretID string }, err error) {
		body, err := json.Marshal(in)
		if err == nil {
			_, err = c.ask(ctx, "PUT", path, bytes.NewReader(body), &out)
		}
		return out, err
	}
	policy, err := put("/v1/acl/policy", map[string]string{"Name": "isthmus", "Rules": rights})
	if err != nil {
		return err
	}
	c.policy, c.rules = policy.ID, rights
	token, err := put("/v1/acl/token", map[string]any{"Policies": []any{map[string]string{"ID": policy.ID}}})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "token"), []byte(token.SecretID), 0o600)
}

// allow changes what the bridge may do.
func (c *consulTarget) allow(ctx context.Context, rules string) error {
	body, err := json.Marshal(map[string]string{"Name": "isthmus", "Rules": rules})
	if err == nil {
		_, err = c.ask(ctx, "PUT", "/v1/acl/policy/"+c.policy, bytes.NewReader(body), nil)
	}
	return err
}

func (c *consulTarget) native(what string) string { return "in-" + what }

// natives are on a machine of their own.
func (c *consulTarget) natives(ctx context.Context) (map[string][]string, error) {
	return c.instances(ctx, `Node == "vm"`)
}

func (c *consulTarget) register(ctx context.Context, name, address string) error {
	body := fmt.Sprintf(`{"Node":"vm","Address":"10.0.0.9","Service":{"Service":%q,"Address":%q,"Port":5432}}`, name, address)
	_, err := c.ask(ctx, "PUT", "/v1/catalog/register", strings.NewReader(body), nil)
	return err
}

func (c *consulTarget) deregister(ctx context.Context, name string) error {
	_, err := c.ask(ctx, "PUT", "/v1/catalog/deregister", strings.NewReader(fmt.Sprintf(`{"Node":"vm","ServiceID":%q}`, name)), nil)
	return err
}

func (c *consulTarget) ask(ctx context.Context, method, path string, in io.Reader, out any) (index string, err error) {
	r, err := http.NewRequestWithContext(ctx, method, c.url+path, in)
	if err != nil {
		return "", err
	}
	r.Header.Set("X-Consul-Token", c.token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	switch to, raw := out.(*bytes.Buffer); {
	case err != nil:
		return "", err
	case answer.StatusCode != http.StatusOK:
		return "", fmt.Errorf("%s %s: %s %s", method, path, answer.Status, text)
	case raw:
		_, err = to.Write(text)
	case out != nil:
		err = json.Unmarshal(text, out)
	}
	return answer.Header.Get("X-Consul-Index"), err
}

// births are those of passing checks, of which each instance has one.
func (c *consulTarget) births(ctx context.Context) (map[string]string, error) {
	var checks []struct {
		CheckID, ServiceName, Status string
		CreateIndex                  uint64
	}
	if _, err := c.ask(ctx, http.MethodGet, "/v1/health/state/passing?consistent", nil, &checks); err != nil {
		return nil, err
	}
	all := oldest{}
	for _, check := range checks {
		if name, ours := strings.CutSuffix(check.ServiceName, "-"+space); ours {
			all.add(name, check.CreateIndex)
		}
	}
	return all.texts(), nil
}

func (c *consulTarget) held(ctx context.Context) (map[string][]string, error) {
	return c.instances(ctx, `"isthmus-owner" in Meta`)
}

// instances returns those on the nodes that a filter chooses.
func (c *consulTarget) instances(ctx context.Context, filter string) (map[string][]string, error) {
	var nodes []struct{ Node string }
	if _, err := c.ask(ctx, http.MethodGet, "/v1/catalog/nodes?consistent&filter="+url.QueryEscape(filter), nil, &nodes); err != nil {
		return nil, err
	}
	all := map[string][]string{}
	for _, n := range nodes {
		var on struct {
			Services []struct{ Service, Address string }
		}
		if _, err := c.ask(ctx, http.MethodGet, "/v1/catalog/node-services/"+n.Node+"?consistent", nil, &on); err != nil {
			return nil, err
		}
		for _, s := range on.Services {
			name := strings.TrimSuffix(s.Service, "-"+space)
			all[name] = append(all[name], s.Address)
		}
	}
	return sortAll(all), nil
}

func (c *consulTarget) version(ctx context.Context) (string, error) {
	var all []string
	for _, path := range []string{"/v1/catalog/nodes", "/v1/catalog/services", "/v1/health/state/any"} {
		index, err := c.ask(ctx, http.MethodGet, path+"?consistent", nil, nil)
		if err != nil {
			return "", err
		}
		all = append(all, index)
	}
	return strings.Join(all, " "), nil
}
