package main

import (
	"fmt"
	"iter"
	"net/netip"
)

const (
	zone        = "cluster.local."
	fullService = 100 // endpoints of a namespace's first Service
	perSlash16  = 1 << 16
	perSlash24  = 250 // ClusterIPs used of each

	// Endpoints of no service of a shape, for what comes and goes.
	markerEndpoint = 1_000_000
	extraEndpoint  = 2_000_000
)

// shape is the size of the world that is asked about. In each namespace every
// fifth Service is headless; the first one, headless, has fullService
// endpoints, and the others share the rest as evenly as can be.
type shape struct {
	Namespaces int `json:"namespaces"`
	Services   int `json:"services"`  // in each namespace
	Endpoints  int `json:"endpoints"` // in each namespace
}

// whole is what the issue asks for: 10,000 Services with 100,000 endpoints.
func whole() shape { return shape{Namespaces: 100, Services: 100, Endpoints: 1000} }

// small is for development: it loads in seconds.
func small() shape { return shape{Namespaces: 10, Services: 50, Endpoints: 500} }

func (s shape) String() string {
	return fmt.Sprintf("%d Services in %d namespaces, %d endpoints", s.Namespaces*s.Services, s.Namespaces, s.Namespaces*s.Endpoints)
}

// size is how many Services there are.
func (s shape) size() int { return s.Namespaces * s.Services }

// service is one Service of the world and where its endpoints stand among all.
type service struct {
	namespace, name string
	index           int // in its namespace
	headless        bool
	clusterIP       netip.Addr // not valid: headless, or the API server may choose
	first, count    int        // endpoints
}

// services returns all, namespace by namespace.
func (s shape) services() iter.Seq[service] {
	return func(yield func(service) bool) {
		virtual, endpoint := 0, 0
		for n := range s.Namespaces {
			for i := range s.Services {
				v := service{namespace: namespaceName(n), name: fmt.Sprintf("svc-%d", i), index: i, headless: i%5 == 0}
				v.first, v.count = endpoint, s.endpointsOf(i)
				endpoint += v.count
				if !v.headless {
					v.clusterIP = clusterIP(virtual)
					virtual++
				}
				if !yield(v) {
					return
				}
			}
		}
	}
}

func namespaceName(n int) string { return fmt.Sprintf("ns-%d", n) }

// endpointsOf returns how many endpoints the Service i of a namespace has.
func (s shape) endpointsOf(i int) int {
	if i == 0 {
		return fullService
	}
	rest, others := s.Endpoints-fullService, s.Services-1
	count := rest / others
	if i <= rest%others {
		count++
	}
	return count
}

// clusterIP returns the n-th virtual address, out of 10.96.16.0 and up: the API
// server itself takes the first ones of 10.96.0.0/16.
func clusterIP(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 96, byte(16 + n/perSlash24), byte(1 + n%perSlash24)})
}

// podIP returns the n-th endpoint's address, out of 10.128.0.0/9.
func podIP(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(128 + n/perSlash16), byte(n % perSlash16 / 256), byte(n % 256)})
}

// fqdn returns the name that the service answers to.
func (v service) fqdn() string { return v.name + "." + v.namespace + ".svc." + zone }
