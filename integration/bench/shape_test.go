package main

import (
	"net/netip"
	"testing"
)

func TestShape(t *testing.T) {
	for _, tt := range []struct {
		name                                         string
		shape                                        shape
		services, headless, full, endpoints, virtual int
	}{
		{"whole", whole(), 10000, 2000, 100, 100000, 8000},
		{"small", small(), 500, 100, 10, 5000, 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var services, headless, full, endpoints int
			virtual := make(map[netip.Addr]bool)
			for v := range tt.shape.services() {
				services++
				if v.first != endpoints {
					t.Fatalf("%s begins at endpoint %d, want %d", v.fqdn(), v.first, endpoints)
				}
				endpoints += v.count
				switch {
				case v.headless && v.count == fullService:
					full++
					fallthrough
				case v.headless:
					headless++
				default:
					virtual[v.clusterIP] = true
				}
			}
			got := []int{services, headless, full, endpoints, len(virtual)}
			want := []int{tt.services, tt.headless, tt.full, tt.endpoints, tt.virtual}
			for i := range want {
				if got[i] != want[i] {
					t.Errorf("services, headless, full, endpoints, virtual addresses = %v, want %v", got, want)
					break
				}
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	services := netip.MustParsePrefix("10.96.0.0/16")
	if ip := clusterIP(7999); !services.Contains(ip) {
		t.Errorf("clusterIP(7999) = %v, want one of %v", ip, services)
	}
	seen := make(map[netip.Addr]bool)
	for n := range 100000 {
		seen[podIP(n)] = true
	}
	if len(seen) != 100000 {
		t.Errorf("podIP() gives %d addresses to 100000 endpoints", len(seen))
	}
}
