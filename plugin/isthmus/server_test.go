package isthmus

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	_ "github.com/coredns/coredns/plugin/bind"        // for the Corefiles below
	_ "github.com/coredns/coredns/plugin/cache"       // for the Corefiles below
	_ "github.com/coredns/coredns/plugin/errors"      // for the Corefiles below
	_ "github.com/coredns/coredns/plugin/forward"     // for the Corefiles below
	_ "github.com/coredns/coredns/plugin/loadbalance" // for the Corefiles below
	_ "github.com/coredns/coredns/plugin/metrics"     // for the Corefiles below
	_ "github.com/coredns/coredns/plugin/ready"       // for the Corefiles below
	_ "github.com/coredns/coredns/plugin/transfer"    // for the Corefiles below
	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

// TestMain makes this process a CoreDNS with isthmus, once with the registries
// and once with fakes of them.
func TestMain(m *testing.M) {
	caddy.Quiet, dnsserver.Quiet = true, true
	all := Directives(dnsserver.Directives)
	for word, setup := range map[string]caddy.SetupFunc{"fake": setupFake, "intruder": setupIntruder} {
		plugin.Register(word, setup)
	}
	caddy.RegisterEventHook("published", keepInstance)
	all = slices.Insert(all, slices.Index(all, name), "intruder", "fake")
	if err := dnsserver.SetDirectives(all); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// serve starts a server and returns it with its UDP address.
func serve(t *testing.T, corefile string) (*caddy.Instance, string) {
	t.Helper()
	server, err := caddy.Start(input(corefile))
	if err != nil {
		t.Fatalf("start: %v\n%s", err, corefile)
	}
	return server, server.Servers()[0].LocalAddr().String()
}

func input(corefile string) caddy.Input {
	return caddy.CaddyfileInput{Filepath: "Corefile", Contents: []byte(corefile), ServerTypeName: "dns"}
}

func stopServer(t *testing.T, server *caddy.Instance) {
	t.Helper()
	for _, err := range server.ShutdownCallbacks() {
		t.Error(err)
	}
	if err := server.Stop(); err != nil {
		t.Error(err)
	}
}

// restart replaces server by one of another Corefile, nil for the same.
//
// CoreDNS does not end a server that has not begun to read, and what has read
// nothing yet may be all that a server here did: so each is asked first. And
// for a moment a reload has the sockets block, as it hands them over (caddy
// makes files of them, golang/go#29277): an old server that reads just then
// does not end before something comes. Other servers are asked all the time,
// these are not, so something is sent until the old one has ended.
func restart(t *testing.T, server *caddy.Instance, corefile caddy.Input) (*caddy.Instance, error) {
	t.Helper()
	old := server.Servers()
	for _, s := range old {
		for _, addr := range []net.Addr{s.Addr(), s.LocalAddr()} {
			digBy(t, addr.Network(), addr.String(), ".", dns.TypeNS)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	var pokes sync.WaitGroup
	pokes.Go(func() {
		for wait(ctx, nil, 10*time.Millisecond) {
			for _, s := range old {
				poke(ctx, s.LocalAddr())
				poke(ctx, s.Addr())
			}
		}
	})
	defer pokes.Wait()
	defer cancel()
	return server.Restart(corefile)
}

// poke sends an octet, which is no question, to where somebody may read it.
func poke(ctx context.Context, to net.Addr) {
	conn, err := new(net.Dialer).DialContext(ctx, to.Network(), to.String())
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = conn.Write([]byte{0})
}

// dig asks a server over UDP and returns what it said.
func dig(t *testing.T, server, name string, typ uint16) string {
	t.Helper()
	return digBy(t, "udp", server, name, typ)
}

// digBy is dig over network.
func digBy(t *testing.T, network, server, name string, typ uint16) string {
	t.Helper()
	m := new(dns.Msg)
	m.SetQuestion(name, typ)
	client := dns.Client{Net: network, Timeout: 10 * time.Second}
	got, _, err := client.ExchangeContext(context.Background(), m, server)
	if err != nil {
		t.Fatalf("%s %s: %v", name, dns.TypeToString[typ], err)
	}
	return said(got)
}

// ports are what a Corefile in a document listens on; tests take free ones.
var ports = regexp.MustCompile(`((?:\w|\.arpa|127\.0\.0\.1)):(105[34]|53|8181|9153)\b`)

// registries are where a Corefile in a document looks for them; in tests there
// is none.
var registries = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

func onFreePorts(corefile string) string {
	corefile = registries.ReplaceAllString(corefile, "http://127.0.0.1:1")
	corefile = ports.ReplaceAllString(corefile, "$1:0")
	return strings.Replace(corefile, "cluster.local {", "cluster.local:0 {", 1)
}

const manifest = `apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  clusterIP: 10.0.0.80
  clusterIPs: [10.0.0.80]
  ports: [{name: http, port: 80, protocol: TCP}]
`

func writeManifest(t *testing.T, folder, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, "web.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestServer asks a real server for what a folder of manifests holds, through
// a reload that leaves nothing of the old one behind.
func TestServer(t *testing.T) {
	folder := t.TempDir()
	writeManifest(t, folder, manifest)
	before := runtime.NumGoroutine()
	corefile := "cluster.local:0 {\n bind 127.0.0.1\n isthmus {\n manifests files " + folder + "\n ttl 30\n }\n prometheus 127.0.0.1:0\n loadbalance\n}\n"
	server, addr := serve(t, corefile)
	const want = "NOERROR\nweb.shop.svc.Z 30 IN A 10.0.0.80\n"
	if diff := cmp.Diff(want, dig(t, addr, "web.shop.svc.cluster.local.", dns.TypeA)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	writeManifest(t, folder, strings.ReplaceAll(manifest, "10.0.0.80", "10.0.0.81"))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for !strings.Contains(dig(t, addr, "web.shop.svc.cluster.local.", dns.TypeA), "10.0.0.81") {
		if !wait(ctx, nil, 10*time.Millisecond) {
			t.Fatal("a changed manifest is not answered")
		}
	}
	one := runtime.NumGoroutine()
	for range 3 {
		var err error
		if server, err = restart(t, server, input(strings.Replace(corefile, "ttl 30", "ttl 60", 1))); err != nil {
			t.Fatal(err)
		}
	}
	addr = server.Servers()[0].LocalAddr().String()
	if got := dig(t, addr, "web.shop.svc.cluster.local.", dns.TypeA); !strings.Contains(got, " 60 IN A 10.0.0.81") {
		t.Errorf("after a reload: %s", got)
	}
	waitForGoroutines(t, one)
	stopServer(t, server)
	waitForGoroutines(t, before)
}

// waitForGoroutines waits until no more than n goroutines are left.
func waitForGoroutines(t *testing.T, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for runtime.NumGoroutine() > n {
		if !wait(ctx, nil, 10*time.Millisecond) {
			stacks := make([]byte, 1<<20)
			t.Errorf("%d goroutines, want %d:\n%s", runtime.NumGoroutine(), n, stacks[:runtime.Stack(stacks, true)])
			return
		}
	}
}

// TestCorefileExample starts the example on free ports. Nothing that it names
// is there but the manifests.
func TestCorefileExample(t *testing.T) {
	text, err := os.ReadFile("../../Corefile.example")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir("../..")
	server, addr := serve(t, onFreePorts(string(text)))
	defer stopServer(t, server)
	for _, tt := range []struct {
		name string
		typ  uint16
		want string
	}{
		{"my-service.default.svc.cluster.local.", dns.TypeA, "NOERROR\nmy-service.default.svc.Z 30 IN A 10.96.0.80\n"},
		{"my-service.default.svc.cluster.local.", dns.TypeAAAA, "NOERROR\nauth cluster.local. 30 IN SOA"},
		{"dns-version.cluster.local.", dns.TypeTXT, "NOERROR\ndns-version.Z 28800 IN TXT \"1.1.0\"\n"},
		{"other.default.svc.cluster.local.", dns.TypeA, "SERVFAIL\n"},
		{"web.consul.svc.cluster.local.", dns.TypeA, "SERVFAIL\n"},
		{"cache.etcd.svc.cluster.local.", dns.TypeA, "SERVFAIL\n"},
	} {
		if got := dig(t, addr, tt.name, tt.typ); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s %s: got %s\nwant %s", tt.name, dns.TypeToString[tt.typ], got, tt.want)
		}
	}
}

// TestReadme starts every "corefile" of the manual, reads every "txt" that is
// one, and looks for the sections that CoreDNS's manuals have.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for i, section := range []string{"Name", "Description", "Syntax", "Metrics", "Metadata", "Ready", "Examples", "Differences", "Bugs", "See Also"} {
		if headings := regexp.MustCompile(`(?m)^## (.*)$`).FindAllStringSubmatch(string(text), -1); i >= len(headings) || headings[i][1] != section {
			t.Errorf("section %d is not %q", i+1, section)
		}
	}
	folder := t.TempDir()
	t.Chdir(folder)
	if err := os.Mkdir("manifests", 0o755); err != nil {
		t.Fatal(err)
	}
	writeManifest(t, "manifests", manifest)
	n := 0
	for _, block := range regexp.MustCompile(`(?ms)^~~~ (corefile|txt)\n(.*?)^~~~$`).FindAllStringSubmatch(string(text), -1) {
		corefile := onFreePorts(block[2])
		n++
		if block[1] == "txt" {
			if err := caddy.ValidateAndExecuteDirectives(input(corefile), nil, true); err != nil {
				t.Errorf("%v\n%s", err, corefile)
			}
			continue
		}
		server, _ := serve(t, corefile)
		stopServer(t, server)
	}
	if n != 8 {
		t.Errorf("the manual has %d Corefiles, want 8", n)
	}
}

// waitShort waits for a moment; it returns false once the test is over.
func waitShort(t *testing.T) bool { return wait(t.Context(), nil, 10*time.Millisecond) }
