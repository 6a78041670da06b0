package isthmus

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/test"
	"github.com/coredns/coredns/request"
	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

// through is a plugin in front, as most are: it hands a writer of its own on.
type through struct{ plugin.Handler }

func (t through) ServeDNS(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	return t.Handler.ServeDNS(ctx, struct{ dns.ResponseWriter }{w}, r)
}

// listen serves h, alone in CoreDNS's chain, over UDP and TCP.
func listen(t testing.TB, h plugin.Handler) map[string]*dns.Conn {
	t.Helper()
	conf := &dnsserver.Config{Zone: ".", Transport: "dns", ListenHosts: []string{"127.0.0.1"}, Port: "0"}
	conf.AddPlugin(func(plugin.Handler) plugin.Handler { return h })
	s, err := dnsserver.NewServer("127.0.0.1:0", []*dnsserver.Config{conf})
	if err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() { _ = s.ServePacket(udp) })
	running.Go(func() { _ = s.Serve(tcp) })
	conns := map[string]*dns.Conn{}
	for network, addr := range map[string]net.Addr{"udp": udp.LocalAddr(), "tcp": tcp.Addr()} {
		c, err := dns.Dial(network, addr.String())
		if err != nil {
			t.Fatal(err)
		}
		c.UDPSize = dns.MaxMsgSize
		conns[network] = c
	}
	t.Cleanup(func() {
		for _, c := range conns {
			c.Close()
		}
		udp.Close()
		tcp.Close()
		running.Wait()
	})
	return conns
}

// bytesOf returns the reply as it came over the wire.
func bytesOf(t *testing.T, c *dns.Conn, m *dns.Msg) []byte {
	t.Helper()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := c.WriteMsg(m); err != nil {
		t.Fatal(err)
	}
	text, err := c.ReadMsgHeader(nil)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// unpacked is a reply as text, all of it, in its order.
func unpacked(t *testing.T, text []byte) string {
	t.Helper()
	m := new(dns.Msg)
	if err := m.Unpack(text); err != nil {
		t.Fatalf("unpack: %v\n%x", err, text)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%+v\n", m.MsgHdr)
	for _, q := range m.Question {
		fmt.Fprintf(&b, "%s\n", q.String())
	}
	for i, section := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
		for _, rr := range section {
			fmt.Fprintf(&b, "%d %s\n", i, rr)
		}
	}
	return b.String()
}

// many is a service of n endpoints, every third with two ports and a host name
// that it shares with its neighbour, which has the other address family.
func many(name string, n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "service shop/%s Headless\n", name)
	for i := range n {
		fmt.Fprintf(&b, "\tendpoint 10.1.%d.%d id=%06d ready\n\t\tport sql TCP 5432\n", i/250, i%250, 2*i)
		if i%3 == 0 {
			fmt.Fprintf(&b, "\t\tport web TCP 80\n\tendpoint fd00::%x id=%06d ready hostname=twin-%d\n\t\tport sql TCP 5432\n", i+1, 2*i+1, i)
		}
	}
	return b.String()
}

// crowd is so many services with an endpoint each at 10.9.9.9 and fd00::9, where
// their pods have the address of the node.
func crowd(name string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "service shop/%s-%d Headless\n\tendpoint 10.9.9.9 id=a ready\n\tendpoint fd00::9 id=b ready hostname=node\n", name, i)
	}
	return b.String()
}

// TestSend holds that what the plugin packs itself says what WriteMsg would have
// said: every shape of name, every type, spelled either way, over UDP with and
// without room, and over TCP.
func TestSend(t *testing.T) {
	conf := block(t, "pods insecure\nkubernetes\nconsul")
	c := synced(t, conf)
	c.Feed("kubernetes/cluster").Update(services(t, many("some", 12)+many("big", 120)+many("huge", 2500)+crowd("agent", 40)), nil)
	asked, own := sameSent(t, handler(conf, c), []string{
		"cluster.local.", "svc.cluster.local.", "dns-version.cluster.local.", "ns.dns.cluster.local.", "x.cluster.local.", "shop.svc.cluster.local.",
		"web.shop.svc.cluster.local.", "dual.shop.svc.cluster.local.", "_http._tcp.web.shop.svc.cluster.local.", "http.tcp.web.shop.svc.cluster.local.",
		"_tcp.web.shop.svc.cluster.local.", "db.shop.svc.cluster.local.", "_sql._tcp.db.shop.svc.cluster.local.", "db-0.db.shop.svc.cluster.local.",
		"some.shop.svc.cluster.local.", "_sql._tcp.some.shop.svc.cluster.local.", "big.shop.svc.cluster.local.", "_sql._tcp.big.shop.svc.cluster.local.", "_sql._tcp.huge.shop.svc.cluster.local.",
		"huge.shop.svc.cluster.local.", "six.shop.svc.cluster.local.", "inner.shop.svc.cluster.local.", "dangling.shop.svc.cluster.local.", "outer.shop.svc.cluster.local.",
		"1-2-3-4.shop.pod.cluster.local.", "80.0.0.10.in-addr.arpa.", "10.in-addr.arpa.", "9.9.9.9.in-addr.arpa.", "9.9.9.10.in-addr.arpa.",
		"9.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa.", "11.0.1.10.in-addr.arpa.", "1.0.1.10.in-addr.arpa.", "3.1.10.in-addr.arpa.", "api.consul.svc.cluster.local.", "ranked.consul.svc.cluster.local.",
		"www.example.org.shop.svc.cluster.local.", `a\.b.shop.svc.cluster.local.`, `a\032b.shop.svc.cluster.local.`,
		strings.Repeat("long.", 40) + "shop.svc.cluster.local.",
	})
	if own < asked/2 {
		t.Errorf("%d of %d answers were packed here; does CoreDNS look different inside?", own, asked)
	}
	sameSent(t, exposedTo(t, "external example.org in-addr.arpa 2001:db8::/32"), []string{
		"example.org.", "ns1.dns.example.org.", "shop.example.org.", "nothing.example.org.", "web.shop.example.org.", "_http._tcp.web.shop.example.org.",
		"both.shop.example.org.", "_http._tcp.both.shop.example.org.", "named.shop.example.org.", "inside.shop.example.org.", "fronted.shop.example.org.",
	})
}

