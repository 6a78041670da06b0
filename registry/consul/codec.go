package consul

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/consul/api"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// found is what one name's instances say.
type found struct {
	services []*catalog.Service // the native one and a mirror for each owner, in order of owners
	listed   *catalog.Service   // for the directory; nil if that is not asked for, too
	refused  map[string]error   // by record: "NODE/ID", or the name itself
	records  []record           // instances on nodes of owners
	there    bool               // Consul has instances under the name, though they may all be none of ours to show
}

// record is one instance on an owner's node, as lists of such a node show it.
type record struct {
	owner, node, id, name string
	index                 uint64
}

// group is what becomes one service.
type group struct {
	owner     string
	own       bool            // the owner is who reads
	hosts     *registry.Hosts // that others' records may name; nil: any
	mark      *catalog.Mark   // nil: native, or no record with a good mark yet
	format    int             // newest of all marks
	endpoints []catalog.Endpoint
	ids       map[string]bool // of the endpoints
	held      []held          // for an owner's mirror: every record that is the owner's to write
}

func newGroup(owner string, room int) *group {
	g := &group{owner: owner, endpoints: make([]catalog.Endpoint, 0, room), ids: make(map[string]bool, room)}
	if g.isMirror() {
		g.held = make([]held, 0, room)
	}
	return g
}

// decode reads all instances that Consul has under one name, whatever its
// case. It is pure; a bad instance is refused and harms no other.
func (l layout) decode(name string, entries []*api.ServiceEntry) found {
	f := found{refused: map[string]error{}, there: len(entries) > 0}
	key := catalog.Key{Namespace: l.namespace, Name: strings.ToLower(name)}
	if err := checkName(key.Name); err != nil {
		f.refused[name] = err
		return f
	}
	if l.directory {
		f.listed = list(name, entries, f.refused)
	}
	groups := map[string]*group{}
	entries = inOrder(entries)
	room := perOwner(entries)
	f.records = make([]record, 0, len(entries)-room[""])
	for _, e := range entries {
		l.add(&f, groups, key, e, room[e.Node.Meta[metaOwner]])
	}
	for _, g := range groups {
		if s := g.service(key); s != nil {
			f.services = append(f.services, s)
		}
	}
	slices.SortFunc(f.services, func(a, b *catalog.Service) int { return cmp.Compare(a.Ref().Owner, b.Ref().Owner) })
	if len(f.refused) == 0 {
		f.refused = nil // there are many names
	}
	return f
}

// inOrder returns the entries that are services of their own, by node and id.
func inOrder(entries []*api.ServiceEntry) []*api.ServiceEntry {
	all := make([]*api.ServiceEntry, 0, len(entries))
	for _, e := range entries {
		if e == nil || e.Node == nil || e.Service == nil || e.Service.Kind != "" || strings.EqualFold(e.Service.Service, "consul") {
			continue
		}
		all = append(all, e)
	}
	slices.SortStableFunc(all, func(a, b *api.ServiceEntry) int {
		return cmp.Or(cmp.Compare(a.Node.Node, b.Node.Node), cmp.Compare(a.Service.ID, b.Service.ID))
	})
	return all
}

// perOwner counts entries by the owners of their nodes.
func perOwner(entries []*api.ServiceEntry) map[string]int {
	n := map[string]int{}
	for _, e := range entries {
		n[e.Node.Meta[metaOwner]]++
	}
	return n
}

// add puts one instance into its group, which may have room in all, or refuses it.
func (l layout) add(f *found, groups map[string]*group, key catalog.Key, e *api.ServiceEntry, room int) {
	if !askable(e.Node.Node) && e.Node.Meta[metaOwner] != "" {
		f.refused[recordName(e)] = fmt.Errorf("on node %q, which no owner has: %w", e.Node.Node, registry.ErrInvalid)
		return
	}
	if owner := e.Node.Meta[metaOwner]; owner != "" {
		f.records = append(f.records, record{owner, e.Node.Node, e.Service.ID, key.Name, e.Service.ModifyIndex})
	}
	owner, mark, markErr := markOf(key, e)
	if owner == refusedOwner {
		f.refused[recordName(e)] = markErr
		return
	}
	g := groups[owner]
	if g == nil {
		g = newGroup(owner, room)
		g.own, g.hosts = owner != "" && owner == l.owner, l.hosts
		groups[owner] = g
	}
	if g.isMirror() && !l.unversioned {
		h := holding(e)
		h.unread = l.checksUnread
		g.held = append(g.held, h)
	}
	if err := g.take(mark, markErr, e); err != nil {
		f.refused[recordName(e)] = err
	}
}

