package kubeobject

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/isthmus-dns/isthmus/catalog"
)

// extra is what a slice has no field for, of one endpoint of a mirror.
type extra struct {
	Pod    string            `json:"pod,omitempty"`
	Node   string            `json:"node,omitempty"`
	Weight int               `json:"weight,omitempty"`
	Prio   uint16            `json:"priority,omitempty"`
	Tags   []string          `json:"tags,omitempty"`
	Meta   map[string]string `json:"meta,omitempty"`
}

func (x extra) empty() bool {
	return x.Pod == "" && x.Node == "" && x.Weight == 0 && x.Prio == 0 && len(x.Tags) == 0 && len(x.Meta) == 0
}

// split parts the slices that count from those that another wrote, each sorted
// by name.
func (d *decoder) split(all []*discoveryv1.EndpointSlice) (mine, foreign []*discoveryv1.EndpointSlice) {
	for _, slice := range all {
		owner := ownerOf(slice.Labels, slice.Annotations)
		switch m := d.out.Mark; {
		case m == nil || m.Owner == catalog.UnknownOwner:
			if owner == "" {
				mine = append(mine, slice)
			}
		case owner == m.Owner:
			mine = append(mine, slice)
		default:
			foreign = append(foreign, slice)
		}
	}
	byName := func(a, b *discoveryv1.EndpointSlice) int { return cmp.Compare(a.Name, b.Name) }
	slices.SortFunc(mine, byName)
	slices.SortFunc(foreign, byName)
	return mine, foreign
}

// endpoints reads the slices into the service: one endpoint for each address
// with each set of ports and each hostname.
func (d *decoder) endpoints(all []*discoveryv1.EndpointSlice, weight string) {
	if d.out.Type == catalog.ExternalName {
		return
	}
	w := d.weight(weight)
	at := map[string]int{} // address, ports, hostname -> index in Endpoints
	for _, slice := range all {
		ports, text := d.slicePorts(slice)
		extras := d.extras(slice)
		for i := range slice.Endpoints {
			for _, addr := range slice.Endpoints[i].Addresses {
				e, ok := d.endpoint(slice, &slice.Endpoints[i], addr)
				if !ok {
					continue
				}
				e.Ports, e.Weight = ports, w
				if x, ok := extras[addr]; ok {
					e.Pod, e.Node, e.Weight, e.Priority, e.Tags, e.Meta = x.Pod, x.Node, x.Weight, x.Prio, x.Tags, x.Meta
				}
				d.add(at, e.Host.String()+" "+text+e.Hostname, e)
			}
		}
	}
	setIDs(d.out.Endpoints)
}

// add takes e up, unless a better one is known that is the same but for its
// condition.
func (d *decoder) add(at map[string]int, id string, e catalog.Endpoint) {
	i, known := at[id]
	if !known {
		at[id] = len(d.out.Endpoints)
		d.out.Endpoints = append(d.out.Endpoints, e)
		return
	}
	if standing(e) > standing(d.out.Endpoints[i]) {
		d.out.Endpoints[i] = e
	}
}

// standing orders what several slices say of one endpoint while it moves from
// one to the other: the best said of it counts.
func standing(e catalog.Endpoint) int {
	switch {
	case e.Ready:
		return 3
	case e.Serving:
		return 2
	case !e.Terminating:
		return 1
	}
	return 0
}

// endpoint reads all but the ports.
func (d *decoder) endpoint(slice *discoveryv1.EndpointSlice, from *discoveryv1.Endpoint, addr string) (catalog.Endpoint, bool) {
	if slice.AddressType == discoveryv1.AddressTypeFQDN {
		d.leaveOut("endpoint slice %q: %q is a name, not an address", slice.Name, addr)
		return catalog.Endpoint{}, false
	}
	a, err := parseAddr(addr)
	if err != nil {
		d.leaveOut("endpoint slice %q: %w", slice.Name, err)
		return catalog.Endpoint{}, false
	}
	e := catalog.Endpoint{
		Host:        catalog.Host{Addr: a},
		Hostname:    strings.ToLower(deref(from.Hostname, "")),
		Ready:       deref(from.Conditions.Ready, true),
		Serving:     deref(from.Conditions.Serving, true),
		Terminating: deref(from.Conditions.Terminating, false),
		Zone:        deref(from.Zone, ""),
		Node:        deref(from.NodeName, ""),
	}
	if t := from.TargetRef; t != nil && t.Kind == "Pod" {
		e.Pod = t.Name
	}
	return e, true
}

// slicePorts reads the ports that all endpoints of a slice share, and a text
// that is the same for the same ports.
func (d *decoder) slicePorts(slice *discoveryv1.EndpointSlice) ([]catalog.Port, string) {
	var ports []catalog.Port
	for _, p := range slice.Ports {
		if p.Port == nil {
			continue
		}
		if *p.Port < 1 || *p.Port > 65535 {
			d.leaveOut("endpoint slice %q: port %d is out of range", slice.Name, *p.Port)
			continue
		}
		ports = append(ports, catalog.Port{
			Name:   strings.ToLower(deref(p.Name, "")),
			Proto:  protoOf(deref(p.Protocol, "")),
			Number: uint16(*p.Port),
			App:    deref(p.AppProtocol, ""),
		})
	}
	slices.SortFunc(ports, catalog.Port.Compare)
	ports = slices.Compact(ports)
	return ports, portsText(ports)
}

func portsText(ports []catalog.Port) string {
	var b strings.Builder
	for _, p := range ports {
		fmt.Fprintf(&b, "%s/%s/%d/%s ", p.Name, p.Proto, p.Number, p.App)
	}
	return b.String()
}

func (d *decoder) extras(slice *discoveryv1.EndpointSlice) map[string]extra {
	text := slice.Annotations[annotationEndpoints]
	if text == "" || d.out.Mark == nil {
		return nil
	}
	var all map[string]extra
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		d.leaveOut("endpoint slice %q: annotation %s: %w", slice.Name, annotationEndpoints, err)
	}
	return all
}

// weight reads the annotation that gives all endpoints of a native service
// their weight.
func (d *decoder) weight(text string) int {
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 65535 {
		d.leaveOut("annotation %s: %q is no weight", annotationWeight, text)
		return 0
	}
	return n
}

// setIDs names the endpoints: by their address, where it stands once; with the
// port numbers, where these tell them apart; else with all of their ports and,
// if need be, with the hostname.
func setIDs(all []catalog.Endpoint) {
	for _, name := range []func(*catalog.Endpoint) string{byAddr, byNumbers, byPorts, byHostname} {
		times := map[string]int{}
		for i := range all {
			if all[i].ID == "" {
				times[name(&all[i])]++
			}
		}
		for i := range all {
			if id := name(&all[i]); all[i].ID == "" && times[id] == 1 {
				all[i].ID = id
			}
		}
	}
}

func byAddr(e *catalog.Endpoint) string { return e.Host.String() }

func byNumbers(e *catalog.Endpoint) string {
	id := e.Host.String()
	for _, p := range e.Ports {
		id += "-" + strconv.Itoa(int(p.Number))
	}
	return id
}

func byPorts(e *catalog.Endpoint) string { return e.Host.String() + " " + portsText(e.Ports) }

func byHostname(e *catalog.Endpoint) string { return byPorts(e) + e.Hostname }

func deref[T any](p *T, unset T) T {
	if p == nil {
		return unset
	}
	return *p
}
