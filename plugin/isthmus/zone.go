package isthmus

import (
	"net/netip"
	"time"

	"github.com/miekg/dns"

	"github.com/isthmus-dns/isthmus/catalog"
)

// serial is a zone's serial number and what makes it move: it is the greater
// of the last one plus 1 and the Unix time, and moves at most once a second. A
// change within the second of another one is owed until the next.
type serial struct {
	number  uint32
	stepped int64 // when it moved last, in Unix seconds
	owed    bool
}

// changed returns the serial after a change at now.
func (s serial) changed(now time.Time) serial {
	if now.Unix() <= s.stepped {
		s.owed = true
		return s
	}
	return s.step(now)
}

// settled returns the serial at now: what it owes is paid in the next second.
func (s serial) settled(now time.Time) serial {
	if s.owed && now.Unix() > s.stepped {
		return s.step(now)
	}
	return s
}

func (s serial) step(now time.Time) serial {
	return serial{number: max(s.number+1, uint32(now.Unix())), stepped: now.Unix()}
}

// due is how long after now the serial moves by itself; 0 if it does not.
func (s serial) due(now time.Time) time.Duration {
	if !s.owed {
		return 0
	}
	return max(time.Unix(s.stepped+1, 0).Sub(now), time.Millisecond)
}

// The timers of every SOA record; secondaries and caches go by them.
const (
	refresh   = 7200
	retry     = 1800
	expire    = 86400
	maxSOATTL = 300
)

// soa makes the zone's SOA record; ttl is how long absence may be cached.
func (z zone) soa(number, ttl uint32) dns.RR {
	return &dns.SOA{
		Hdr: dns.RR_Header{Name: z.name, Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: min(ttl, maxSOATTL)},
		Ns:  z.server(), Mbox: z.hostmaster(), Serial: number,
		Refresh: refresh, Retry: retry, Expire: expire, Minttl: ttl,
	}
}

// server is the name of the zone's server where no service is known that has
// one.
func (z zone) server() string {
	switch {
	case z.apex != "":
		return z.below("ns1." + z.apex)
	case z.domain != "":
		return z.below("ns")
	}
	return z.below("ns.dns")
}

func (z zone) hostmaster() string {
	if z.apex != "" {
		return z.below("hostmaster." + z.apex)
	}
	return z.below("hostmaster")
}

// version is the DNS schema that the names follow, for dns-version.Z.
const (
	version    = "1.1.0"
	versionTTL = 28800
)

func (v *view) versionTXT(owner string) []dns.RR {
	return []dns.RR{&dns.TXT{
		Hdr: dns.RR_Header{Name: owner, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: versionTTL},
		Txt: []string{v.conf.schema()},
	}}
}

// nameserver is one server of the zone with its addresses.
type nameserver struct {
	name  string
	addrs []netip.Addr
}

// nameservers returns the names under which this server is reached: those of
// the services that one of its addresses is an endpoint of, else ns.dns.Z.
// Services have no names in reverse zones, but in the primary one.
func (v *view) nameservers(z zone) []nameserver {
	if z.apex != "" {
		return []nameserver{{z.server(), v.serverAddrs()}}
	}
	if z.domain != "" {
		return []nameserver{{z.server(), v.conf.locals}}
	}
	var all []nameserver
	in := z
	if p := v.conf.zones.primary(); z.reverse && p >= 0 {
		in = v.conf.zones[p]
	}
	for _, local := range v.conf.locals {
		for _, k := range v.places.keysAt(local) {
			e, _ := v.entries.Get(*k)
			if e == nil {
				continue
			}
			if x := v.contentOf(e); x.hasEndpoint(local) {
				all = append(all, v.serversOf(x, in)...)
			}
		}
	}
	if len(all) == 0 {
		return []nameserver{{z.server(), v.conf.locals}}
	}
	return all
}

func (v *view) serversOf(x *content, z zone) []nameserver {
	name := serviceName(x.svc.Key, z)
	if x.svc.Type != catalog.Headless {
		return []nameserver{{name, x.svc.Addrs}}
	}
	var all []nameserver
	for _, ep := range x.ready {
		if ep.Host.Addr.IsValid() {
			all = append(all, nameserver{v.conf.hostOf(ep) + "." + name, []netip.Addr{ep.Host.Addr}})
		}
	}
	return all
}

// ns returns the zone's NS records and their addresses.
func (v *view) ns(z zone) rrset {
	b := builder{ttl: v.conf.namingIn(z).ttl}
	var s rrset
	seen := make(map[string]bool)
	for _, n := range v.nameservers(z) {
		if seen[n.name] {
			continue
		}
		seen[n.name] = true
		s.answer = append(s.answer, &dns.NS{Hdr: b.header(z.name, dns.TypeNS), Ns: n.name})
		a, aaaa := b.addrs(n.name, n.addrs)
		s.extra = append(append(s.extra, a...), aaaa...)
	}
	return s
}

// nsAddrs returns the addresses of ns.dns.Z.
func (v *view) nsAddrs(owner string, z zone) (a, aaaa []dns.RR) {
	b := builder{ttl: v.conf.namingIn(z).ttl}
	var all []netip.Addr
	seen := make(map[netip.Addr]bool)
	for _, n := range v.nameservers(z) {
		for _, x := range n.addrs {
			if !seen[x] {
				seen[x] = true
				all = append(all, x)
			}
		}
	}
	return b.addrs(owner, all)
}
