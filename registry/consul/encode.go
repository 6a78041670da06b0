package consul

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/consul/api"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// maxName is what consul-k8s lets a name have, and what is read. Consul itself has no
// limit.
const maxName = 255

// Limits that Consul's servers hold for metadata.
const (
	maxMetaPairs = 64
	maxMetaName  = 128
	maxMetaValue = 512
)

// nodeAddress is what synthetic nodes have for an address, because they need
// one: of a block kept for documentation (RFC 5737).
const nodeAddress = "192.0.2.1"

// layout says where records of services stand.
type layout struct {
	namespace string
	owner     string // "" for readers
	nodes     int
	directory bool // what Consul's own DNS has is reported, too

	hosts        *registry.Hosts // that others' records may name; nil: any
	unversioned  bool            // nobody asks for versions, which cost more than all the rest of decoding
	checksUnread bool            // what is decoded has only those checks that fail
}

// node returns the name of the synthetic node that holds the mirrors of name.
func (l layout) node(owner, name string) string {
	h := fnv.New32a()
	h.Write([]byte(name))
	return fmt.Sprintf("%s-%02d", owner, h.Sum32()%uint32(l.nodes))
}

// canon returns s as it reads back once it was written; nil for absence.
func (l layout) canon(s *catalog.Service) (*catalog.Service, error) {
	entries, err := l.encode(s)
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	l.unversioned = true
	f := l.decode(s.Name, entries)
	for record, err := range f.refused {
		return nil, fmt.Errorf("record %q: %w", record, err)
	}
	c := f.services[0]
	c.Version = ""
	return c, nil
}

// encode returns the records of a mirror: one instance with one check for
// each endpoint, without indexes. An endpoint that Consul cannot hold is left
// out; if that leaves none, it is an error.
func (l layout) encode(s *catalog.Service) ([]*api.ServiceEntry, error) {
	if err := l.checkService(s); err != nil {
		return nil, fmt.Errorf("encode %q: %w", s.Key, err)
	}
	endpoints := s.Endpoints
	if s.Alias != "" {
		endpoints = append(slices.Clone(endpoints), catalog.Endpoint{
			ID: "alias", Host: catalog.ParseHost(s.Alias), Ports: s.Ports, Ready: true})
	}
	var all []*api.ServiceEntry
	var bad []error
	seen := map[string]bool{}
	node := &api.Node{Node: l.node(s.Mark.Owner, s.Name), Address: nodeAddress, Meta: nodeMeta(s.Mark.Owner)}
	for i := range endpoints {
		e, err := l.encodeEndpoint(s, &endpoints[i], node)
		switch {
		case err != nil:
			bad = append(bad, err)
		case !seen[e.Service.Meta[metaID]]:
			seen[e.Service.Meta[metaID]] = true
			all = append(all, e)
		}
	}
	if len(all) == 0 && len(bad) > 0 {
		return nil, fmt.Errorf("encode %q: %w", s.Key, errors.Join(bad...))
	}
	return all, nil
}

func (l layout) checkService(s *catalog.Service) error {
	switch m := s.Mark; {
	case m == nil:
		return fmt.Errorf("it has no mark: %w", registry.ErrNotOwned)
	case !label.MatchString(m.Owner):
		return fmt.Errorf("owner %q: %w", m.Owner, registry.ErrInvalid)
	case s.Namespace != l.namespace:
		return fmt.Errorf("services stand in namespace %q only: %w", l.namespace, registry.ErrInvalid)
	case s.Name == "consul" || s.Name != strings.ToLower(s.Name) || len(s.Name) > maxName:
		return fmt.Errorf("name %q cannot be used: %w", s.Name, registry.ErrInvalid)
	case max(len(m.Of), len(m.Via)) > maxMetaValue || len(m.Key.String()) > maxMetaValue || !utf8.ValidString(string(m.Of+m.Via)+m.Key.String()):
		return fmt.Errorf("mark of %q: %w", m.Key, registry.ErrInvalid)
	}
	if _, err := catalog.ParseKey(s.Mark.Key.String()); err != nil {
		return fmt.Errorf("mark: %w: %w", err, registry.ErrInvalid)
	}
	return checkName(s.Name)
}

// encodeEndpoint returns the record of one endpoint, on node.
func (l layout) encodeEndpoint(s *catalog.Service, ep *catalog.Endpoint, node *api.Node) (*api.ServiceEntry, error) {
	if err := checkHost(ep.Host); err != nil {
		return nil, fmt.Errorf("endpoint %q: %w", ep.ID, err)
	}
	ports := slices.Clone(ep.Ports)
	slices.SortFunc(ports, catalog.Port.Compare)
	main, chosen := mainPort(s, ep, ports)
	meta, err := encodeMeta(s, ep, ports, chosen)
	if err != nil {
		return nil, fmt.Errorf("endpoint %q: %w", ep.ID, err)
	}
	weight := min(max(ep.Weight, 1), maxWeight)
	svc := &api.AgentService{
		ID: recordID(s, meta[metaID], main), Service: s.Name, Address: ep.Host.String(), Port: main,
		Tags: encodeTags(ep.Tags), Meta: meta, Weights: api.AgentWeights{Passing: weight, Warning: weight},
	}
	return &api.ServiceEntry{
		Node:    node,
		Service: svc,
		Checks:  api.HealthChecks{encodeCheck(node.Node, svc, ep.Ready)},
	}, nil
}

// mainPort returns the number of the port that an instance has in Consul's own
// field, which is the first in order unless the service or the endpoint names
// another one, and that one's name.
func mainPort(s *catalog.Service, ep *catalog.Endpoint, ports []catalog.Port) (number int, chosen string) {
	if len(ports) == 0 {
		return 0, ""
	}
	name := cmp.Or(ep.Meta[catalog.MetaMainPort], s.Meta[catalog.MetaMainPort])
	for _, p := range ports {
		if name != "" && p.Name == name && cut(name) == name {
			return int(p.Number), name
		}
	}
	return int(ports[0].Number), ""
}

