package kubeobject

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/isthmus-dns/isthmus/catalog"
)

// Part is what one slice says of a service, read once and kept small. It is
// immutable.
type Part struct {
	text      string                  // its name and version, as they stand in a service's version
	named     int                     // how much of text is the name
	owner     string                  // who wrote it; "" if no bridge did
	joins     *catalog.Mark           // nil: it adds nothing to a native Service
	endpoints catalog.PackedEndpoints // sorted by ID, which is byAddr unless mixed
	mixed     bool                    // an address stands there several times
	triggered time.Time               // when what it says came about; zero: unknown
	err       error                   // what was left out
}

func newPart(slice *discoveryv1.EndpointSlice) *Part {
	return &Part{text: slice.Name + "=" + slice.ResourceVersion, named: len(slice.Name)}
}

// Name is the slice's. Who keeps it beside the Part keeps no text of its own.
func (p *Part) Name() string { return p.text[:p.named] }

// PartOf reads a slice, which is neither kept nor modified.
func PartOf(slice *discoveryv1.EndpointSlice) *Part {
	r := sliceReader{slice: slice}
	return r.part()
}

// part reads the slice.
func (r *sliceReader) part() *Part {
	slice := r.slice
	p := newPart(slice)
	p.owner = ownerOf(slice.Labels, slice.Annotations)
	p.joins = JoinOf(slice)
	extras := r.extras(p.owner)
	ports := r.ports()
	all := make([]catalog.Endpoint, 0, r.addresses())
	for i := range slice.Endpoints {
		for _, addr := range slice.Endpoints[i].Addresses {
			e, ok := r.endpoint(&slice.Endpoints[i], addr)
			if !ok {
				continue
			}
			e.Ports = ports
			if x, ok := extras[addr]; ok {
				e.Pod, e.Node, e.Weight, e.Priority, e.Tags, e.Meta = x.Pod, x.Node, x.Weight, x.Prio, x.Tags, x.Meta
			}
			all = append(all, e)
		}
	}
	all, p.mixed = apart(all)
	p.endpoints = catalog.PackEndpoints(all)
	p.triggered, _ = time.Parse(time.RFC3339Nano, slice.Annotations[corev1.EndpointsLastChangeTriggerTime])
	p.err = errors.Join(r.left...)
	return p
}

// sliceReader reads one slice.
type sliceReader struct {
	slice   *discoveryv1.EndpointSlice
	cluster string // that its endpoints run in; "" of a service of one cluster
	left    []error
}

// leaveOut notes what is wrong with the slice.
func (r *sliceReader) leaveOut(format string, args ...any) {
	r.left = append(r.left, fmt.Errorf("endpoint slice %q: "+format, append([]any{r.slice.Name}, args...)...))
}

func (r *sliceReader) addresses() (n int) {
	for i := range r.slice.Endpoints {
		n += len(r.slice.Endpoints[i].Addresses)
	}
	return n
}

// endpoint reads all but the ports.
func (r *sliceReader) endpoint(from *discoveryv1.Endpoint, addr string) (catalog.Endpoint, bool) {
	if r.slice.AddressType == discoveryv1.AddressTypeFQDN {
		r.leaveOut("%q is a name, not an address", addr)
		return catalog.Endpoint{}, false
	}
	a, err := parseAddr(addr)
	if err != nil {
		r.leaveOut("%w", err)
		return catalog.Endpoint{}, false
	}
	e := catalog.Endpoint{
		ID:          textOf(a, addr),
		Host:        catalog.Host{Addr: a},
		Hostname:    strings.ToLower(deref(from.Hostname, "")),
		Ready:       deref(from.Conditions.Ready, true),
		Serving:     deref(from.Conditions.Serving, true),
		Terminating: deref(from.Conditions.Terminating, false),
		Zone:        deref(from.Zone, ""),
		Node:        deref(from.NodeName, ""),
		Cluster:     r.cluster,
	}
	if e.Cluster != "" {
		e.ID = byAddr(&e)
	}
	if t := from.TargetRef; t != nil && t.Kind == "Pod" {
		e.Pod = t.Name
	}
	return e, true
}

// textOf returns the text of a, which is mostly the one that it was read from.
func textOf(a netip.Addr, from string) string {
	var room [len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")]byte
	if text := a.AppendTo(room[:0]); string(text) != from {
		return string(text)
	}
	return from
}

// ports reads the ports that all endpoints of the slice share.
func (r *sliceReader) ports() []catalog.Port {
	var ports []catalog.Port
	for _, p := range r.slice.Ports {
		if p.Port == nil {
			continue
		}
		if *p.Port < 1 || *p.Port > 65535 {
			r.leaveOut("port %d is out of range", *p.Port)
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
	return slices.Clip(slices.Compact(ports))
}

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

// extras reads what the bridge that wrote the slice had no field for.
func (r *sliceReader) extras(owner string) map[string]extra {
	text := r.slice.Annotations[annotationEndpoints]
	if text == "" || owner == "" {
		return nil
	}
	var all map[string]extra
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		r.leaveOut("annotation %s: %w", annotationEndpoints, err)
	}
	return all
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

func portsText(ports []catalog.Port) string {
	var b strings.Builder
	for _, p := range ports {
		fmt.Fprintf(&b, "%s/%s/%d/%s ", p.Name, p.Proto, p.Number, p.App)
	}
	return b.String()
}

func deref[T any](p *T, unset T) T {
	if p == nil {
		return unset
	}
	return *p
}
