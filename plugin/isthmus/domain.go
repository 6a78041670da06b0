package isthmus

import (
	"slices"
	"strings"

	"github.com/coredns/coredns/plugin"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

// domain reads "domain ZONE [ORIGIN]": a zone with the names that a Consul
// has in its own DNS. The origin is checked once all registries are known.
func (p *parser) domain(s stanza.Stanza) error {
	if err := s.WantArgs(1, 2, domainUsage); err != nil {
		return err
	}
	if err := s.NoBlock(); err != nil {
		return err
	}
	names := plugin.Host(s.Args()[0]).NormalizeExact()
	if len(names) != 1 || isReverse(names[0]) {
		return s.Errorf("%q is not a zone for names: %s", s.Args()[0], domainUsage)
	}
	z := zone{name: names[0], domain: "?"}
	if len(s.Args()) == 2 {
		z.domain = catalog.Origin(s.Args()[1])
	}
	i := p.conf.zones.find(z.name)
	switch {
	case i < 0:
		p.conf.zones = append(p.conf.zones, z)
	case !p.conf.zones[i].ofCluster() || len(p.within.Args()) > 0:
		return s.Errorf("zone %q is served already", z.name)
	default: // it is the server block's
		p.conf.zones[i] = z
	}
	if p.conf.zones.primary() < 0 {
		return s.Errorf("%q needs a zone besides that of %q", p.within.Name(), s.Name())
	}
	return nil
}

const domainUsage = "domain ZONE [ORIGIN]"

// finishDomains finds the origins of domains.
func (p *parser) finishDomains() error {
	var all []catalog.Origin
	for _, r := range p.conf.registries {
		if hasDirectory(r) {
			all = append(all, r.Origin())
		}
	}
	for i := range p.conf.zones {
		z := &p.conf.zones[i]
		switch {
		case z.domain == "":
		case z.domain == "?" && len(all) == 1:
			z.domain = all[0]
		case z.domain == "?":
			return p.within.Errorf("domain %q: %d registries of type %q: name the one that is meant", z.name, len(all), "consul")
		case !slices.Contains(all, z.domain):
			return p.within.Errorf("domain %q: there is no origin %q of type %q", z.name, z.domain, "consul")
		}
	}
	return nil
}

// hasDomain reports whether o has a domain here.
func (zs zones) hasDomain(o catalog.Origin) bool {
	return slices.ContainsFunc(zs, func(z zone) bool { return z.domain == o })
}

func hasDirectory(r registry.Config) bool { return r.Origin().Type() == "consul" }

// withDirectory returns the stanza of a registry that reports what its own DNS
// has, if the block has a domain for it.
func withDirectory(s stanza.Stanza, block []stanza.Stanza) stanza.Stanza {
	asked := slices.ContainsFunc(block, func(o stanza.Stanza) bool {
		return o.Name() == "domain" && (len(o.Args()) < 2 || len(s.Args()) > 0 && o.Args()[1] == s.Name()+"/"+s.Args()[0])
	})
	if s.Name() != "consul" || !asked || slices.ContainsFunc(s.Block, func(o stanza.Stanza) bool { return o.Name() == "directory" }) {
		return s
	}
	s.Block = slices.Concat(s.Block, []stanza.Stanza{{File: s.File, Line: s.Line, Words: []string{"directory"}}})
	return s
}

// ownName is a name of Consul's own DNS, read by its grammar:
//
//	[TAG.]NAME.service[.WHERE]     TAG may hold dots
//	_NAME._TAG[.service][.WHERE]   the tag "tcp" is none
//	NAME.node[.WHERE]              NAME may hold dots
//	HEX.addr[.ANYTHING]            8 or 32 hexadecimal digits
//
// WHERE is a datacenter, DC, or pairs of DC.dc and PORT.port, in any order. Other
// forms (query, connect, ingress, virtual, peers, other datacenters) are about
// what is not known here; they are names that do not exist.
type ownName struct {
	form  string // "service", "node", "addr"; "" of names that stand between others
	tag   string // "": any
	name  string // of the service or node; "" of names that stand between others
	port  string // "": the default one
	known bool   // false: there is no such form
}

// readOwn reads the labels left of the zone, in lower case.
func readOwn(labels []string, datacenter string) ownName {
	at := formOf(labels)
	if at < 0 {
		return ownName{known: between(labels, datacenter)}
	}
	n := ownName{form: labels[at]}
	parts, where := labels[:at], labels[at+1:]
	if strings.HasPrefix(n.form, "_") {
		n.form, parts = "service", labels[:at+1]
	}
	n.port, n.known = readWhere(where, datacenter)
	switch n.form {
	case "service":
		n.readService(parts)
	case "node":
		n.name = strings.Join(parts, ".")
	case "addr":
		n.name, n.known = strings.Join(parts, ""), len(parts) < 2
	default:
		n.known = false
	}
	return n
}

// formOf returns the place of the label that tells the form, the last one that
// does, or -1.
func formOf(labels []string) int {
	for i, l := range slices.Backward(labels) {
		switch l {
		case "service", "node", "addr", "query", "connect", "ingress", "virtual":
			return i
		}
		if strings.HasPrefix(l, "_") {
			return i
		}
	}
	return -1
}

// between reports whether labels without a form stand above names with one.
func between(labels []string, datacenter string) bool {
	switch len(labels) {
	case 1:
		return labels[0] == "dc" || labels[0] == datacenter
	case 2:
		return labels[1] == "dc" && labels[0] == datacenter
	}
	return false
}

// readWhere reads what stands right of the form. It is false for what is not
// known here.
func readWhere(where []string, datacenter string) (port string, known bool) {
	if len(where) == 1 {
		return "", where[0] == datacenter
	}
	if len(where)%2 != 0 || len(where) > 6 {
		return "", false
	}
	for i := 0; i < len(where); i += 2 {
		switch {
		case where[i+1] == "port":
			port = where[i]
		case where[i+1] != "dc" || where[i] != datacenter:
			return "", false
		}
	}
	return port, true
}

func (n *ownName) readService(parts []string) {
	last := len(parts) - 1
	switch {
	case last < 0 || last == 0 && parts[0] == "_tcp": // the parent of names
	case last == 1 && strings.HasPrefix(parts[0], "_") && strings.HasPrefix(parts[1], "_"):
		n.name, n.tag = parts[0][1:], parts[1][1:]
		if n.tag == "tcp" {
			n.tag = ""
		}
	default:
		n.name, n.tag = parts[last], strings.Join(parts[:last], ".")
	}
}
