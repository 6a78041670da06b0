package registrytest

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
)

// The owners in cases, and what their mirrors are copies of.
const (
	owner  = "prod"
	rival  = "rival"
	source = catalog.Identity("source:1")
)

// native returns a service of n ready endpoints, as Place.Register takes it.
func native(k catalog.Key, n int) *catalog.Service {
	port := catalog.Port{Name: "http", Proto: catalog.TCP, Number: 8080}
	s := &catalog.Service{Key: k, Type: catalog.Headless, Ports: []catalog.Port{port}}
	for i := range n {
		s.Endpoints = append(s.Endpoints, endpoint(i, port))
	}
	s.Sort()
	return s
}

func endpoint(i int, ports ...catalog.Port) catalog.Endpoint {
	return catalog.Endpoint{
		ID:    fmt.Sprintf("i%04d", i),
		Host:  catalog.Host{Addr: netip.AddrFrom4([4]byte{10, 1, byte(i / 250), byte(i%250 + 1)})},
		Ready: true, Serving: true, Ports: slices.Clone(ports),
	}
}

// mirror returns a mirror of n ready endpoints that of owns.
func mirror(of string, k catalog.Key, n int) *catalog.Service {
	s := native(k, n)
	s.Mark = &catalog.Mark{Owner: of, Of: source, Key: catalog.Key{Namespace: "original", Name: k.Name}, Format: catalog.MarkFormat}
	return s
}

// changed returns a copy of s after edit, sorted. Lists of s are not touched.
func changed(s *catalog.Service, edit func(*catalog.Service)) *catalog.Service {
	c := *s
	c.Ports = slices.Clone(s.Ports)
	c.Endpoints = slices.Clone(s.Endpoints)
	edit(&c)
	c.Sort()
	return &c
}

// at returns a copy of s that is to be written over version.
func at(s *catalog.Service, version string) *catalog.Service {
	return changed(s, func(c *catalog.Service) { c.Version = version })
}

// rewritten returns a copy of s in which every endpoint is another than it was.
func rewritten(s *catalog.Service) *catalog.Service {
	return changed(s, func(c *catalog.Service) {
		for i := range c.Endpoints {
			c.Endpoints[i].Ports = []catalog.Port{{Name: "http", Proto: catalog.TCP, Number: 8099}}
		}
	})
}

// unready returns a copy of s whose endpoint i is not ready.
func unready(s *catalog.Service, i int) *catalog.Service {
	return changed(s, func(c *catalog.Service) { c.Endpoints[i].Ready, c.Endpoints[i].Serving = false, false })
}

// bad returns a mirror that no registry can hold: nobody else reaches its
// only address.
func bad(k catalog.Key) *catalog.Service {
	return changed(mirror(owner, k, 1), func(c *catalog.Service) {
		c.Endpoints[0].Host = catalog.Host{Addr: netip.MustParseAddr("127.0.0.1")}
	})
}

// facets returns what of a native service is compared; "" of none.
func facets(s *catalog.Service) string {
	if s == nil {
		return ""
	}
	lines := []string{s.Key.String()}
	for _, e := range s.Endpoints {
		line := fmt.Sprintf("\t%s ready=%v", e.Host, e.Ready)
		for _, p := range e.Ports {
			line += fmt.Sprintf(" %s/%d", p.Proto, p.Number)
		}
		lines = append(lines, line)
	}
	slices.Sort(lines[1:])
	return strings.Join(lines, "\n")
}

// shape is a form that services take.
type shape struct {
	name string
	edit func(*catalog.Service)
}

