package registry

import (
	"errors"
	"net/netip"
	"testing"
)

func TestCheckAddr(t *testing.T) {
	for _, tt := range []struct {
		addr string // "" is the zero Addr
		ok   bool
	}{
		{"10.0.0.1", true},
		{"192.168.1.255", true},
		{"100.64.0.1", true},
		{"203.0.113.9", true},
		{"fd00::1", true},
		{"2001:db8::1", true},
		{"", false},
		{"0.0.0.0", false},
		{"::", false},
		{"127.0.0.1", false},
		{"127.255.255.254", false},
		{"::1", false},
		{"169.254.169.254", false},
		{"fe80::1", false},
		{"fd00::1%eth0", false},
		{"224.0.0.1", false},
		{"239.255.255.255", false},
		{"ff02::1", false},
		{"ff0e::1", false},
		{"255.255.255.255", false},
		{"::ffff:10.0.0.1", false},
		{"::ffff:127.0.0.1", false},
	} {
		var a netip.Addr
		if tt.addr != "" {
			a = netip.MustParseAddr(tt.addr)
		}
		err := CheckAddr(a)
		if (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("CheckAddr(%q) = %v, want ok %v", tt.addr, err, tt.ok)
		}
	}
}