// sameSent asks p for the names, alone in a server and behind another plugin,
// and counts the questions and the answers whose bytes differ.
func sameSent(t *testing.T, p *Isthmus, names []string) (asked, differ int) {
	t.Helper()
	packed, usual := listen(t, p), listen(t, through{p})
	for _, name := range names {
		for _, typ := range allTypes {
			for _, m := range questionsOf(name, dns.StringToType[typ]) {
				asked++
				network := "udp"
				if m.Id&1 == 1 {
					network = "tcp"
				}
				got, want := bytesOf(t, packed[network], m), bytesOf(t, usual[network], m)
				if diff := cmp.Diff(unpacked(t, want), unpacked(t, got)); diff != "" {
					t.Errorf("%s over %s:\n(-WriteMsg +packed):\n%s", m, network, diff)
				}
				if string(got) != string(want) {
					differ++
				}
			}
		}
	}
	return asked, differ
}

// questionsOf are the ways to ask a question; those of odd ids are for TCP.
func questionsOf(name string, typ uint16) []*dns.Msg {
	var all []*dns.Msg
	for i, size := range []uint16{0, 1, 512, 700, 1232, 4096, 60000} {
		for _, odd := range []uint16{0, 1} {
			m := new(dns.Msg)
			m.SetQuestion(name, typ)
			m.Id = uint16(1000+100*i+len(name))&^1 | odd
			m.RecursionDesired, m.CheckingDisabled = i%2 == 0, i%3 == 0
			if i%2 == 1 {
				m.Question[0].Name = strings.ToUpper(name)
			}
			if size > 0 {
				m.SetEdns0(size, i%3 == 1)
			}
			all = append(all, m)
		}
	}
	with := all[len(all)-2].Copy()
	with.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0102030405060708"}}
	return append(all, with)
}

// TestSendAlone holds that nothing is packed here that another plugin or writer
// is to see.
func TestSendAlone(t *testing.T) {
	conf := block(t, "kubernetes")
	p := handler(conf, synced(t, conf))
	r := new(dns.Msg)
	r.SetQuestion("web.shop.svc.cluster.local.", dns.TypeA)
	var s sender
	for name, w := range map[string]dns.ResponseWriter{
		"a plugin's writer":        struct{ dns.ResponseWriter }{request.NewScrubWriter(r, &keep{})},
		"no server's writer":       request.NewScrubWriter(r, &keep{}),
		"no pointer":               request.NewScrubWriter(r, struct{ dns.ResponseWriter }{&keep{}}),
		"nothing":                  &test.ResponseWriter{},
		"a server's, not scrubbed": &keep{},
	} {
		if s.socket(w, r) != nil {
			t.Errorf("%s is taken for the server's own", name)
		}
	}
	listenRaw(t, nil, func(w dns.ResponseWriter, r *dns.Msg) {
		if s.socket(request.NewScrubWriter(r, w), r) == nil {
			t.Error("the server's own writer is not known")
		}
		if s.socket(request.NewScrubWriter(r, w), r.Copy()) != nil {
			t.Error("another question is taken for the one that came in")
		}
	})
	listenRaw(t, func(w dns.Writer) dns.Writer { return struct{ dns.Writer }{w} }, func(w dns.ResponseWriter, r *dns.Msg) {
		if s.socket(request.NewScrubWriter(r, w), r) != nil {
			t.Error("a writer that somebody else writes for is taken for the server's own")
		}
	})
	if a := p.views.newest.Load().answer(new(query), "", dns.TypeA); s.send(&keep{}, r, "", &a, p.views.newest.Load()) {
		t.Error("answered by nobody's writer")
	}
}

// listenRaw asks a server of miekg/dns one question that check sees.
func listenRaw(t *testing.T, decorate dns.DecorateWriter, check func(dns.ResponseWriter, *dns.Msg)) {
	t.Helper()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: udp, DecorateWriter: decorate, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		check(w, r)
		_ = w.WriteMsg(new(dns.Msg).SetReply(r))
	})}
	done := make(chan error)
	go func() { done <- server.ActivateAndServe() }()
	c, err := dns.Dial("udp", udp.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	bytesOf(t, c, new(dns.Msg).SetQuestion("web.shop.svc.cluster.local.", dns.TypeA))
	c.Close()
	udp.Close()
	<-done
}
