package isthmus

import (
	"github.com/coredns/coredns/plugin/pkg/fall"
	"github.com/miekg/dns"
)

// CacheBypassZones implements cache.ZoneBypasser: the zones whose answers are
// all ours, so that *cache* can add nothing to them but age. A zone with names
// that fall through is not among them, because the next plugin's answers are
// worth keeping, and for the same reason no reverse zone ever is.
func (p *Isthmus) CacheBypassZones() []string {
	var all []string
	for _, z := range p.conf.zones {
		if !z.reverse && !fallsWithin(p.conf.fallOf(z), z.name) {
			all = append(all, z.name)
		}
	}
	return all
}

// fallsWithin reports whether an absent name in zone may go on to the next
// plugin.
func fallsWithin(through fall.F, zone string) bool {
	for _, f := range through.Zones {
		if dns.IsSubDomain(zone, f) || dns.IsSubDomain(f, zone) {
			return true
		}
	}
	return false
}
