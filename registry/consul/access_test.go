package consul

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/integration/servers"
)

// The rights that the manual names are enough; less than that is said.
func TestAccessRules(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	acl, err := servers.StartConsul(ctx, servers.Options{Args: []string{"-hcl",
		`acl { enabled = true, default_policy = "deny", tokens { initial_management = "` + rootToken + `", default = "` + rootToken + `" } }`}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := acl.Stop(); err != nil {
			t.Error(err)
		}
	})
	token := func(rules string) string {
		var policy struct{ ID string }
		root(t, acl.URL(), "/v1/acl/policy", map[string]any{"Name": fmt.Sprintf("p%d", len(rules)), "Rules": rules}, &policy)
		var made struct{ SecretID string }
		root(t, acl.URL(), "/v1/acl/token", map[string]any{"Policies": []any{map[string]string{"ID": policy.ID}}}, &made)
		return made.SecretID
	}
	with := func(value string) *consul {
		c := configure(t, acl.URL())
		c.token = secret(value)
		w, err := c.open("own", quiet())
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	read := `node_prefix "" { policy = "read" } service_prefix "" { policy = "read" }`
	writer := with(token(read + ` node_prefix "own-" { policy = "write" } service_prefix "ours-" { policy = "write" }`))
	claim(t, writer)
	good, forbidden := mirror("own", "ours-web", 1), mirror("own", "theirs", 1)
	r := writer.Put(t.Context(), []*catalog.Service{forbidden, good})
	if r[0].Err == nil || !strings.Contains(r[0].Err.Error(), "Permission denied") || r[1].Err != nil {
		t.Errorf("Put = %v", r)
	}
	cat := watching(t, with(token(read)))
	if get(cat.Snapshot(), "ours-web", "own") == nil {
		t.Error("a reader does not see the mirror")
	}
	root(t, acl.URL(), "/v1/catalog/register", api.CatalogRegistration{
		Node: "vm", Address: "10.0.0.1", Service: &api.AgentService{Service: "theirs"}}, nil)
	for name, rules := range map[string]string{
		"part of the services": `node_prefix "" { policy = "read" } service_prefix "ours-" { policy = "read" } service "consul" { policy = "read" }  `,
		"nothing":              `key "x" { policy = "read" }`,
	} {
		none := catalog.New(catalog.Policy{})
		if err := with(token(rules)).Watch(ctx, none.Feed("consul/test")); err == nil || none.Snapshot().Synced("consul/test") {
			t.Errorf("Watch with a token for %s = %v", name, err)
		}
	}
}

const rootToken = "11111111-1111-1111-1111-111111111111"

// root sends a request with all rights.
func root(t *testing.T, base, path string, in, out any) {
	t.Helper()
	send(t, "PUT", base+path, rootToken, in, out)
}
