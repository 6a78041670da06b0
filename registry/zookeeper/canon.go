package zookeeper

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

const (
	maxWord     = 4096 // bytes of one that is kept as it is
	maxWeight   = 65535
	maxTTL      = 3600 // seconds
	maxMeta     = 64   // entries
	maxMetaName = 256  // bytes
	maxPorts    = 128  // of an endpoint
)

// cleaned returns of a mirror what a side node holds, as it reads back; nil if
// no endpoint is ready.
func cleaned(s *catalog.Service) (*catalog.Service, error) {
	if err := checkMirror(s); err != nil {
		return nil, fmt.Errorf("service %q: %w", s.Key, err)
	}
	mark := *s.Mark
	c := &catalog.Service{Key: s.Key, Mark: &mark, Type: catalog.Headless, TTL: wholeTTL(s.TTL), Meta: cleanMeta(s.Meta)}
	if s.Type == catalog.ExternalName {
		host := catalog.ParseHost(s.Alias)
		if host.Addr.IsValid() || checkHost(host) != nil {
			return nil, fmt.Errorf("service %q: alias %q is no name: %w", s.Key, catalog.Brief(s.Alias), registry.ErrInvalid)
		}
		c.Type, c.Alias = catalog.ExternalName, host.Name
		return c, nil
	}
	var refused error
	var before, ports []catalog.Port
	ids := map[string]bool{}
	for i := range s.Endpoints {
		if !slices.Equal(s.Endpoints[i].Ports, before) {
			before = s.Endpoints[i].Ports
			ports = cleanPorts(before) // one list for all endpoints that have the same
		}
		e, err := cleanEndpoint(&s.Endpoints[i], ports)
		switch {
		case !s.Endpoints[i].Ready || ids[e.ID]:
		case err != nil:
			refused = fmt.Errorf("service %q: endpoint %q: %w", s.Key, catalog.Brief(s.Endpoints[i].ID), err)
		default:
			ids[e.ID] = true
			c.Endpoints = append(c.Endpoints, e)
		}
	}
	if len(c.Endpoints) == 0 {
		return nil, refused
	}
	c.Sort()
	c.Ports = portsOf(c.Endpoints)
	return c, nil
}

// checkMirror returns an error if s is no mirror, or at no name, that can stand here.
func checkMirror(s *catalog.Service) error {
	m := s.Mark
	switch {
	case m == nil:
		return fmt.Errorf("no mark: %w", registry.ErrInvalid)
	case checkOwner(m.Owner) != nil:
		return fmt.Errorf("owner %q: %w", catalog.Brief(m.Owner), registry.ErrInvalid)
	case !isWord(string(m.Of)) || !isWord(string(m.Via)) || !isWord(m.Key.String()):
		return fmt.Errorf("mark of %q: %w", catalog.Brief(m.Key.String()), registry.ErrInvalid)
	case s.Name != strings.ToLower(s.Name):
		return fmt.Errorf("name %q is not in lower case: %w", s.Name, registry.ErrInvalid)
	}
	if _, err := catalog.ParseKey(m.Key.String()); err != nil {
		return fmt.Errorf("mark: %w: %w", err, registry.ErrInvalid)
	}
	if _, ours := ownerOf(s.Name); ours {
		return fmt.Errorf("name %q is what instances of mirrors are called: %w", s.Name, registry.ErrInvalid)
	}
	return checkName(s.Name)
}

func isWord(s string) bool { return len(s) <= maxWord && utf8.ValidString(s) }

// word is s, or "" if that cannot be held.
func word(s string) string {
	if !isWord(s) {
		return ""
	}
	return s
}

func cleanEndpoint(e *catalog.Endpoint, ports []catalog.Port) (catalog.Endpoint, error) {
	c := catalog.Endpoint{
		ID: cleanID(e.ID), Host: e.Host, Ready: true, Serving: true, Ports: ports,
		Pod: word(e.Pod), Zone: word(e.Zone), Node: word(e.Node), Cluster: word(e.Cluster),
		Weight: min(max(e.Weight, 0), maxWeight), Priority: e.Priority, Meta: cleanMeta(e.Meta),
	}
	if plainLabel(e.Hostname) {
		c.Hostname = e.Hostname
	}
	for _, t := range e.Tags {
		if isWord(t) {
			c.Tags = append(c.Tags, t)
		}
	}
	if len(ports) > maxPorts {
		return c, fmt.Errorf("%d ports, at most %d: %w", len(ports), maxPorts, registry.ErrInvalid)
	}
	return c, checkHost(e.Host)
}

// cleanID keeps an endpoint's id, or a sum of one that cannot be held.
func cleanID(id string) string {
	if id != "" && isWord(id) {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:])
}

// cleanPorts returns the ports that can be held, under names that can be.
func cleanPorts(all []catalog.Port) []catalog.Port {
	var ports []catalog.Port
	for _, p := range all {
		if p.Number == 0 || p.Proto != catalog.TCP && p.Proto != catalog.UDP && p.Proto != catalog.SCTP {
			continue
		}
		if checkLabel(p.Name) != nil {
			p.Name = ""
		}
		p.App = word(p.App)
		ports = append(ports, p)
	}
	slices.SortFunc(ports, catalog.Port.Compare)
	return slices.CompactFunc(ports, func(a, b catalog.Port) bool {
		return a.Name == b.Name && a.Proto == b.Proto && a.Number == b.Number
	})
}

// cleanMeta keeps entries in the order of their names, as many as can be held.
func cleanMeta(meta map[string]string) map[string]string {
	kept := map[string]string{}
	for _, k := range slices.Sorted(maps.Keys(meta)) {
		if k != registry.MetaDrift && len(kept) < maxMeta && len(k) <= maxMetaName && isWord(k) && isWord(meta[k]) {
			kept[k] = meta[k]
		}
	}
	if len(kept) == 0 {
		return nil
	}
	return kept
}

func wholeTTL(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return min((d + time.Second - 1).Truncate(time.Second), maxTTL*time.Second)
}

// standing are the endpoints that instances of a mirror are written for.
func standing(s *catalog.Service) []catalog.Endpoint {
	if s.Type == catalog.ExternalName {
		return []catalog.Endpoint{{ID: "alias", Host: catalog.Host{Name: s.Alias}}}
	}
	return s.Endpoints
}

// mainPort is the port of an endpoint that Curator's readers know of: the one that
// the service or the endpoint names, else the first on TCP, else the first.
func mainPort(s *catalog.Service, e *catalog.Endpoint) (p catalog.Port, has bool) {
	name := cmp.Or(e.Meta[catalog.MetaMainPort], s.Meta[catalog.MetaMainPort])
	named := func(p catalog.Port) bool { return name != "" && p.Name == name }
	tcp := func(p catalog.Port) bool { return p.Proto == catalog.TCP }
	for _, is := range []func(catalog.Port) bool{named, tcp} {
		if i := slices.IndexFunc(e.Ports, is); i >= 0 {
			return e.Ports[i], true
		}
	}
	if len(e.Ports) > 0 {
		return e.Ports[0], true
	}
	return catalog.Port{}, false
}