// recordID makes a ServiceID: readable by its name, and one of its own for
// each owner, original, endpoint and port.
func recordID(s *catalog.Service, endpoint string, port int) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{s.Mark.Owner, s.Mark.Key.String(), endpoint, strconv.Itoa(port)}, "\x00")))
	return s.Name + "-" + hex.EncodeToString(sum[:8])
}

func nodeMeta(owner string) map[string]string {
	return map[string]string{metaOwner: owner, metaSource: sourceKubernetes}
}

// checkType is the type of the one check of a mirror's instance.
const checkType = "isthmus-readiness"

func checkID(service string) string { return "isthmus:" + service }

func encodeCheck(node string, s *api.AgentService, ready bool) *api.HealthCheck {
	c := &api.HealthCheck{
		Node: node, CheckID: checkID(s.ID), Name: "Readiness at the origin", Type: checkType,
		ServiceID: s.ID, ServiceName: s.Service, Status: api.HealthPassing, Output: "ready",
	}
	if !ready {
		c.Status, c.Output = api.HealthCritical, "not ready"
	}
	return c
}

// encodeTags keeps tags in their order, but the one that makes consul-k8s
// delete the instance.
func encodeTags(tags []string) []string {
	var all []string
	for _, t := range tags {
		if t = strings.ToValidUTF8(t, ""); t != tagKubernetes {
			all = append(all, t)
		}
	}
	return all
}

// encodeMeta writes the mark, what Consul has no field for, and as much of the
// service's and the endpoint's own metadata as there is room for.
func encodeMeta(s *catalog.Service, ep *catalog.Endpoint, ports []catalog.Port, mainPort string) (map[string]string, error) {
	meta := map[string]string{
		metaOwner: s.Mark.Owner, metaOf: string(s.Mark.Of), metaKey: s.Mark.Key.String(),
		metaFormat: strconv.Itoa(max(s.Mark.Format, 1)), metaID: encodeID(ep.ID),
		metaSource: sourceKubernetes, metaNS: s.Mark.Key.Namespace,
	}
	if s.Mark.Via != "" {
		meta[metaVia] = string(s.Mark.Via)
	}
	for _, p := range [...]struct{ name, value string }{
		{metaMainPort, mainPort}, {metaHostname, ep.Hostname}, {metaNode, ep.Node}, {metaZone, ep.Zone}, {metaRefName, ep.Pod},
	} {
		if v := cut(p.value); v != "" {
			meta[p.name] = v
		}
	}
	if meta[metaRefName] != "" {
		meta[metaRefKind] = "Pod"
	}
	if err := encodePorts(meta, ports); err != nil {
		return nil, err
	}
	for _, p := range ports {
		if k := metaPort + plain(p.Name); p.Name != "" && len(k) <= maxMetaName && len(meta) < maxMetaPairs && meta[k] == "" {
			meta[k] = strconv.Itoa(int(p.Number))
		}
	}
	addMeta(meta, ownMeta(s, ep))
	return meta, nil
}

// ownMeta returns what a service and its endpoint say of themselves; it is not
// to be changed.
func ownMeta(s *catalog.Service, ep *catalog.Endpoint) map[string]string {
	switch {
	case len(ep.Meta) == 0:
		return s.Meta
	case len(s.Meta) == 0:
		return ep.Meta
	}
	own := maps.Clone(s.Meta)
	maps.Copy(own, ep.Meta)
	return own
}

// addMeta adds metadata in the order of the names that Consul takes; of two
// that become one the first in their own order stays.
func addMeta(meta, own map[string]string) {
	if len(own) == 0 {
		return
	}
	names := map[string]string{}
	for _, k := range slices.Sorted(maps.Keys(own)) {
		n := plain(k)
		n = n[:min(len(n), maxMetaName)]
		if _, taken := names[n]; !taken && n != "" && !reserved(n) && k != catalog.MetaMainPort {
			names[n] = own[k]
		}
	}
	for _, n := range slices.Sorted(maps.Keys(names)) {
		if len(meta) >= maxMetaPairs {
			return
		}
		meta[n] = cut(names[n])
	}
}

// plain replaces what Consul does not take in names of metadata.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '_'
	}, name)
}

// cut returns what Consul holds of a value, without half a character.
func cut(v string) string {
	v = strings.ToValidUTF8(v, "")
	if len(v) <= maxMetaValue {
		return v
	}
	v = v[:maxMetaValue]
	for !utf8.ValidString(v) {
		v = v[:len(v)-1]
	}
	return v
}

// encodeID keeps an endpoint's id, or a sum of one that Consul cannot hold.
func encodeID(id string) string {
	if id != "" && cut(id) == id {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:])
}

// held is what a Version says of one record: what to compare when it is
// written, and whether there is anything to write.
type held struct {
	node, id   string
	index      uint64
	sum        uint64 // of the instance as it stands
	checkIndex uint64 // 0: it has no check of ours
	checkSum   uint64
	unread     bool // nothing is known of its check
}

func (h held) compare(o held) int {
	return cmp.Or(cmp.Compare(h.node, o.node), cmp.Compare(h.id, o.id))
}

func holding(e *api.ServiceEntry) held {
	h := held{node: e.Node.Node, id: e.Service.ID, index: e.Service.ModifyIndex, sum: serviceSum(e.Service)}
	for _, c := range e.Checks {
		if c != nil && c.CheckID == checkID(e.Service.ID) {
			h.checkIndex, h.checkSum = c.ModifyIndex, checkSum(c)
		}
	}
	return h
}
