//go:build unix

package isthmus

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/test"
	"github.com/miekg/dns"

	"github.com/isthmus-dns/isthmus/catalog"
)

// A cluster as large as Kubernetes is tested for: 10,000 services in 100
// namespaces, every fifth headless. A hundred of those have 100 endpoints, all
// others 9.
const (
	benchServices   = 10000
	benchNamespaces = 100
)

// cluster makes that many services of the cluster above.
func cluster(n int) []*catalog.Service {
	all := make([]*catalog.Service, n)
	for i := range all {
		s := &catalog.Service{Key: catalog.Key{Namespace: fmt.Sprintf("ns-%d", i%benchNamespaces), Name: fmt.Sprintf("svc-%d", i)}}
		s.Ports = []catalog.Port{{Name: "http", Proto: catalog.TCP, Number: 80}}
		endpoints := 9
		switch {
		case i%100 == 0:
			s.Type, endpoints = catalog.Headless, 100
		case i%5 == 0:
			s.Type = catalog.Headless
		default:
			s.Addrs = []netip.Addr{addr4(10<<24 | uint32(i))}
		}
		ports := []catalog.Port{{Name: "http", Proto: catalog.TCP, Number: 8080}}
		for j := range endpoints {
			a := addr4(10<<24 | 128<<16 | uint32(i*16+j) + uint32(i/100)*128)
			s.Endpoints = append(s.Endpoints, catalog.Endpoint{
				ID: a.String(), Host: catalog.Host{Addr: a}, Ports: ports, Ready: true, Serving: true,
				Pod: fmt.Sprintf("svc-%d-5d9c7b6f8-%05d", i, j), Zone: "zone-a", Node: fmt.Sprintf("node-%d", a.As4()[3]%50),
			})
		}
		s.Sort()
		all[i] = s
	}
	return all
}

func addr4(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n)))
}

// inCluster returns a plugin that answers for the cluster above.
func inCluster(b *testing.B) *Isthmus {
	b.Helper()
	conf := block(b, "kubernetes")
	c := catalog.New(conf.policy())
	feed := c.Feed("kubernetes/cluster")
	var namespaces []string
	for i := range benchNamespaces {
		namespaces = append(namespaces, fmt.Sprintf("ns-%d", i))
	}
	feed.ReplaceNamespaces(namespaces)
	feed.Replace(cluster(benchServices))
	return handler(conf, c)
}

// constant is the least that a plugin can do: one record for everybody.
type constant struct{ rr dns.RR }

func (constant) Name() string { return "constant" }

func (c constant) ServeDNS(_ context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	m := new(dns.Msg)
	m.SetReply(r)
	m.Authoritative = true
	m.Answer = []dns.RR{c.rr}
	return dns.RcodeSuccess, w.WriteMsg(m)
}

// questions are packed questions of a kind, each after its length, for every
// n-th service from the first on.
func questions(b *testing.B, format string, typ uint16, first, step int, edns uint16) [][]byte {
	var all [][]byte
	for i := first; i < benchServices; i += step {
		all = append(all, framed(b, fmt.Sprintf(format, i, i%benchNamespaces)+".", typ, edns))
	}
	return all
}

// reverseQuestions are packed questions for the addresses of services and of
// endpoints in turn.
func reverseQuestions(b *testing.B) [][]byte {
	var all [][]byte
	for _, name := range reverseNames(b) {
		all = append(all, framed(b, name, dns.TypePTR, 1232))
	}
	return all
}

// framed is a packed question after its length.
func framed(b *testing.B, name string, typ, edns uint16) []byte {
	m := new(dns.Msg)
	m.SetQuestion(name, typ)
	if edns > 0 {
		m.SetEdns0(edns, false)
	}
	text, err := m.Pack()
	if err != nil {
		b.Fatal(err)
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(text))), text...)
}

