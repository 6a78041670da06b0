package differential

import (
	"fmt"
	"hash/fnv"
	"net"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// upstream is the server that both sides forward to. What it says depends on
// the question alone, and a name that it does not hold is denied in the same
// words for every name and type, so that what fell through shows.
type upstream struct {
	udp, tcp *dns.Server
	running  sync.WaitGroup
}

// startUpstream listens on a port of loopback that is free over UDP and TCP.
func startUpstream(port string) (*upstream, error) {
	addr := net.JoinHostPort("127.0.0.1", port)
	pc, err := net.ListenPacket("udp", addr)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		pc.Close()
		return nil, err
	}
	u := &upstream{
		udp: &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(serveUpstream)},
		tcp: &dns.Server{Listener: l, Handler: dns.HandlerFunc(serveUpstream)},
	}
	for _, s := range []*dns.Server{u.udp, u.tcp} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		u.running.Go(func() { _ = s.ActivateAndServe() }) // ends by stop
		<-started
	}
	return u, nil
}

func (u *upstream) stop() {
	_ = u.udp.Shutdown()
	_ = u.tcp.Shutdown()
	u.running.Wait()
}

func serveUpstream(w dns.ResponseWriter, r *dns.Msg) {
	m := new(dns.Msg).SetReply(r)
	m.Authoritative, m.RecursionAvailable = true, true
	q := r.Question[0]
	name := strings.ToLower(q.Name)
	if !strings.HasSuffix(name, ".example.") || strings.HasPrefix(name, "nx.") {
		m.Rcode = dns.RcodeNameError
	} else {
		m.Answer = held(q, name)
	}
	if len(m.Answer) == 0 {
		m.Ns = []dns.RR{parseRR("upstream. 60 IN SOA ns.upstream. host.upstream. 1 2 3 4 60")}
	}
	size := dns.MinMsgSize
	if opt := r.IsEdns0(); opt != nil {
		size = int(opt.UDPSize())
		m.SetEdns0(opt.UDPSize(), opt.Do())
	}
	if _, overTCP := w.RemoteAddr().(*net.TCPAddr); overTCP {
		size = dns.MaxMsgSize
	}
	m.Truncate(size)
	_ = w.WriteMsg(m) // whoever asks notices
}

// held are the records below example.: one address of each family, sixty of
// big.example., and an alias.
func held(q dns.Question, name string) []dns.RR {
	h := fnv.New32a()
	h.Write([]byte(name))
	n := h.Sum32()
	switch {
	case name == "alias.example.":
		return append([]dns.RR{parseRR(q.Name + " 60 IN CNAME host.example.")},
			held(dns.Question{Name: "host.example.", Qtype: q.Qtype}, "host.example.")...)
	case q.Qtype == dns.TypeA && name == "big.example.":
		var all []dns.RR
		for i := range 60 {
			all = append(all, parseRR(fmt.Sprintf("%s 60 IN A 198.51.100.%d", q.Name, i)))
		}
		return all
	case q.Qtype == dns.TypeA:
		return []dns.RR{parseRR(fmt.Sprintf("%s 60 IN A 203.0.113.%d", q.Name, n%250))}
	case q.Qtype == dns.TypeAAAA:
		return []dns.RR{parseRR(fmt.Sprintf("%s 60 IN AAAA 2001:db8::%x", q.Name, n%65536))}
	case q.Qtype == dns.TypeTXT:
		return []dns.RR{parseRR(q.Name + ` 60 IN TXT "outside"`)}
	}
	return nil
}
