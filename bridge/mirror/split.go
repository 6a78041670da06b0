package mirror

import (
	"slices"

	"github.com/isthmus-dns/isthmus/catalog"
)

// split returns m, or a mirror for each of the ports that its instances have,
// if the rule wants that. The mirror of a named port has that name after its
// own. m is kept as it is.
//
//	ports of web       become
//	http, rpc          web-http, web-rpc
//	http               web-http
//	one without name   web
//	none               web
func (r *Rule) split(m *catalog.Service) []*catalog.Service {
	if !r.Split || m.Type == catalog.ExternalName {
		return []*catalog.Service{m}
	}
	var names []string
	for _, e := range m.Endpoints {
		for _, p := range e.Ports {
			names = append(names, p.Name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) == 0 {
		return []*catalog.Service{m}
	}
	all := make([]*catalog.Service, len(names))
	for i, name := range names {
		all[i] = part(m, name)
	}
	return all
}

// part is the mirror of one port: of it alone, and of the instances that have it.
func part(m *catalog.Service, port string) *catalog.Service {
	others := func(p catalog.Port) bool { return p.Name != port }
	out := *m
	if port != "" {
		out.Name += "-" + port
	}
	out.Ports = slices.DeleteFunc(slices.Clone(m.Ports), others)
	out.Endpoints = nil
	for _, e := range m.Endpoints {
		if e.Ports = slices.DeleteFunc(slices.Clone(e.Ports), others); len(e.Ports) > 0 {
			out.Endpoints = append(out.Endpoints, e)
		}
	}
	return &out
}