// shapes are the forms that a mirror is put in, each read back as its Canon.
// They are edits of a mirror of two ready endpoints with one named port.
func shapes() []shape {
	tcp := func(name string, n uint16) catalog.Port {
		return catalog.Port{Name: name, Proto: catalog.TCP, Number: n}
	}
	ports := func(c *catalog.Service, all ...catalog.Port) {
		c.Ports = slices.Clone(all)
		for i := range c.Endpoints {
			c.Endpoints[i].Ports = slices.Clone(all)
		}
	}
	first := func(edit func(*catalog.Endpoint)) func(*catalog.Service) {
		return func(c *catalog.Service) { edit(&c.Endpoints[0]) }
	}
	six := catalog.Host{Addr: netip.MustParseAddr("fd00::1")}
	return []shape{
		{"headless", func(*catalog.Service) {}},
		{"cluster ip", func(c *catalog.Service) {
			c.Type, c.Addrs = catalog.ClusterIP, []netip.Addr{netip.MustParseAddr("10.96.0.10")}
		}},
		{"external name", func(c *catalog.Service) {
			c.Type, c.Alias, c.Ports, c.Endpoints = catalog.ExternalName, "db.example.org", nil, nil
		}},
		{"external addresses", func(c *catalog.Service) {
			c.External = []catalog.Host{catalog.ParseHost("192.0.2.1"), catalog.ParseHost("lb.example.org")}
		}},
		{"unnamed port", func(c *catalog.Service) { ports(c, tcp("", 8080)) }},
		{"several ports", func(c *catalog.Service) { ports(c, tcp("http", 8080), tcp("metrics", 9090)) }},
		{"one number on TCP and UDP", func(c *catalog.Service) {
			ports(c, tcp("dns-tcp", 53), catalog.Port{Name: "dns", Proto: catalog.UDP, Number: 53})
		}},
		{"SCTP", func(c *catalog.Service) { ports(c, catalog.Port{Name: "sig", Proto: catalog.SCTP, Number: 3868}) }},
		{"no port", func(c *catalog.Service) { ports(c) }},
		{"port number other than the service's", func(c *catalog.Service) { c.Ports = []catalog.Port{tcp("http", 80)} }},
		{"ports that differ by endpoint", first(func(e *catalog.Endpoint) { e.Ports = []catalog.Port{tcp("http", 8081)} })},
		{"application protocol", func(c *catalog.Service) {
			ports(c, catalog.Port{Name: "web", Proto: catalog.TCP, Number: 8443, App: "https"})
		}},
		{"dual stack", first(func(e *catalog.Endpoint) { e.Host = six })},
		{"IPv6", func(c *catalog.Service) { c.Endpoints = c.Endpoints[:1]; c.Endpoints[0].Host = six }},
		{"endpoint by name", func(c *catalog.Service) {
			c.Endpoints = c.Endpoints[:1]
			c.Endpoints[0].Host = catalog.Host{Name: "vm.example.org"}
		}},
		{"endpoint not ready", first(func(e *catalog.Endpoint) { e.Ready, e.Serving = false, false })},
		{"endpoint terminating", first(func(e *catalog.Endpoint) { e.Ready, e.Terminating = false, true })},
		{"no endpoint ready", func(c *catalog.Service) {
			for i := range c.Endpoints {
				c.Endpoints[i].Ready, c.Endpoints[i].Serving = false, false
			}
		}},
		{"no endpoint", func(c *catalog.Service) { c.Endpoints = nil }},
		{"host label", first(func(e *catalog.Endpoint) { e.Hostname = "web-0" })},
		{"pod, zone and node", first(func(e *catalog.Endpoint) { e.Pod, e.Zone, e.Node = "web-0", "zone-a", "node-1" })},
		{"weight", first(func(e *catalog.Endpoint) { e.Weight = 5 })},
		{"priority", first(func(e *catalog.Endpoint) { e.Priority = 5 })},
		{"tags", first(func(e *catalog.Endpoint) { e.Tags = []string{"v1", "blue"} })},
		{"metadata of an endpoint", first(func(e *catalog.Endpoint) { e.Meta = map[string]string{"rack": "7"} })},
		{"metadata", func(c *catalog.Service) { c.Meta = map[string]string{"team": "blue", "Odd Key": "a=b \"c\"\nd"} }},
		{"ttl", func(c *catalog.Service) { c.TTL = 45*time.Second + 300*time.Millisecond }},
		{"two endpoints with one address", func(c *catalog.Service) {
			c.Endpoints[1].Host = c.Endpoints[0].Host
			c.Endpoints[1].Ports = []catalog.Port{tcp("http", 8081)}
		}},
		{"a key unlike the original's", func(c *catalog.Service) {
			c.Mark.Key = catalog.Key{Namespace: "far", Name: strings.Repeat("long-", 12) + "end"}
		}},
	}
}

// of returns a new mirror in a shape.
func (sh shape) of(k catalog.Key) *catalog.Service {
	return changed(mirror(owner, k, 2), sh.edit)
}
