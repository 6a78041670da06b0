// Command constant is the floor that the benchmark measures against: CoreDNS's
// own server and chain with one plugin, which answers every question with one A
// record through WriteMsg. What a plugin that looks something up costs beyond
// it is the plugin's own cost.
package main

import (
	"context"
	"log"
	"net"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	"github.com/coredns/coredns/plugin"
	_ "github.com/coredns/coredns/plugin/bind"  // to listen on loopback only
	_ "github.com/coredns/coredns/plugin/pprof" // as the servers that are measured beside it
	"github.com/miekg/dns"
)

func main() {
	plugin.Register("constant", setup)
	if err := dnsserver.SetDirectives([]string{"bind", "pprof", "constant"}); err != nil {
		log.Fatal(err)
	}
	coremain.Run()
}

func setup(c *caddy.Controller) error {
	dnsserver.GetConfig(c).AddPlugin(func(plugin.Handler) plugin.Handler {
		return constant{address: net.IPv4(192, 0, 2, 1).To4()}
	})
	return nil
}

// constant answers with address, whatever is asked.
type constant struct{ address net.IP }

// Name implements plugin.Handler.
func (constant) Name() string { return "constant" }

// ServeDNS implements plugin.Handler.
func (p constant) ServeDNS(_ context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	m := new(dns.Msg).SetReply(r)
	m.Authoritative = true
	m.Answer = []dns.RR{&dns.A{
		Hdr: dns.RR_Header{Name: r.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 30},
		A:   p.address,
	}}
	return dns.RcodeSuccess, w.WriteMsg(m)
}
