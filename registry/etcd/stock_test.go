package etcd

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	stock "github.com/coredns/coredns/plugin/etcd"
	"github.com/coredns/coredns/plugin/pkg/dnstest"
	"github.com/coredns/coredns/plugin/pkg/upstream"
	dnsserver "github.com/coredns/coredns/plugin/test"
	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

const stockServices = `service shop/web Headless
	mark owner=prod of=x:1 key=shop/web format=1
	endpoint 10.0.0.1 id=Slice/1 ready hostname=web-0
		port dns UDP 53
		port http TCP 8080
	endpoint 10.0.0.2 id=Slice/2 ready
		port dns UDP 53
		port http TCP 8080
	endpoint 10.0.0.3 id=Slice/3
		port dns UDP 53
		port http TCP 8080
	endpoint fd00::1 id=Slice/6 ready
		port dns UDP 53
		port http TCP 8080
service shop/dual Headless
	mark owner=prod of=x:1 key=shop/dual format=1
	endpoint 10.0.1.1 id=a ready hostname=dual-0
		port http TCP 80
	endpoint fd00::2 id=b ready hostname=dual-0
		port http TCP 80
service shop/bare Headless
	mark owner=prod of=x:1 key=shop/bare format=1
	endpoint 10.0.2.1 id=a ready hostname=bare-0
service shop/unnamed Headless
	mark owner=prod of=x:1 key=shop/unnamed format=1
	endpoint 10.0.3.1 id=a ready
		port "" TCP 9000
service shop/other ExternalName ttl=60s
	mark owner=prod of=x:1 key=shop/other format=1
	alias bare.shop.svc.ZONE
`

// TestStockPlugin holds that CoreDNS's own etcd plugin answers out of what we
// write as a cluster's DNS does for headless services.
func TestStockPlugin(t *testing.T) {
	z := newReverseZone(t)
	w := watch(t, z.writer(t, "prod"))
	w.Synced(t)
	claimed(t, w.etcd)
	for _, part := range strings.SplitAfter(strings.ReplaceAll(stockServices, "ZONE", z.name), "service ")[1:] {
		mustPut(t, w.etcd, service(t, strings.TrimSuffix("service "+part, "service ")))
	}
	plugin := &stock.Etcd{Zones: []string{z.name + ".", "in-addr.arpa.", "ip6.arpa."}, PathPrefix: strings.Trim(z.layout.root, "/"), Client: z.raw, Upstream: upstream.New()}
	for _, tt := range []struct {
		name string
		typ  uint16
		want string
	}{
		{"web", dns.TypeA, "10.0.0.1 10.0.0.2"},
		{"web", dns.TypeAAAA, "fd00::1"},
		{"_http._tcp.web", dns.TypeSRV, "8080=10.0.0.1 8080=10.0.0.2 8080=fd00::1"},
		{"_dns._udp.web", dns.TypeSRV, "53=10.0.0.1 53=10.0.0.2 53=fd00::1"},
		{"web", dns.TypeSRV, "53=10.0.0.1 53=10.0.0.2 53=fd00::1 8080=10.0.0.1 8080=10.0.0.2 8080=fd00::1"},
		{"_dns._tcp.web", dns.TypeSRV, "NXDOMAIN"},
		{"web-0.web", dns.TypeA, "10.0.0.1"},
		{"dual-0.dual", dns.TypeA, "10.0.1.1"},
		{"dual-0.dual", dns.TypeAAAA, "fd00::2"},
		{"_http._tcp.dual", dns.TypeSRV, "80=10.0.1.1 80=fd00::2"},
		{"bare", dns.TypeA, "10.0.2.1"},
		{"bare-0.bare", dns.TypeA, "10.0.2.1"},
		{"bare", dns.TypeSRV, ""},
		{"unnamed", dns.TypeSRV, "9000=10.0.3.1"},
		{"other", dns.TypeCNAME, "bare.shop.svc." + z.name + "."},
		{"other", dns.TypeA, "10.0.2.1 bare.shop.svc." + z.name + "."},
		{"none", dns.TypeA, "NXDOMAIN"},
	} {
		if diff := cmp.Diff(tt.want, ask(t, plugin, tt.name+".shop.svc."+z.name+".", tt.typ)); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", tt.name, dns.TypeToString[tt.typ], diff)
		}
	}
	for addr, want := range map[string]string{
		"10.0.0.1": "web-0.web", "10.0.0.2": "web", "fd00::1": "web", "10.0.1.1": "dual-0.dual", "fd00::2": "dual-0.dual",
		"10.0.0.3": "NXDOMAIN", "10.0.0.9": "NXDOMAIN",
	} {
		name, err := dns.ReverseAddr(addr)
		if err != nil {
			t.Fatal(err)
		}
		if want != "NXDOMAIN" {
			want += ".shop.svc." + z.name + "."
		}
		got := ask(t, plugin, name, dns.TypePTR)
		if got != want {
			t.Errorf("PTR of %s = %q, want %q", addr, got, want)
		}
		if got != "NXDOMAIN" && !strings.Contains(ask(t, plugin, got, dns.TypeA)+" "+ask(t, plugin, got, dns.TypeAAAA), addr) {
			t.Errorf("PTR of %s = %q, which does not have the address", addr, got)
		}
	}
}

// ask returns the answer's addresses and names, sorted; of SRV each port with
// the addresses that its target resolves to.
func ask(t *testing.T, plugin *stock.Etcd, name string, typ uint16) string {
	t.Helper()
	m := exchange(t, plugin, name, typ)
	if m.Rcode != dns.RcodeSuccess {
		return dns.RcodeToString[m.Rcode]
	}
	var all []string
	for _, rr := range m.Answer {
		switch rr := rr.(type) {
		case *dns.A:
			all = append(all, rr.A.String())
		case *dns.AAAA:
			all = append(all, rr.AAAA.String())
		case *dns.PTR:
			all = append(all, rr.Ptr)
		case *dns.CNAME:
			all = append(all, rr.Target)
		case *dns.SRV:
			for _, typ := range []uint16{dns.TypeA, dns.TypeAAAA} {
				if addr := ask(t, plugin, rr.Target, typ); addr != "" {
					all = append(all, fmt.Sprintf("%d=%s", rr.Port, addr))
				}
			}
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func exchange(t *testing.T, plugin *stock.Etcd, name string, typ uint16) *dns.Msg {
	t.Helper()
	q := new(dns.Msg)
	q.SetQuestion(name, typ)
	rec := dnstest.NewRecorder(&dnsserver.ResponseWriter{})
	if _, err := plugin.ServeDNS(t.Context(), rec, q); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return rec.Msg
}
