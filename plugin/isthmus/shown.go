package isthmus

import "github.com/isthmus-dns/isthmus/catalog"

// The form of services in JSON. Its words are those of the text form.
type (
	shownService struct {
		Service   string            `json:"service"`
		Type      string            `json:"type"`
		TTL       string            `json:"ttl,omitempty"`
		Version   string            `json:"version,omitempty"`
		Mark      *shownMark        `json:"mark,omitempty"`
		Addr      []string          `json:"addr,omitempty"`
		External  []string          `json:"external,omitempty"`
		Alias     string            `json:"alias,omitempty"`
		Port      []shownPort       `json:"port,omitempty"`
		Meta      map[string]string `json:"meta,omitempty"`
		Endpoints []shownEndpoint   `json:"endpoint,omitempty"`
	}
	shownMark struct {
		Owner  string `json:"owner"`
		Of     string `json:"of,omitempty"`
		Key    string `json:"key"`
		Via    string `json:"via,omitempty"`
		Format int    `json:"format"`
	}
	shownPort struct {
		Name   string `json:"name"`
		Proto  string `json:"proto"`
		Number uint16 `json:"number"`
		App    string `json:"app,omitempty"`
	}
	shownEndpoint struct {
		Host        string            `json:"host"`
		ID          string            `json:"id"`
		Ready       bool              `json:"ready,omitempty"`
		Serving     bool              `json:"serving,omitempty"`
		Terminating bool              `json:"terminating,omitempty"`
		Warning     bool              `json:"warning,omitempty"`
		Hostname    string            `json:"hostname,omitempty"`
		Pod         string            `json:"pod,omitempty"`
		Zone        string            `json:"zone,omitempty"`
		Node        string            `json:"node,omitempty"`
		Priority    uint16            `json:"priority,omitempty"`
		Weight      int               `json:"weight,omitempty"`
		Port        []shownPort       `json:"port,omitempty"`
		Tag         []string          `json:"tag,omitempty"`
		Meta        map[string]string `json:"meta,omitempty"`
	}
)

// shown returns svc as JSON shows it, or nil for nil.
func shown(svc *catalog.Service) *shownService {
	if svc == nil {
		return nil
	}
	x := &shownService{
		Service: svc.Key.String(), Type: svc.Type.String(), Version: svc.Version,
		Alias: svc.Alias, Port: shownPorts(svc.Ports), Meta: svc.Meta,
	}
	if svc.TTL != 0 {
		x.TTL = svc.TTL.String()
	}
	if m := svc.Mark; m != nil {
		x.Mark = &shownMark{m.Owner, string(m.Of), m.Key.String(), string(m.Via), m.Format}
	}
	for _, a := range svc.Addrs {
		x.Addr = append(x.Addr, a.String())
	}
	for _, h := range svc.External {
		x.External = append(x.External, h.String())
	}
	for i := range svc.Endpoints {
		x.Endpoints = append(x.Endpoints, shownEndpointOf(&svc.Endpoints[i]))
	}
	return x
}

func shownEndpointOf(e *catalog.Endpoint) shownEndpoint {
	return shownEndpoint{
		Host: e.Host.String(), ID: e.ID, Ready: e.Ready, Serving: e.Serving, Terminating: e.Terminating, Warning: e.Warning,
		Hostname: e.Hostname, Pod: e.Pod, Zone: e.Zone, Node: e.Node, Priority: e.Priority, Weight: e.Weight,
		Port: shownPorts(e.Ports), Tag: e.Tags, Meta: e.Meta,
	}
}

func shownPorts(all []catalog.Port) []shownPort {
	var out []shownPort
	for _, p := range all {
		out = append(out, shownPort{p.Name, string(p.Proto), p.Number, p.App})
	}
	return out
}
