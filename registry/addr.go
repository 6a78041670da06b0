package registry

import (
	"fmt"
	"net/netip"
)

// CheckAddr returns an error that wraps ErrInvalid if a is no address that a
// service can be reached at from other hosts: not valid, unspecified,
// loopback, link-local, multicast, broadcast, IPv4 mapped to IPv6, or bound to
// an interface by a zone. Every registry asks it of every address that it
// reads or writes; what it refuses is left out and reported, never answered.
func CheckAddr(a netip.Addr) error {
	why := ""
	switch {
	case !a.IsValid():
		why = "not an IP address"
	case a.Is4In6():
		why = "IPv4 mapped to IPv6"
	case a.Zone() != "":
		why = "bound to an interface"
	case a.IsUnspecified():
		why = "unspecified"
	case a.IsLoopback():
		why = "loopback"
	case a.IsMulticast():
		why = "multicast"
	case a.IsLinkLocalUnicast():
		why = "link-local"
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		why = "broadcast"
	default:
		return nil
	}
	return fmt.Errorf("address %q is %s: %w", a, why, ErrInvalid)
}
