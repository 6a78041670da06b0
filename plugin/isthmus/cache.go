package isthmus

import "github.com/miekg/dns"

// CacheBypassZones implements cache.ZoneBypasser: the zones whose answers are
// all ours, so that *cache* can add nothing to them but age. A zone with names
// that fall through is not among them, because the next plugin's answers are
// worth keeping, and for the same reason no reverse zone ever is.
func (p *Isthmus) CacheBypassZones() []string {
	var all []string
	for _, z := range p.conf.zones {
		if !z.reverse && !p.conf.fallsWithin(z.name) {
			all = append(all, z.name)
		}
	}
	return all
}

// fallsWithin reports whether an absent name in zone may go on to the next
// plugin.
func (c *config) fallsWithin(zone string) bool {
	for _, f := range c.fall.Zones {
		if dns.IsSubDomain(zone, f) || dns.IsSubDomain(f, zone) {
			return true
		}
	}
	return false
}
