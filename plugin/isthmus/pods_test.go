package isthmus

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coredns/coredns/plugin/autopath"
	"github.com/coredns/coredns/plugin/test"
	"github.com/coredns/coredns/request"
	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry/all"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

var _ autopath.AutoPather = (*Isthmus)(nil)

// pods are those of the world. 10.240.0.1 is where test.ResponseWriter asks
// from, 127.0.0.1 where clients of a real server do.
func pods() []*catalog.Pod {
	at := func(all ...string) (addrs []netip.Addr) {
		for _, a := range all {
			addrs = append(addrs, netip.MustParseAddr(a))
		}
		return addrs
	}
	return []*catalog.Pod{
		{Key: catalog.Key{Namespace: "shop", Name: "web-0"}, Addrs: at("10.240.0.1", "fd00::7"), Meta: map[string]string{"app": "web"}},
		{Key: catalog.Key{Namespace: "shop", Name: "local-0"}, Addrs: at("127.0.0.1")},
		{Key: catalog.Key{Namespace: "shop", Name: "agent-0"}, Addrs: at("192.0.2.1"), Host: true},
		{Key: catalog.Key{Namespace: "empty", Name: "twin-0"}, Addrs: at("192.0.2.2")},
		{Key: catalog.Key{Namespace: "shop", Name: "twin-0"}, Addrs: at("192.0.2.2")},
		{Key: catalog.Key{Namespace: "hidden", Name: "x"}, Addrs: at("192.0.2.3")},
	}
}

func TestPodsVerified(t *testing.T) {
	conf := block(t, "pods verified\nkubernetes")
	run(t, handler(conf, catalog.New(conf.policy())), []ask_{{"10-240-0-1.shop.pod.Z", "*", servfail}})
	run(t, handler(conf, synced(t, conf)), []ask_{
		{"10-240-0-1.shop.pod.Z", "A", "NOERROR\n10-240-0-1.shop.pod.Z A 10.240.0.1\n"},
		{"10-240-0-1.shop.pod.Z", "*", nodata},
		{"fd00--7.shop.pod.Z", "AAAA", "NOERROR\nfd00--7.shop.pod.Z AAAA fd00::7\n"},
		{"192-0-2-1.shop.pod.Z", "A", "NOERROR\n192-0-2-1.shop.pod.Z A 192.0.2.1\n"},
		{"192-0-2-2.shop.pod.Z", "A", "NOERROR\n192-0-2-2.shop.pod.Z A 192.0.2.2\n"},
		{"192-0-2-2.empty.pod.Z", "A", "NOERROR\n192-0-2-2.empty.pod.Z A 192.0.2.2\n"},
		{"10-240-0-1.empty.pod.Z", "*", nxdomain},
		{"1-2-3-4.shop.pod.Z", "*", nxdomain},
		{"192-0-2-3.hidden.pod.Z", "*", nxdomain},
		{"web-0.shop.pod.Z", "*", nxdomain},
		{"shop.pod.Z", "*", nodata},
	})
}

// TestPodsAsked holds that every kubernetes registry, wherever it stands, is
// asked for its pods, and only for pods verified.
func TestPodsAsked(t *testing.T) {
	for inside, want := range map[string]string{
		"pods verified": "kubernetes cluster { pods; nopodnames }",
		"pods insecure": "kubernetes cluster { nopodnames }",
		"kubernetes a {\nqps 1\n}\npods verified":    "kubernetes a { qps 1; pods; nopodnames }",
		"pods verified\nkubernetes a {\npods\n}":     "kubernetes a { pods; nopodnames }",
		"pods verified\nlabels app=web\nnoendpoints": "kubernetes cluster { labels app=web; noendpoints; pods; nopodnames }",
		"endpoint_pod_names":                         "kubernetes cluster",
		"kubernetes a\nendpoint_pod_names":           "kubernetes a",
		"kubernetes a {\nnopodnames\n}":              "kubernetes a { nopodnames }",
	} {
		lines, err := stanza.Parse("Corefile", []byte("isthmus cluster.local {\n"+inside+"\n}\n"))
		if err != nil {
			t.Fatal(err)
		}
		conf, err := parse(lines[0], nil, all.Types(), func(string) string { return "" })
		if err != nil {
			t.Fatal(err)
		}
		if got := conf.registries[0].String(); got != want {
			t.Errorf("%q: got %q, want %q", inside, got, want)
		}
	}
}

func stateFrom(ip, name string) request.Request {
	return request.Request{W: &test.ResponseWriter{RemoteIP: ip}, Req: new(dns.Msg).SetQuestion(name, dns.TypeA)}
}

func TestAutoPath(t *testing.T) {
	conf := block(t, "pods verified\nkubernetes")
	conf.search = []string{"example.org."}
	p := handler(conf, synced(t, conf))
	off := block(t, "pods insecure\nkubernetes")
	const name = "www.example.com.shop.svc.cluster.local."
	for _, tt := range []struct {
		p        *Isthmus
		ip, name string
		want     string
	}{
		{p, "10.240.0.1", name, "shop.svc.cluster.local.,svc.cluster.local.,cluster.local.,example.org.,"},
		{p, "fd00::7", name, "shop.svc.cluster.local.,svc.cluster.local.,cluster.local.,example.org.,"},
		{p, "192.0.2.1", name, "none"},
		{p, "192.0.2.2", name, "none"},
		{p, "192.0.2.99", name, "none"},
		{p, "10.240.0.1", "www.example.com.", "none"},
		{p, "10.240.0.1", "1.in-addr.arpa.", "none"},
		{handler(off, synced(t, off)), "10.240.0.1", name, "none"},
	} {
		got := "none"
		if path := tt.p.AutoPath(stateFrom(tt.ip, tt.name)); path != nil {
			got = strings.Join(path, ",")
		}
		if got != tt.want {
			t.Errorf("%s from %s: %q, want %q", tt.name, tt.ip, got, tt.want)
		}
	}
}

func TestClientMetadata(t *testing.T) {
	conf := block(t, "pods verified\nkubernetes")
	p := handler(conf, synced(t, conf))
	const want = "client-label/app=web client-namespace=shop client-pod-name=web-0 kind=svc namespace=shop service=web"
	if diff := cmp.Diff(want, told(p, "web.shop.svc.cluster.local.")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSearchOf(t *testing.T) {
	file := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(file, []byte("search Example.org a.example.net.\nnameserver 192.0.2.1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"example.org.", "a.example.net."}, searchOf(file)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := searchOf(file + "x"); got != nil {
		t.Errorf("of no file: %v", got)
	}
}
