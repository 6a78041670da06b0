package zookeeper

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// written is one node as it is to be.
type written struct {
	path    string
	data    []byte
	dynamic bool // it goes with a session
}

// encode makes the nodes of a mirror: its side node first, then an instance of each
// ready endpoint. There are none if no endpoint is ready.
func (l layout) encode(s *catalog.Service, o options) ([]written, error) {
	c, side, err := l.hold(s, o)
	if err != nil || c == nil {
		return nil, err
	}
	wanted := standing(c)
	all := append(make([]written, 0, len(wanted)+1), written{path: l.sidePath(c.Mark.Owner, c.Name), data: side})
	for i, id := range instanceIDs(c, wanted) {
		data := encodeInstance(c, &wanted[i], id, o)
		all = append(all, written{l.path + "/" + c.Name + "/" + id, data, o.Dynamic})
	}
	return all, nil
}

// canon returns s as decode reads what encode writes of it.
func (l layout) canon(s *catalog.Service) (*catalog.Service, error) {
	c, _, err := l.hold(s, options{time.Now().UnixMilli(), l.payload, l.dynamic})
	return c, err
}

// hold returns what is held of a mirror, with the data of its side node; nil if no
// endpoint is ready.
func (l layout) hold(s *catalog.Service, o options) (c *catalog.Service, side []byte, err error) {
	if m := s.Mark; m != nil && (m.Format < 1 || m.Format > catalog.MarkFormat) {
		return nil, nil, fmt.Errorf("service %q: mark of format %d: %w", s.Key, m.Format, registry.ErrInvalid)
	}
	if s.Namespace != l.namespace {
		return nil, nil, fmt.Errorf("service %q: services stand in namespace %q only: %w", s.Key, l.namespace, registry.ErrInvalid)
	}
	if c, err = cleaned(s); err != nil || c == nil {
		return nil, nil, err
	}
	if side, _ = lean(c, o); len(side) > maxSide {
		return nil, nil, fmt.Errorf("service %q: %d bytes of what Curator has no word for, at most %d: %w", s.Key, len(side), maxSide, registry.ErrInvalid)
	}
	return c, side, nil
}

// sidePath is the side node of an owner's mirror.
func (l layout) sidePath(owner, name string) string { return l.mirrors(owner) + "/" + escape(name) }

// encodeSide is the data of the side node of a mirror that was cleaned.
func encodeSide(s *catalog.Service, o options) []byte {
	m := s.Mark
	text := sideText{
		Format: m.Format, Owner: m.Owner, Of: m.Of, Key: m.Key.String(), Via: m.Via, Name: s.Name,
		options: o, Alias: s.Alias, TTL: int(s.TTL.Seconds()), Meta: s.Meta,
		Endpoints: make([]sideEndpoint, 0, len(s.Endpoints)),
	}
	for i := range s.Endpoints {
		e := &s.Endpoints[i]
		if i == 0 {
			text.Ports = sidePorts(e.Ports)
		}
		out := sideEndpoint{
			ID: e.ID, Host: e.Host.String(), Hostname: e.Hostname, Pod: e.Pod, Zone: e.Zone, Node: e.Node, Cluster: e.Cluster,
			Weight: e.Weight, Priority: e.Priority, Tags: e.Tags, Meta: e.Meta,
		}
		if !slices.Equal(e.Ports, s.Endpoints[0].Ports) {
			ports := sidePorts(e.Ports)
			out.Ports = &ports
		}
		text.Endpoints = append(text.Endpoints, out)
	}
	data, _ := json.Marshal(&text) // no field is of a kind that could fail
	return data
}

func sidePorts(all []catalog.Port) []sidePort {
	ports := make([]sidePort, len(all))
	for i, p := range all {
		ports[i] = sidePort(p)
	}
	return ports
}

