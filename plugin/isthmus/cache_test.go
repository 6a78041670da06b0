package isthmus

import (
	"strings"
	"testing"

	"github.com/coredns/coredns/plugin/cache"
	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

var _ cache.ZoneBypasser = (*Isthmus)(nil)

func TestCacheBypassZones(t *testing.T) {
	for _, tt := range []struct{ zones, options, want string }{
		{"cluster.local in-addr.arpa ip6.arpa", "", "cluster.local."},
		{"cluster.local in-addr.arpa ip6.arpa", "fallthrough in-addr.arpa ip6.arpa", "cluster.local."},
		{"cluster.local in-addr.arpa", "fallthrough", ""},
		{"cluster.local example.org in-addr.arpa", "fallthrough local", "example.org."},
		{"cluster.local example.org in-addr.arpa", "fallthrough a.cluster.local", "example.org."},
		{"cluster.local example.org in-addr.arpa", "fallthrough xcluster.local", "cluster.local. example.org."},
		{".", "", "."},
		{".", "fallthrough in-addr.arpa", ""},
	} {
		conf, err := readCorefile(t, tt.zones+" {\n isthmus {\n "+tt.options+"\n }\n}")
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join((&Isthmus{conf: conf}).CacheBypassZones(), " "); got != tt.want {
			t.Errorf("%s with %q: got %q, want %q", tt.zones, tt.options, got, tt.want)
		}
	}
}

// TestBehindCache holds that cache does not keep what is ours: an answer is
// new as soon as the manifest is, also where everything is cached for an hour.
func TestBehindCache(t *testing.T) {
	folder := t.TempDir()
	writeManifest(t, folder, manifest)
	server, addr := serve(t, "cluster.local:0 in-addr.arpa:0 {\n bind 127.0.0.1\n cache {\n success 1000 3600 3600\n denial 1000 3600 3600\n }\n"+
		" isthmus {\n manifests files "+folder+"\n fallthrough in-addr.arpa\n }\n}\n")
	defer stopServer(t, server)
	for i, want := range []string{"NOERROR\nweb.shop.svc.Z A 10.0.0.80\n", "NOERROR\nweb.shop.svc.Z A 10.0.0.81\n"} {
		if i > 0 {
			writeManifest(t, folder, strings.ReplaceAll(manifest, "10.0.0.80", "10.0.0.81"))
		}
		eventually(t, want, func() string { return dig(t, addr, "web.shop.svc.cluster.local.", dns.TypeA) })
	}
}

// eventually waits until got returns want.
func eventually(t *testing.T, want string, got func() string) {
	t.Helper()
	last := got()
	for range 500 {
		if last == want {
			return
		}
		if !waitShort(t) {
			break
		}
		last = got()
	}
	t.Errorf("in the end (-want +got):\n%s", cmp.Diff(want, last))
}