// BenchmarkAnswers measures whole answers of CoreDNS's server over loopback,
// one after another, the asking included: "constant" is what all have in
// common, "usual" is the plugin behind another one.
func BenchmarkAnswers(b *testing.B) {
	const svc = "svc-%d.ns-%d.svc.cluster.local"
	cases := []struct {
		name    string
		asked   [][]byte
		network string
	}{
		{"A", questions(b, svc, dns.TypeA, 1, 5, 1232), "udp"},
		{"NXDOMAIN", questions(b, svc+".ns-1.svc.cluster.local", dns.TypeA, 1, 5, 1232), "udp"},
		{"NODATA", questions(b, svc, dns.TypeAAAA, 1, 5, 1232), "udp"},
		{"PTR", reverseQuestions(b), "udp"},
		{"A100udp", questions(b, svc, dns.TypeA, 0, 100, 1232), "udp"},
		{"A100tcp", questions(b, svc, dns.TypeA, 0, 100, 0), "tcp"},
		{"SRV100udp", questions(b, "_http._tcp."+svc, dns.TypeSRV, 0, 100, 1232), "udp"},
		{"SRV100tcp", questions(b, "_http._tcp."+svc, dns.TypeSRV, 0, 100, 0), "tcp"},
	}
	for _, h := range []struct {
		name string
		make func() plugin.Handler
	}{
		{"constant", func() plugin.Handler { return constant{test.A("svc.ns.svc.cluster.local. 30 IN A 10.0.0.1")} }},
		{"usual", func() plugin.Handler { return through{inCluster(b)} }},
		{"isthmus", func() plugin.Handler { return inCluster(b) }},
	} {
		p := h.make()
		for _, c := range cases {
			b.Run(h.name+"/"+c.name, func(b *testing.B) {
				conn, buf, bytes := listen(b, p)[c.network].Conn, make([]byte, dns.MaxMsgSize), 0
				b.ReportAllocs()
				before := cpuTime(b)
				for i := 0; b.Loop(); i++ {
					text := c.asked[i*7919%len(c.asked)]
					if c.network == "udp" {
						text = text[2:]
					}
					if _, err := conn.Write(text); err != nil {
						b.Fatal(err)
					}
					n, err := readReply(conn, buf, c.network == "tcp")
					if err != nil {
						b.Fatal(err)
					}
					bytes += n
				}
				b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
				b.ReportMetric(float64(bytes)/float64(b.N), "bytes/answer")
			})
		}
	}
}

func readReply(conn net.Conn, buf []byte, framed bool) (int, error) {
	if !framed {
		return conn.Read(buf)
	}
	if _, err := io.ReadFull(conn, buf[:2]); err != nil {
		return 0, err
	}
	return io.ReadFull(conn, buf[:binary.BigEndian.Uint16(buf)])
}

// cpuTime is what the process used up, in nanoseconds: what counts where the
// machine has other things to do.
func cpuTime(b *testing.B) int64 {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return used.Utime.Nano() + used.Stime.Nano()
}

// BenchmarkPTR asks for the addresses of services in turn, one of each.
func BenchmarkPTR(b *testing.B) {
	p := inCluster(b)
	v, names := p.views.newest.Load(), reverseNames(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		name := names[i*7919%len(names)]
		q, _ := p.conf.zones.parse(name)
		if a := v.answer(&q, name, dns.TypePTR); len(a.answer) == 0 {
			b.Fatal(name)
		}
	}
}

// reverseNames are one address of each service, by turns its own and that of an
// endpoint.
func reverseNames(b *testing.B) []string {
	var names []string
	for i, svc := range cluster(benchServices) {
		a := svc.Endpoints[i%len(svc.Endpoints)].Host.Addr
		if i%2 == 0 && len(svc.Addrs) > 0 {
			a = svc.Addrs[0]
		}
		name, err := dns.ReverseAddr(a.String())
		if err != nil {
			b.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}

// BenchmarkReverseZone transfers a zone of all addresses.
func BenchmarkReverseZone(b *testing.B) {
	p := inCluster(b)
	v, z := p.views.newest.Load(), p.conf.zones.find("in-addr.arpa.")
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for rrs := range v.records(z) {
			n += len(rrs)
		}
		if n < benchServices {
			b.Fatalf("%d records", n)
		}
	}
}
