package consul

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// TestRights holds that the policy that is printed is enough for all that a bridge
// does, and that one without any of its rules shows in an error.
func TestRights(t *testing.T) {
	url := protected(t)
	var rules []string
	use := registry.Use{Owner: "own", Reads: true, Mirrors: []registry.Naming{{Name: "ours-{service}"}}}
	for rule := range strings.SplitAfterSeq(configure(t, url).Rights(use).Text, "}\n") {
		if rule != "" {
			rules = append(rules, rule)
		}
	}
	if len(rules) != 4 {
		t.Fatalf("rules %q", rules)
	}
	for i := -1; i < len(rules); i++ {
		text, name := strings.Join(rules, ""), "all"
		if i >= 0 {
			text, name = strings.Replace(text, rules[i], "", 1), "without "+rules[i]
		}
		t.Run(name, func(t *testing.T) {
			var made struct{ SecretID string }
			root(t, url, "/v1/acl/token", map[string]any{"Policies": []any{policy(t, url, text)}}, &made)
			c := configure(t, url)
			c.token = secret(made.SecretID)
			err := works(t, c)
			denied := err != nil && (strings.Contains(err.Error(), "ermission denied") || errors.Is(err, errFiltered))
			if i < 0 && err != nil || i >= 0 && !denied {
				t.Errorf("error %v", err)
			}
			root(t, url, "/v1/catalog/deregister", api.CatalogDeregistration{Node: "own-fence"}, nil)
		})
	}
}

// works reads, claims, writes and deletes, and returns what it met.
func works(t *testing.T, conf *config) error {
	t.Helper()
	w, err := conf.open("own", quiet())
	if err != nil {
		return err
	}
	cat := catalog.New(catalog.Policy{})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	watched := make(chan error, 1)
	go func() { watched <- w.Watch(ctx, cat.Feed("consul/test")) }()
	for s := cat.Snapshot(); !s.Synced("consul/test"); s = cat.Snapshot() {
		select {
		case <-s.Changed():
		case err := <-watched:
			return err
		}
	}
	defer func() { cancel(); <-watched }()
	fence := registry.Fence{Owner: "own", Sources: []catalog.Identity{"source:1"}}
	if err := errors.Join(w.Claim(ctx, fence, false), w.Claim(ctx, fence, true)); err != nil {
		return err
	}
	m := mirror("own", "ours-web", 2)
	for range 2 {
		r := w.Put(ctx, []*catalog.Service{m})[0]
		if r.Err != nil {
			return r.Err
		}
		m = mirror("own", "ours-web", 3)
		m.Version = r.Version
	}
	return w.Delete(ctx, []*catalog.Service{m})[0].Err
}

// TestRightsOf holds what is printed for which use.
func TestRightsOf(t *testing.T) {
	const read = "node_prefix \"\" {\n  policy = \"read\"\n}\nservice_prefix \"\" {\n  policy = \"read\"\n}\n"
	const own = "node_prefix \"own-\" {\n  policy = \"write\"\n}\n"
	write := func(prefix string) string { return "service_prefix \"" + prefix + "\" {\n  policy = \"write\"\n}\n" }
	names := func(all ...string) registry.Use {
		u := registry.Use{Owner: "own", Reads: true}
		for _, n := range all {
			u.Mirrors = append(u.Mirrors, registry.Naming{Name: n})
		}
		return u
	}
	for _, tt := range []struct {
		name string
		use  registry.Use
		want string
	}{
		{"a source", names(), read},
		{"any name", names("k8s-{service}", "{service}"), "node_prefix \"\" {\n  policy = \"read\"\n}\n" + write("") + own},
		{"prefixes", names("b-{service}", "A-{service}", "a-x-{service}"), read + own + write("a-") + write("b-")},
	} {
		if got := (&config{}).Rights(tt.use).Text; got != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", tt.name, got, tt.want)
		}
	}
}
