package consul

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/integration/servers"
	"github.com/isthmus-dns/isthmus/registry"
)

// The rights that the manual names are enough; less than that is said.
func TestAccessRules(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	url := protected(t)
	token := func(rules string) string {
		var made struct{ SecretID string }
		root(t, url, "/v1/acl/token", map[string]any{"Policies": []any{policy(t, url, rules)}}, &made)
		return made.SecretID
	}
	with := func(value string) *consul {
		c := configure(t, url)
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
	root(t, url, "/v1/catalog/register", api.CatalogRegistration{
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

// A token file is empty for a moment, as while a program writes it anew:
// nothing may be asked as nobody then, to whom Consul hides what it hides.
func TestEmptyTokenFile(t *testing.T) {
	url := protected(t)
	add(t, url, "db")
	file := filepath.Join(t.TempDir(), "token")
	write(t, file, rootToken)
	r, err := configure(t, url, "token_file "+file).Reader(quiet())
	if err != nil {
		t.Fatal(err)
	}
	cat, done := begin(t, r)
	wait(t, cat, "report", func(s *catalog.Snapshot) bool { return get(s, "db", "") != nil })
	write(t, file, "\n")
	add(t, url, "other") // wakes the watch
	if err := <-done; err == nil || !strings.Contains(err.Error(), "holds no token") || strings.Contains(err.Error(), rootToken) {
		t.Errorf("Watch = %v", err)
	}
	if get(cat.Snapshot(), "db", "") == nil {
		t.Error("the service was taken away")
	}
	if _, err := configure(t, url, "token_file "+file).Reader(quiet()); err == nil {
		t.Error("opened with an empty token file")
	}
}

// Consul does not tell those without a token that it left something out.
func TestWithoutToken(t *testing.T) {
	const all = `node_prefix "" { policy = "read" } service_prefix "" { policy = "read" }`
	for _, tt := range []struct{ name, rules string }{
		{"nothing is left", `key "x" { policy = "read" }`},
		{"some services are left", `node_prefix "" { policy = "read" } service_prefix "ours" { policy = "read" } service "consul" { policy = "read" }`},
		{"no nodes are left", `service_prefix "" { policy = "read" }`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			url := protected(t)
			add(t, url, "db")
			everybody(t, url, all)
			for _, secret := range []string{"", anonymous} {
				everybody(t, url, all)
				r := tokened(t, url, secret)
				cat, done := begin(t, r)
				wait(t, cat, "report", func(s *catalog.Snapshot) bool { return get(s, "db", "") != nil })
				everybody(t, url, tt.rules)
				add(t, url, "ours"+strconv.Itoa(len(secret))) // wakes the watch
				if err := <-done; !errors.Is(err, errFiltered) {
					t.Errorf("Watch with the token %q = %v", secret, err)
				}
				if get(cat.Snapshot(), "db", "") == nil {
					t.Errorf("with the token %q the service was taken away", secret)
				}
				again := catalog.New(catalog.Policy{})
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				if err := r.Watch(ctx, again.Feed("consul/test")); err == nil || again.Snapshot().Synced("consul/test") {
					t.Errorf("Watch anew with the token %q = %v", secret, err)
				}
				cancel()
			}
		})
	}
}

// With another token everything is read again.
func TestTokenChanges(t *testing.T) {
	empty(t)
	var reads atomic.Int64
	at := through(t, func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/v1/health/service/stays" && !r.URL.Query().Has("filter") {
			reads.Add(1)
		}
		return false
	})
	register(t, "vm", "stays", "stays", "10.2.0.1", 80, "passing")
	file := filepath.Join(t.TempDir(), "token")
	write(t, file, "one")
	r, err := configure(t, at, "token_file "+file).Reader(quiet())
	if err != nil {
		t.Fatal(err)
	}
	cat := watching(t, r)
	for _, tt := range []struct {
		name, token string
		want        int64
	}{{"a", "one", 1}, {"b", "two", 2}, {"c", "two", 2}} {
		write(t, file, tt.token)
		register(t, "vm", tt.name, tt.name, "10.2.0.1", 80, "passing")
		wait(t, cat, tt.name, func(s *catalog.Snapshot) bool { return get(s, tt.name, "") != nil })
		if got := reads.Load(); got != tt.want {
			t.Errorf("with token %q a service that stays was read %d times, want %d", tt.token, got, tt.want)
		}
	}
}

const rootToken = "11111111-1111-1111-1111-111111111111"

// protected starts a Consul with access rules that give nobody anything, and
// returns its URL.
func protected(t *testing.T) string {
	t.Helper()
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
	root(t, acl.URL(), "/v1/agent/token/default", map[string]string{"Token": ""}, nil)
	return acl.URL()
}

// policy makes a policy and returns what names it.
func policy(t *testing.T, base, rules string) map[string]string {
	t.Helper()
	var made struct{ ID string }
	sum := sha256.Sum256([]byte(rules + time.Now().String()))
	root(t, base, "/v1/acl/policy", map[string]any{"Name": hex.EncodeToString(sum[:]), "Rules": rules}, &made)
	return map[string]string{"ID": made.ID}
}

// everybody gives those without a token the rights of rules and no others.
func everybody(t *testing.T, base, rules string) {
	t.Helper()
	const id = "00000000-0000-0000-0000-000000000002"
	root(t, base, "/v1/acl/token/"+id, map[string]any{"AccessorID": id, "Policies": []any{policy(t, base, rules)}}, nil)
}

// add registers a service with all rights.
func add(t *testing.T, base, name string) {
	t.Helper()
	root(t, base, "/v1/catalog/register", api.CatalogRegistration{
		Node: "vm", Address: "10.0.0.1", Service: &api.AgentService{Service: name, Port: 1}}, nil)
}

// tokened opens a reader that has a token from the environment.
func tokened(t *testing.T, url, token string) *consul {
	t.Helper()
	c := configure(t, url)
	c.token = secret(token)
	r, err := c.open("", quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// begin starts a Watch of r; why it ended comes from done, which a test has to read.
func begin(t *testing.T, r registry.Registry) (cat *catalog.Catalog, done <-chan error) {
	t.Helper()
	cat = catalog.New(catalog.Policy{})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	end := make(chan error, 1)
	go func() { end <- r.Watch(ctx, cat.Feed("consul/test")) }()
	return cat, end
}

// write makes file hold text, at once: a Watch that finds it empty ends.
func write(t *testing.T, file, text string) {
	t.Helper()
	if err := errors.Join(os.WriteFile(file+".new", []byte(text), 0o600), os.Rename(file+".new", file)); err != nil {
		t.Fatal(err)
	}
}

// root sends a request with all rights.
func root(t *testing.T, base, path string, in, out any) {
	t.Helper()
	send(t, "PUT", base+path, rootToken, in, out)
}
