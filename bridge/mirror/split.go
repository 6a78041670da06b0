package mirror

import (
	"errors"
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

// partRefused is why the target cannot hold one of several mirrors.
type partRefused struct{ error }

// Unwrap returns what the target said.
func (e partRefused) Unwrap() error { return e.error }

// refuseParts notes that some mirror beside m, of its original, is refused: what
// is there of that under names that are not wanted may be in its place.
func (w *Wanted) refuseParts(m catalog.Entry, err error) {
	if errors.As(err, &partRefused{}) {
		w.refused[whole(m.Mark())] = true
	}
}

// notePart notes that m is wanted, if there is a mirror for each port.
func (w *Wanted) notePart(m catalog.Entry) {
	if !w.ruleOf(m.Mark()).Split {
		return
	}
	if w.parts == nil {
		w.parts = map[Original][]Original{}
	}
	w.parts[whole(m.Mark())] = append(w.parts[whole(m.Mark())], w.originalOf(m))
}

// awaited returns the name of a mirror that has to be there before m, which is not
// wanted, may go, and is not: of what takes its place or, where that cannot be
// told, as when its original is split from now on or a port has another name, of
// each that its original has.
func (w *Wanted) awaited(m catalog.Entry, found map[catalog.Key]spot) (catalog.Key, bool) {
	next := w.parts[whole(m.Mark())]
	if is := w.originalOf(m); w.Names[is] != (catalog.Key{}) {
		next = []Original{is}
	}
	for _, o := range next {
		name := w.Names[o]
		if there := found[name].ours; !w.ours(there) || w.originalOf(there) != o {
			return name, true
		}
	}
	return catalog.Key{}, false
}
