package zookeeper

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// side is the side node of a mirror as it was read: all of the service that Curator
// has no word for, and which instances it has.
type side struct {
	stamp
	owner   string // by its path; "" where that is no owner's
	err     error  // why it is refused
	digest  digest
	format  int
	options options
	service *catalog.Service // without version; nil if it cannot be read
}

// options say how the instances of a mirror are written.
type options struct {
	Registered int64  `json:"registered"`        // milliseconds since 1970
	Payload    string `json:"payload,omitempty"` // "" for none
	Dynamic    bool   `json:"dynamic,omitempty"`
}

// sideText is the JSON of a side node.
type sideText struct {
	Format int              `json:"format"`
	Owner  string           `json:"owner"`
	Of     catalog.Identity `json:"of,omitempty"`
	Key    string           `json:"key"`
	Via    catalog.Identity `json:"via,omitempty"`
	Name   string           `json:"name"`
	options
	Alias     string            `json:"alias,omitempty"`
	TTL       int               `json:"ttl,omitempty"` // seconds
	Meta      map[string]string `json:"meta,omitempty"`
	Ports     []sidePort        `json:"ports,omitempty"` // of each endpoint that has none of its own
	Endpoints []sideEndpoint    `json:"endpoints,omitempty"`
}

type sidePort struct {
	Name   string           `json:"name,omitempty"`
	Proto  catalog.Protocol `json:"proto"`
	Number uint16           `json:"number"`
	App    string           `json:"app,omitempty"`
}

type sideEndpoint struct {
	ID       string            `json:"id"`
	Host     string            `json:"host"`
	Ports    *[]sidePort       `json:"ports,omitempty"`
	Hostname string            `json:"hostname,omitempty"`
	Pod      string            `json:"pod,omitempty"`
	Zone     string            `json:"zone,omitempty"`
	Node     string            `json:"node,omitempty"`
	Cluster  string            `json:"cluster,omitempty"`
	Weight   int               `json:"weight,omitempty"`
	Priority uint16            `json:"priority,omitempty"`
	Tags     []string          `json:"tags,omitempty"`
	Meta     map[string]string `json:"meta,omitempty"`
}

// maxSide is how much data a side node may have: what one request can carry.
const maxSide = 900 << 10

// parseSide reads a side node, at <sides>/<owner>/mirrors/<name>. It returns the name
// of the service that it is of.
func (l layout) parseSide(n znode) (name string, s *side) {
	s = &side{stamp: stampOf(n), digest: digestOf(n.data)}
	owner, below, _ := strings.Cut(strings.TrimPrefix(n.path, l.sides()+"/"), "/")
	escaped, ok := strings.CutPrefix(below, "mirrors/")
	name, fits := unescape(escaped)
	key, err := l.key(name)
	switch {
	case !ok || !fits || name == "" || checkOwner(owner) != nil:
		s.err = errNoSide
	case err != nil || key.Name != name:
		s.err = fmt.Errorf("no mirror has the name %q", catalog.Brief(name))
	default:
		s.owner = owner
		s.err = brief(s.read(l, key, n.data))
	}
	return name, s
}

var errNoSide = errors.New("no side node of a mirror")

// read reads the side node's data.
func (s *side) read(l layout, key catalog.Key, data []byte) error {
	if len(data) > maxSide {
		return fmt.Errorf("data of %d bytes, at most %d: %w", len(data), maxSide, registry.ErrInvalid)
	}
	var core struct {
		Owner, Name string
		Format      int
	}
	if err := json.Unmarshal(data, &core); err != nil {
		return fmt.Errorf("mark: %w", err)
	}
	if core.Owner != s.owner || core.Name != key.Name {
		return fmt.Errorf("mark: it is of %q of owner %q: %w", core.Name, core.Owner, registry.ErrInvalid)
	}
	s.format = core.Format
	var text sideText
	if err := json.Unmarshal(data, &text); err != nil {
		return fmt.Errorf("mark: %w", err)
	}
	said, err := text.service(key)
	if err != nil {
		return fmt.Errorf("mark: %w", err)
	}
	clean, err := cleaned(said)
	if err != nil {
		return err
	}
	if clean == nil {
		return errors.New("it has no endpoints")
	}
	s.options, s.service = text.options, clean
	if lost := len(said.Endpoints) - len(clean.Endpoints); lost > 0 && clean.Alias == "" {
		err = fmt.Errorf("%d endpoints cannot be held: %w", lost, registry.ErrInvalid)
	}
	if s.owner == l.owner || l.hosts == nil {
		return err
	}
	return errors.Join(err, s.keepAllowed(l.hosts))
}

// service is what the text says.
func (t *sideText) service(key catalog.Key) (*catalog.Service, error) {
	of, err := catalog.ParseKey(t.Key)
	if err != nil {
		return nil, err
	}
	if t.Format < 1 {
		return nil, fmt.Errorf("format %d: %w", t.Format, registry.ErrInvalid)
	}
	s := &catalog.Service{
		Key: key, Type: catalog.Headless, Alias: t.Alias, Meta: t.Meta, TTL: time.Duration(min(max(t.TTL, 0), maxTTL)) * time.Second,
		Mark: &catalog.Mark{Owner: t.Owner, Of: t.Of, Key: of, Via: t.Via, Format: t.Format},
	}
	if t.Alias != "" {
		s.Type = catalog.ExternalName
	}
	shared := portsOfSide(t.Ports)
	for i := range t.Endpoints {
		e := t.Endpoints[i].endpoint()
		if e.Ports = shared; t.Endpoints[i].Ports != nil {
			e.Ports = portsOfSide(*t.Endpoints[i].Ports)
		}
		s.Endpoints = append(s.Endpoints, e)
	}
	return s, nil
}

func (e *sideEndpoint) endpoint() catalog.Endpoint {
	return catalog.Endpoint{
		ID: e.ID, Host: catalog.ParseHost(e.Host), Ready: true, Serving: true, Hostname: e.Hostname,
		Pod: e.Pod, Zone: e.Zone, Node: e.Node, Cluster: e.Cluster,
		Weight: e.Weight, Priority: e.Priority, Tags: e.Tags, Meta: e.Meta,
	}
}

func portsOfSide(all []sidePort) []catalog.Port {
	var ports []catalog.Port
	for _, p := range all {
		ports = append(ports, catalog.Port(p))
	}
	return ports
}

// keepAllowed leaves those endpoints that others may name. What is left out is the error.
func (s *side) keepAllowed(hosts *registry.Hosts) error {
	var refused []error
	all := s.service.Endpoints
	s.service.Endpoints = nil
	for i := range all {
		if err := hosts.Check(all[i].Host); err != nil {
			refused = append(refused, fmt.Errorf("endpoint %q: %w", all[i].ID, err))
			continue
		}
		s.service.Endpoints = append(s.service.Endpoints, all[i])
	}
	if s.service.Alias != "" {
		if err := hosts.Check(catalog.Host{Name: s.service.Alias}); err != nil {
			refused = append(refused, err)
			s.service.Alias, s.service.Type = "", catalog.Headless
		}
	}
	return errors.Join(refused...)
}