// instanceText is Curator's JSON of a ServiceInstance, whole: its readers take no other
// field.
type instanceText struct {
	Name         string   `json:"name"`
	ID           string   `json:"id"`
	Address      string   `json:"address"`
	Port         uint16   `json:"port"` // 0: none; Spring's client fails at all of a service for one without
	SSLPort      *uint16  `json:"sslPort"`
	Payload      *payload `json:"payload"`
	Registration int64    `json:"registrationTimeUTC"`
	Type         string   `json:"serviceType"`
	URISpec      uriSpec  `json:"uriSpec"`
}

// payload is Spring's. Who reads payloads of a class of its own takes no other.
type payload struct {
	Class    string            `json:"@class"`
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	Metadata map[string]string `json:"metadata"`
}

const springClass = "org.springframework.cloud.zookeeper.discovery.ZookeeperInstance"

type uriSpec struct {
	Parts []uriPart `json:"parts"`
}

type uriPart struct {
	Value    string `json:"value"`
	Variable bool   `json:"variable"`
}

// encodeInstance is the data of one instance. Of its ports it has the main one, as
// the one for TLS, too, where that is for https.
func encodeInstance(s *catalog.Service, e *catalog.Endpoint, id string, o options) []byte {
	text := instanceText{
		Name: s.Name, ID: id, Address: e.Host.String(), Registration: o.Registered, Type: "PERMANENT",
		URISpec: uriSpecOf(e.Host.Addr, len(e.Ports) > 0),
	}
	if p, has := mainPort(s, e); has {
		text.Port = p.Number
		if p.App == "https" {
			text.SSLPort = &p.Number
		}
	}
	if o.Dynamic {
		text.Type = "DYNAMIC"
	}
	if o.Payload == spring {
		text.Payload = &payload{springClass, id, s.Name, springMeta(s, e)}
	}
	data, _ := json.Marshal(&text) // no field is of a kind that could fail
	return data
}

// uriSpecOf is {scheme}://{address}:{port}, with what an address or port asks for.
func uriSpecOf(a netip.Addr, port bool) uriSpec {
	open, end := "://", ":"
	if a.Is6() {
		open, end = "://[", "]:"
	}
	parts := []uriPart{{"scheme", true}, {open, false}, {"address", true}}
	switch {
	case port:
		parts = append(parts, uriPart{end, false}, uriPart{"port", true})
	case end != ":":
		parts = append(parts, uriPart{"]", false})
	}
	return uriSpec{parts}
}

// maxSpring is how many bytes of metadata a payload has; an instance that has more
// than maxInstance would not be read.
const maxSpring = 8 << 10

// springMeta is the metadata that Spring's applications are told, in the order of
// their names as much as there is room for.
func springMeta(s *catalog.Service, e *catalog.Endpoint) map[string]string {
	all := map[string]string{}
	if e.Zone != "" {
		all[metaZone] = e.Zone
	}
	maps.Copy(all, s.Meta)
	maps.Copy(all, e.Meta)
	maps.DeleteFunc(all, func(k, _ string) bool { return k == statusName || strings.HasPrefix(k, "isthmus.dev/") })
	room := maxSpring
	for _, k := range slices.Sorted(maps.Keys(all)) {
		if room -= len(k) + len(all[k]); room < 0 {
			delete(all, k)
		}
	}
	return all
}

// spring is the payload that Spring's applications read.
const spring = "spring"

// drifted returns how many nodes of a mirror of ours differ from those that would be
// written for what its side node says.
func (l layout) drifted(m *mirror) int {
	o := options{m.side.options.Registered, l.payload, l.dynamic}
	want, err := l.encode(m.side.service, o)
	if err != nil {
		return 1
	}
	n := len(m.instances)
	if m.side.digest != digestOf(want[0].data) {
		n++
	}
	for _, w := range want[1:] {
		_, id := l.split(w.path)
		if r := m.instances[id]; r == nil || r.digest != digestOf(w.data) || !l.lives(r) {
			n++
		} else {
			n--
		}
	}
	return n
}
