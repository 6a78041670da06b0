package catalog

import (
	"net/netip"
	"slices"
)

// Ranges are the networks out of which an origin gives its services virtual
// addresses, at one moment: what others put there answers for somebody else's
// service. The zero Ranges are those of an origin that did not report any.
type Ranges struct{ all *[]netip.Prefix }

// ReplaceRanges reports all of these networks. Only an origin that was asked for
// them reports them, before its first Replace. It keeps all.
func (f *Feed) ReplaceRanges(all []netip.Prefix) {
	f.edit(func(_ *Snapshot, o *origin) bool {
		if o.ranges.all != nil && slices.Equal(*o.ranges.all, all) {
			return false
		}
		o.ranges = Ranges{&all}
		o.heard()
		return true
	})
}

// Ranges returns those of o. Two are equal if nothing changed between them.
func (s *Snapshot) Ranges(o Origin) Ranges {
	if known := s.origins[o]; known != nil {
		return known.ranges
	}
	return Ranges{}
}

// Of returns the network that an address is of, and whether there is one.
func (r Ranges) Of(a netip.Addr) (in netip.Prefix, is bool) {
	if r.all == nil {
		return netip.Prefix{}, false
	}
	for _, p := range *r.all {
		if p.Contains(a) {
			return p, true
		}
	}
	return netip.Prefix{}, false
}
