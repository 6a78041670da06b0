package isthmus

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/caddy/caddyfile"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/catalog"
)

// readCorefile reads the only server block of text, as CoreDNS does.
func readCorefile(t testing.TB, text string) (*config, error) {
	t.Helper()
	blocks, err := caddyfile.Parse("Corefile", strings.NewReader(text), []string{name})
	if err != nil {
		t.Fatal(err)
	}
	c := &caddy.Controller{
		Dispenser:       caddyfile.NewDispenserTokens("Corefile", blocks[0].Tokens[name]),
		ServerBlockKeys: blocks[0].Keys,
	}
	return read(c, fakeTypes(), func(string) string { return "" })
}

// TestBadCorefiles reads testdata/bad; the first line of each file is the
// error that it stands for.
func TestBadCorefiles(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.corefile")
	if err != nil || len(files) < 30 {
		t.Fatalf("testdata/bad has %d files (%v)", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(string(text), "\n")
			want := strings.TrimPrefix(first, "# ")
			if _, err := readCorefile(t, string(text)); err == nil || err.Error() != want {
				t.Errorf("error = %v\nwant    %s", err, want)
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	conf, err := readCorefile(t, "example.org cluster.local 10.0.0.0/8 in-addr.arpa {\n isthmus\n}")
	if err != nil {
		t.Fatal(err)
	}
	want := zones{{name: "example.org."}, {name: "cluster.local."}, {name: "10.in-addr.arpa.", reverse: true}, {name: "in-addr.arpa.", reverse: true}}
	if diff := cmp.Diff(want, conf.zones, cmp.AllowUnexported(zone{})); diff != "" {
		t.Errorf("zones (-want +got):\n%s", diff)
	}
	if conf.ttl != 5 || conf.startupTimeout != 5*time.Second || conf.pods != podsDisabled || conf.podNames ||
		conf.noEndpoints || conf.ignoreEmpty || conf.merge != catalog.First || conf.fallsThrough("x.cluster.local.") {
		t.Errorf("defaults are %+v", conf)
	}
	if diff := cmp.Diff([]catalog.Origin{"kubernetes/cluster"}, origins(conf)); diff != "" {
		t.Errorf("origins (-want +got):\n%s", diff)
	}
}

func origins(c *config) []catalog.Origin {
	var all []catalog.Origin
	for _, r := range c.registries {
		all = append(all, r.Origin())
	}
	return all
}

func TestOptions(t *testing.T) {
	for _, tt := range []struct {
		inside string
		check  func(*config) bool
	}{
		{"ttl 0", func(c *config) bool { return c.ttl == 0 }},
		{"ttl 3600", func(c *config) bool { return c.ttl == 3600 }},
		{"pods insecure", func(c *config) bool { return c.pods == podsInsecure }},
		{"pods disabled", func(c *config) bool { return c.pods == podsDisabled }},
		{"endpoint_pod_names", func(c *config) bool { return c.podNames }},
		{"zonal", func(c *config) bool { return c.zonal }},
		{"noendpoints", func(c *config) bool { return c.noEndpoints }},
		{"ignore empty_service", func(c *config) bool { return c.ignoreEmpty }},
		{"startup_timeout 1m", func(c *config) bool { return c.startupTimeout == time.Minute }},
		{"merge union", func(c *config) bool { return c.policy().Merge == catalog.Union }},
		{"merge failover", func(c *config) bool { return c.policy().Merge == catalog.Failover }},
		{"fallthrough", func(c *config) bool { return c.fallsThrough("x.cluster.local.") }},
		{"fallthrough in-addr.arpa", func(c *config) bool {
			return c.fallsThrough("1.in-addr.arpa.") && c.fallsThrough("in-addr.arpa.") && !c.fallsThrough("x.cluster.local.") && !c.fallsThrough("xin-addr.arpa.")
		}},
		{"trust prod\nconsul", func(c *config) bool { return slices.Equal(c.policy().Origins[0].Trust, []string{"prod"}) }},
		{"consul", func(c *config) bool { return c.policy().Origins[0].Bare }},
		{"kubernetes prod\nconsul", func(c *config) bool {
			return slices.Equal(origins(c), []catalog.Origin{"kubernetes/prod", "consul/dc1"}) && slices.Equal(c.awaited(), []catalog.Origin{"kubernetes/prod"})
		}},
		{"consul\netcd", func(c *config) bool { return slices.Equal(c.awaited(), []catalog.Origin{"consul/dc1"}) }},
		{"kubernetes\nmanifests\nconsul\nrequire consul/dc1", func(c *config) bool {
			return slices.Equal(c.awaited(), []catalog.Origin{"kubernetes/cluster", "manifests/files", "consul/dc1"})
		}},
		{"kubeconfig a b\nnamespaces x y\nlabels app = web\nnoendpoints", func(c *config) bool {
			var lines []string
			for _, s := range c.registries[0].(fakeConfig).stanza.Block {
				lines = append(lines, strings.Join(s.Words, " "))
			}
			return slices.Equal(lines, []string{"kubeconfig a b", "namespaces x y", "labels app = web", "noendpoints", "nopodnames"})
		}},
		{"namespaces x\nconsul", func(c *config) bool {
			return slices.Equal(origins(c), []catalog.Origin{"consul/dc1", "kubernetes/cluster"})
		}},
	} {
		t.Run(tt.inside, func(t *testing.T) {
			conf, err := readCorefile(t, "cluster.local in-addr.arpa {\n isthmus {\n"+tt.inside+"\n}\n}")
			if err != nil {
				t.Fatal(err)
			}
			if !tt.check(conf) {
				t.Errorf("got %+v", conf)
			}
		})
	}
}

func TestDirectives(t *testing.T) {
	stock := slices.DeleteFunc(slices.Clone(dnsserver.Directives), func(d string) bool { return d == name })
	got := Directives(stock)
	at := slices.Index(got, name)
	if at < 0 || got[at+1] != "kubernetes" {
		t.Fatalf("isthmus does not stand right before kubernetes: %v", got)
	}
	if diff := cmp.Diff(got, Directives(got)); diff != "" {
		t.Errorf("a list that has isthmus changed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(stock, slices.Delete(got, at, at+1)); diff != "" {
		t.Errorf("stock directives changed (-want +got):\n%s", diff)
	}
}

func TestLocalAddrs(t *testing.T) {
	for _, tt := range []struct {
		listen []string
		want   string
	}{
		{[]string{"192.0.2.1", "127.0.0.1", "fd00::1", "192.0.2.1"}, "192.0.2.1 fd00::1"},
		{[]string{"192.0.2.1/24", "::1", "fe80::1"}, "192.0.2.1"},
		{[]string{"127.0.0.1"}, ""},
	} {
		if diff := cmp.Diff(mustAddrs(t, tt.want), localAddrs(tt.listen), cmp.Comparer(sameAddr)); diff != "" {
			t.Errorf("localAddrs(%v) (-want +got):\n%s", tt.listen, diff)
		}
	}
}