func recordName(e *api.ServiceEntry) string {
	return catalog.Brief(e.Node.Node + "/" + e.Service.ID)
}

// isMirror reports whether a bridge of ours wrote the group.
func (g *group) isMirror() bool { return g.owner != "" && g.owner != catalog.UnknownOwner }

// take adds the endpoint of e.
func (g *group) take(mark *catalog.Mark, markErr error, e *api.ServiceEntry) error {
	if err := cmp.Or(markErr, checkHeft(e)); err != nil {
		return err
	}
	if mark != nil {
		g.format = max(g.format, mark.Format)
	}
	switch {
	case g.mark == nil:
		g.mark = mark
	case g.mark.Of != mark.Of || g.mark.Key != mark.Key || g.mark.Via != mark.Via:
		return fmt.Errorf("a mirror of %q in %q, but its siblings are of %q in %q: %w",
			mark.Key, mark.Of, g.mark.Key, g.mark.Of, registry.ErrInvalid)
	}
	ep, err := decodeEndpoint(e, g.isMirror(), g.own)
	if err == nil && !g.own && g.hosts != nil {
		err = g.hosts.Check(ep.Host)
	}
	if err != nil {
		return err
	}
	if g.ids[ep.ID] {
		return fmt.Errorf("a second record of endpoint %q: %w", ep.ID, registry.ErrInvalid)
	}
	g.ids[ep.ID] = true
	g.endpoints = append(g.endpoints, ep)
	return nil
}

// service returns the group as a service, or nil if nothing of it can be told.
func (g *group) service(key catalog.Key) *catalog.Service {
	s := &catalog.Service{Key: key, Type: catalog.Headless, Endpoints: g.endpoints}
	switch {
	case g.owner == "" && len(g.endpoints) == 0:
		return nil
	case g.owner != "" && g.mark == nil:
		return nil
	case g.owner != "":
		m := *g.mark
		m.Format = g.format
		s.Mark = &m
	}
	if g.isMirror() {
		s.Version = encodeVersion(g.format, g.held)
	}
	s.Sort()
	s.Ports = portsOf(s.Endpoints)
	return s
}

// portsOf returns the ports that a service with these endpoints has: one of
// each name and protocol, with the number that the first endpoint gives it.
func portsOf(all []catalog.Endpoint) []catalog.Port {
	type named struct {
		name  string
		proto catalog.Protocol
	}
	seen := map[named]bool{}
	var ports []catalog.Port
	for _, e := range all {
		for _, p := range e.Ports {
			if k := (named{p.Name, p.Proto}); !seen[k] {
				seen[k] = true
				ports = append(ports, p)
			}
		}
	}
	slices.SortFunc(ports, catalog.Port.Compare)
	return ports
}

func decodeEndpoint(e *api.ServiceEntry, mirror, own bool) (catalog.Endpoint, error) {
	host := catalog.ParseHost(cmp.Or(e.Service.Address, e.Node.Address))
	if err := checkHost(host); err != nil {
		return catalog.Endpoint{}, err
	}
	state := health(e, own)
	ep := catalog.Endpoint{
		ID: recordName(e), Host: host, Ready: state.ready, Serving: state.ready, Warning: state.warning, Weight: state.weight,
		Tags: tags(e.Service.Tags),
	}
	var err error
	if mirror {
		err = decodeMirrored(&ep, e.Service)
	} else {
		err = decodeNative(&ep, e)
	}
	if err != nil {
		return catalog.Endpoint{}, err
	}
	slices.SortFunc(ep.Ports, catalog.Port.Compare)
	return ep, nil
}

