package kubeobject

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// fitted is the part of a service that Kubernetes has fields for, in the form
// that its API takes.
type fitted struct {
	alias     string // an ExternalName Service if not ""
	ports     []catalog.Port
	endpoints []catalog.Endpoint // each address with one set of ports once
}

func fit(s *catalog.Service) (fitted, error) {
	names := portNamer(s)
	var f fitted
	var err error
	if f.alias, err = fitAlias(s); err != nil {
		return f, err
	}
	if f.alias == "" {
		if f.endpoints, err = fitEndpoints(s.Endpoints, names); err != nil {
			return f, err
		}
	}
	f.ports = names.fit(s.Ports)
	if len(f.ports) == 0 {
		f.ports = portsOf(f.endpoints)
	}
	f.ports = onePerNumber(f.ports)
	return f, nil
}

// fitAlias returns the target of what becomes an ExternalName Service.
func fitAlias(s *catalog.Service) (string, error) {
	if s.Type == catalog.ExternalName && !s.Mark.Joins {
		return nameAlias(s.Alias)
	}
	if s.Mark.Joins {
		return "", nil
	}
	named := slices.DeleteFunc(slices.Clone(s.Endpoints), func(e catalog.Endpoint) bool { return e.Host.Addr.IsValid() })
	switch {
	case len(named) == 0 || len(named) < len(s.Endpoints):
		return "", nil
	case len(named) > 1:
		return "", fmt.Errorf("%d endpoints have names and none an address: %w", len(named), registry.ErrInvalid)
	case !named[0].Ready:
		return "", nil
	}
	return nameAlias(named[0].Host.Name)
}

// fitEndpoints keeps the endpoints with an address, each with each set of
// ports once, sorted by address and ports.
func fitEndpoints(all []catalog.Endpoint, names portNames) ([]catalog.Endpoint, error) {
	var fit []catalog.Endpoint
	for _, e := range all {
		if !e.Host.Addr.IsValid() {
			continue
		}
		if err := registry.CheckAddr(e.Host.Addr); err != nil {
			return nil, fmt.Errorf("endpoint %q: %w", e.ID, err)
		}
		e.Ports = names.fit(e.Ports)
		e.Hostname = label(e.Hostname)
		e.Zone = strings.ToValidUTF8(e.Zone, "?")
		fit = append(fit, e)
	}
	fit = unify(fit, byPorts)
	slices.SortFunc(fit, func(a, b catalog.Endpoint) int {
		return cmp.Or(a.Host.Compare(b.Host), slices.CompareFunc(a.Ports, b.Ports, catalog.Port.Compare))
	})
	return fit, nil
}

// portsOf returns the ports that endpoints name, for a service that names
// none: of several numbers under one name the least.
func portsOf(all []catalog.Endpoint) []catalog.Port {
	var ports []catalog.Port
	for _, e := range all {
		ports = append(ports, e.Ports...)
	}
	return onePerName(ports)
}

// onePerName sorts ports and keeps the first of each name.
func onePerName(ports []catalog.Port) []catalog.Port {
	slices.SortFunc(ports, catalog.Port.Compare)
	return slices.CompactFunc(ports, func(a, b catalog.Port) bool { return a.Name == b.Name })
}

// onePerNumber keeps the first of the ports of each protocol and number: unlike a
// slice, a Service has only one.
func onePerNumber(ports []catalog.Port) []catalog.Port {
	type number struct {
		proto catalog.Protocol
		n     uint16
	}
	seen := map[number]bool{}
	return slices.DeleteFunc(ports, func(p catalog.Port) bool {
		is := number{p.Proto, p.Number}
		was := seen[is]
		seen[is] = true
		return was
	})
}

// portNames turns port names into ones that Kubernetes takes, the same for the
// service's ports and for those of every endpoint: DNS labels, unique whatever
// the protocol.
type portNames struct {
	protos map[string]map[catalog.Protocol]bool // by clean name
	many   bool                                 // there are several ports, so each needs a name
}

func portNamer(s *catalog.Service) portNames {
	n := portNames{protos: map[string]map[catalog.Protocol]bool{}}
	note := func(ports []catalog.Port) {
		ports = slices.DeleteFunc(slices.Clone(ports), unfit)
		n.many = n.many || len(ports) > 1
		for _, p := range ports {
			name := cleanName(p.Name)
			if n.protos[name] == nil {
				n.protos[name] = map[catalog.Protocol]bool{}
			}
			n.protos[name][p.Proto] = true
		}
	}
	note(s.Ports)
	for _, e := range s.Endpoints {
		note(e.Ports)
	}
	n.many = n.many || len(n.protos) > 1
	return n
}

// fit returns the ports that Kubernetes can hold, with their names there.
func (n portNames) fit(all []catalog.Port) []catalog.Port {
	var ports []catalog.Port
	for _, p := range all {
		var ok bool
		if p.Name, ok = n.of(p); !ok || unfit(p) {
			continue
		}
		if len(validation.IsQualifiedName(p.App)) > 0 {
			p.App = ""
		}
		ports = append(ports, p)
	}
	return onePerName(ports)
}

// of returns the name of p: a port without one needs it where there are
// several, and one whose name stands for several protocols gets its own. A
// name that is made here must not stand for another protocol's port already.
func (n portNames) of(p catalog.Port) (name string, ok bool) {
	name = cleanName(p.Name)
	suffix := "-" + strings.ToLower(string(p.Proto))
	made := []string{strings.TrimRight(name[:min(len(name), 63-len(suffix))], "-") + suffix, numbered(p)}
	switch {
	case name == "" && n.many:
		made = made[1:]
	case name != "" && len(n.protos[name]) > 1 && p.Proto != catalog.TCP:
	default:
		return name, true
	}
	for _, name := range made {
		others := len(n.protos[name])
		if n.protos[name][p.Proto] {
			others--
		}
		if others == 0 {
			return name, true
		}
	}
	return "", false
}

func numbered(p catalog.Port) string {
	return strings.ToLower(string(p.Proto)) + "-" + strconv.Itoa(int(p.Number))
}

// cleanName makes a DNS label out of a port name.
func cleanName(name string) string {
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, strings.ToLower(name))
	return strings.Trim(clean[:min(len(clean), 63)], "-")
}

// unfit reports whether Kubernetes has no place for p.
func unfit(p catalog.Port) bool {
	return p.Number == 0 || p.Proto != catalog.TCP && p.Proto != catalog.UDP && p.Proto != catalog.SCTP
}
