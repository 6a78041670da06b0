//go:build unix

package isthmus

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"github.com/coredns/coredns/core/dnsserver"
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

// wire is a writer that packs what it is given and drops it, as a socket would.
type wire struct {
	test.ResponseWriter
	remote net.Addr
	bytes  int
}

func (w *wire) RemoteAddr() net.Addr { return w.remote }

func (w *wire) WriteMsg(m *dns.Msg) error {
	text, err := m.Pack()
	w.bytes += len(text)
	return err
}

func (w *wire) Write(text []byte) (int, error) {
	w.bytes += len(text)
	return len(text), nil
}

// questions are packed questions of a kind, for every n-th service from the
// first on.
func questions(b *testing.B, format string, typ uint16, first, step int, edns uint16) [][]byte {
	var all [][]byte
	for i := first; i < benchServices; i += step {
		m := new(dns.Msg)
		m.SetQuestion(fmt.Sprintf(format, i, i%benchNamespaces)+".", typ)
		if edns > 0 {
			m.SetEdns0(edns, false)
		}
		text, err := m.Pack()
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, text)
	}
	return all
}

// BenchmarkAnswers measures whole answers from the packed question to the
// packed answer, through CoreDNS's server and without a socket.
func BenchmarkAnswers(b *testing.B) {
	const svc = "svc-%d.ns-%d.svc.cluster.local"
	udp, tcp := net.Addr(&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1).To4()}), net.Addr(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1).To4()})
	cases := []struct {
		name   string
		asked  [][]byte
		remote net.Addr
	}{
		{"A", questions(b, svc, dns.TypeA, 1, 5, 1232), udp},
		{"NXDOMAIN", questions(b, svc+".ns-1.svc.cluster.local", dns.TypeA, 1, 5, 1232), udp},
		{"NODATA", questions(b, svc, dns.TypeAAAA, 1, 5, 1232), udp},
		{"A100udp", questions(b, svc, dns.TypeA, 0, 100, 1232), udp},
		{"A100tcp", questions(b, svc, dns.TypeA, 0, 100, 0), tcp},
		{"SRV100udp", questions(b, "_http._tcp."+svc, dns.TypeSRV, 0, 100, 1232), udp},
		{"SRV100tcp", questions(b, "_http._tcp."+svc, dns.TypeSRV, 0, 100, 0), tcp},
	}
	plugins := map[string]func() plugin.Handler{
		"constant": func() plugin.Handler { return constant{test.A("svc.ns.svc.cluster.local. 30 IN A 10.0.0.1")} },
		"isthmus":  func() plugin.Handler { return inCluster(b) },
	}
	for _, name := range []string{"constant", "isthmus"} {
		s := server(b, plugins[name]())
		for _, c := range cases {
			b.Run(name+"/"+c.name, func(b *testing.B) {
				w := &wire{remote: c.remote}
				b.ReportAllocs()
				before := cpuTime(b)
				for i := 0; b.Loop(); i++ {
					r := new(dns.Msg)
					if err := r.Unpack(c.asked[i*7919%len(c.asked)]); err != nil {
						b.Fatal(err)
					}
					s.ServeDNS(context.Background(), w, r)
				}
				b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
				b.ReportMetric(float64(w.bytes)/float64(b.N), "bytes/answer")
			})
		}
	}
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

func server(b *testing.B, p plugin.Handler) *dnsserver.Server {
	b.Helper()
	conf := &dnsserver.Config{Zone: "cluster.local.", Transport: "dns", ListenHosts: []string{"127.0.0.1"}, Port: "53"}
	conf.AddPlugin(func(plugin.Handler) plugin.Handler { return p })
	s, err := dnsserver.NewServer("127.0.0.1:53", []*dnsserver.Config{conf})
	if err != nil {
		b.Fatal(err)
	}
	return s
}