// health tells whether an instance may get traffic, and its weight as it is:
//
//	maintenance, of it or its node   not ready
//	any check critical               not ready
//	any check a warning              ready, with the weight for warnings
//	all pass, or none                ready
//
// Of a mirror of one's own only the check that was written with it counts:
// what others say of it is theirs, and no write could make it equal to what
// is wanted.
func health(e *api.ServiceEntry, own bool) healthy {
	h := healthy{ready: true, weight: e.Service.Weights.Passing}
	for _, c := range e.Checks {
		switch {
		case c == nil, own && c.CheckID != checkID(e.Service.ID):
		case c.CheckID == api.NodeMaint || strings.HasPrefix(c.CheckID, api.ServiceMaintPrefix):
			h.ready = false
		case c.Status == api.HealthPassing:
		case c.Status == api.HealthWarning:
			h.warning, h.weight = true, e.Service.Weights.Warning
		default:
			h.ready = false
		}
	}
	h.warning = h.warning && h.ready
	h.weight = min(max(h.weight, 1), maxWeight)
	return h
}

// healthy is what checks say of an instance.
type healthy struct {
	ready, warning bool
	weight         int
}

const maxWeight = 65535

// decodeNative reads what the registry's own users write. A copy by another
// tool is read the same way.
func decodeNative(ep *catalog.Endpoint, e *api.ServiceEntry) error {
	s := e.Service
	ep.Node, ep.Zone = e.Node.Node, s.Meta[metaZone]
	if s.Locality != nil && s.Locality.Zone != "" {
		ep.Zone = s.Locality.Zone
	}
	rest := map[string]string{}
	named := map[string]int{}
	for k, v := range s.Meta {
		n, err := strconv.Atoi(v)
		name, isPort := strings.CutPrefix(k, metaPort)
		switch {
		case isPort && name != "" && err == nil && n > 0 && n <= 65535:
			named[strings.ToLower(name)] = n
		default:
			rest[k] = v
		}
	}
	if len(rest) > 0 {
		ep.Meta = rest
	}
	for _, p := range s.Ports {
		named[strings.ToLower(p.Name)] = p.Port
	}
	return nativePorts(ep, named, s.Port)
}

// nativePorts turns named numbers and the one main port into ports: the main
// port goes by the name that its number has, else unnamed if it is alone and
// "default" otherwise.
func nativePorts(ep *catalog.Endpoint, named map[string]int, main int) error {
	if main != 0 && !hasNumber(named, main) {
		name := ""
		if len(named) > 0 {
			name = "default"
			if _, taken := named[name]; taken {
				name = "port-" + strconv.Itoa(main)
			}
		}
		named[name] = main
	}
	for name, n := range named {
		if n < 1 || n > 65535 {
			return fmt.Errorf("port %q is %d: %w", name, n, registry.ErrInvalid)
		}
		ep.Ports = append(ep.Ports, catalog.Port{Name: name, Proto: catalog.TCP, Number: uint16(n)})
	}
	return nil
}

func hasNumber(named map[string]int, n int) bool {
	for _, have := range named {
		if have == n {
			return true
		}
	}
	return false
}

// decodeMirrored reads what encode wrote.
func decodeMirrored(ep *catalog.Endpoint, s *api.AgentService) (err error) {
	ep.ID = cmp.Or(s.Meta[metaID], ep.ID)
	ep.Hostname, ep.Zone, ep.Node = s.Meta[metaHostname], s.Meta[metaZone], s.Meta[metaNode]
	if s.Meta[metaRefKind] == "Pod" {
		ep.Pod = s.Meta[metaRefName]
	}
	for k, v := range s.Meta {
		switch {
		case k == metaMainPort:
			k = catalog.MetaMainPort
		case reserved(k):
			continue
		}
		if ep.Meta == nil {
			ep.Meta = map[string]string{}
		}
		ep.Meta[k] = v
	}
	ep.Ports, err = decodePorts(s.Meta)
	return err
}

// tags returns a copy, nil if there are none.
func tags(all []string) []string {
	if len(all) == 0 {
		return nil
	}
	return slices.Clone(all)
}
