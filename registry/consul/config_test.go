package consul

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

func parseText(t *testing.T, text string, env map[string]string) (registry.Config, error) {
	t.Helper()
	all, err := stanza.Parse("bridge", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return Type().Parse(all[0], func(name string) string { return env[name] })
}

func TestParse(t *testing.T) {
	env := map[string]string{
		"CONSUL_HTTP_ADDR": "10.0.0.1:8501", "CONSUL_HTTP_SSL": "true", "CONSUL_HTTP_TOKEN": "hush",
		"CONSUL_CACERT": "/env/ca", "CONSUL_CLIENT_CERT": "/env/cert", "CONSUL_CLIENT_KEY": "/env/key",
	}
	for _, tt := range []struct {
		text string
		env  map[string]string
		want string
	}{
		{"consul dc1", nil, "consul dc1 http://127.0.0.1:8500 namespace=consul nodes=256"},
		{"consul dc1 {\n}", nil, "consul dc1 http://127.0.0.1:8500 namespace=consul nodes=256"},
		{"consul dc1 {\ndirectory\n}", nil, "consul dc1 http://127.0.0.1:8500 namespace=consul nodes=256 directory"},
		{"consul dc1 {\ncompare 1m\n}", nil, "consul dc1 http://127.0.0.1:8500 namespace=consul nodes=256 compare=1m0s"},
		{"consul dc1 127.0.0.1:1", nil, "consul dc1 http://127.0.0.1:1 namespace=consul nodes=256"},
		{"consul dc1", env, "consul dc1 https://10.0.0.1:8501 namespace=consul nodes=256 ca_file=/env/ca cert_file=/env/cert key_file=/env/key"},
		{"consul dc1 http://h:1 {\ntrust prod\nnodes 8\nnamespace vms\nallow shop\ndatacenter d2\ntoken_file /t\nca_file /c\n}", env,
			"consul dc1 http://h:1 namespace=vms nodes=8 datacenter=d2 token_file=/t ca_file=/c cert_file=/env/cert key_file=/env/key allow=shop trust=prod"},
		{"consul dc1 http://h:1 {\nallow_cidr 10.0.0.0/8\ndeny_cidr 10.96.0.0/16\n}", nil, "consul dc1 http://h:1 namespace=consul nodes=256 allow_cidr=10.0.0.0/8 deny_cidr=10.96.0.0/16"},
	} {
		c, err := parseText(t, tt.text, tt.env)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if diff := cmp.Diff(tt.want, c.String()); diff != "" {
			t.Errorf("%s: %s", tt.text, diff)
		}
		if s := fmt.Sprintf("%v %+v %#v", c, c, c); strings.Contains(s, "hush") {
			t.Errorf("%s prints its token: %s", tt.text, s)
		}
	}
	c, err := parseText(t, "consul dc1 http://h:1 {\nallow shop\n}", nil)
	if err != nil || c.Origin() != "consul/dc1" || c.Naming() != (registry.Naming{Namespace: "consul", Name: "{service}-{namespace}"}) ||
		fmt.Sprint(c.Policy().Given) != "[consul shop]" {
		t.Errorf("%v, %v, %v, %v", err, c.Origin(), c.Naming(), c.Policy())
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"consul":                                    `bridge:1: "consul" wants more words`,
		"consul a b c":                              `unexpected word "c"`,
		"consul a/b":                                `holds a "/"`,
		"consul a ftp://h":                          `no URL of consul`,
		"consul a http://u:pass@h":                  `token_file`,
		"consul a http://h?token=x":                 `holds a query`,
		"consul a {\nfoo x\n}":                      `bridge:2: unknown word "foo"`,
		"consul a {\nnodes 0\n}":                    `bridge:2: nodes`,
		"consul a {\nnamespace A\n}":                `bridge:2: namespace`,
		"consul a {\ncompare\n}":                    `bridge:2: "compare" wants more words: compare DURATION`,
		"consul a {\nnodes 2\nnodes 2\n}":           `bridge:3: "nodes" is said twice`,
		"consul a {\nca_file\n}":                    `bridge:2: "ca_file" wants more words`,
		"consul a {\ncert_file x\n}":                `go together`,
		"consul a {\nca_file x {\n}\n}":             `takes no block`,
		"consul a http://h:1 {\nallow shop Shop\n}": `"Shop"`,
	} {
		if _, err := parseText(t, text, nil); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "pass") {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, option := range []string{"token_file /no/file", "ca_file /no/file", "ca_file " + empty, "cert_file /no/file\nkey_file /no/file"} {
		c := configure(t, "http://h:1", option)
		if _, err := c.Reader(quiet()); err == nil {
			t.Errorf("Reader with %s opened", option)
		}
	}
	if _, err := configure(t, "http://h:1").Writer("No Label", quiet()); err == nil {
		t.Error("Writer for an owner that cannot name a node opened")
	}
}

// A token is read anew from its file, and no error holds it.
func TestToken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(" one\n")
	cl, err := newClient(configure(t, "http://127.0.0.1:1", "token_file "+file))
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := cl.secret(); got != "one" {
		t.Errorf("token %q", got)
	}
	write("two")
	if got, _ := cl.secret(); got != "two" {
		t.Errorf("token %q", got)
	}
	if _, _, err = cl.txn(t.Context(), nil); err == nil || strings.Contains(err.Error(), "two") || !untouched(err) {
		t.Errorf("txn = %v", err)
	}
	if untouched(errors.New("EOF")) || untouched(&statusError{code: 500}) || !untouched(&statusError{code: 503}) {
		t.Error("untouched")
	}
}

// TestRenewedToken holds that what Consul refuses by a token which the file holds no
// longer is sent again by the new one, and does not wait for a change then.
func TestRenewedToken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Error(err)
		}
	}
	var asked []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		token := r.Header.Get("X-Consul-Token")
		asked = append(asked, r.Method+" "+token+" "+r.URL.RawQuery+" "+string(body))
		if token != "old" {
			_, _ = io.WriteString(w, "{}")
			return
		}
		write("new")
		if r.URL.Path == "/filtered" {
			w.Header().Set("X-Consul-Results-Filtered-By-ACLs", "true")
			return
		}
		http.Error(w, "ACL not found", http.StatusForbidden)
	}))
	defer srv.Close()
	write("old")
	cl, err := newClient(configure(t, srv.URL, "token_file "+file))
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if _, err := cl.block(t.Context(), "/refused", url.Values{"a": {"b"}}, 7, time.Minute, &out); err != nil {
		t.Errorf("block = %v", err)
	}
	write("old")
	if _, err := cl.get(t.Context(), "/filtered", nil, &out); err != nil {
		t.Errorf("get = %v", err)
	}
	write("old")
	if ok, _, err := cl.txn(t.Context(), nil); !ok || err != nil {
		t.Errorf("txn = %v, %v", ok, err)
	}
	want := []string{
		"GET old a=b&index=7&wait=1m0s ", "GET new a=b ",
		"GET old  ", "GET new  ",
		"PUT old  []", "PUT new  []",
	}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Error(diff)
	}
}
