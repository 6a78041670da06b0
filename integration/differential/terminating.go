package differential

import (
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// standIn is one address of an endpoint that terminates, still serves, and is
// answered since nothing of its service is ready.
type standIn struct {
	addr, host, zone string
	ports            []discoveryv1.EndpointPort
}

// standIns returns those of a service, as they are named in the variant.
func (d *dispute) standIns(k key) []standIn {
	if d.v.noEndpoints || d.s.services[k] == nil || isAlias(d.s.services[k]) || len(d.s.readyOf(k)) > 0 {
		return nil
	}
	var all []standIn
	seen := map[string]bool{} // of what slices list twice, the first counts
	for _, slice := range d.s.slicesOf(k) {
		for _, e := range slice.Endpoints {
			for _, addr := range e.Addresses {
				id := fmt.Sprint(addr, " ", endpoint{slice, &e}.host(), " ", portsText(slice.Ports))
				if c := e.Conditions; !seen[id] && c.Terminating != nil && *c.Terminating && *c.Serving {
					in := standIn{addr: addr, host: inCluster(d.v.hostOf(&e, addr), slice), ports: slice.Ports}
					if e.Zone != nil {
						in.zone = strings.ToLower(*e.Zone)
					}
					all = append(all, in)
				}
				seen[id] = true
			}
		}
	}
	return all
}

func portsText(ports []discoveryv1.EndpointPort) string {
	var all []string
	for _, p := range ports {
		all = append(all, p.String())
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// hostOf is the label of an endpoint's address below its service.
func (v *variant) hostOf(e *discoveryv1.Endpoint, addr string) string {
	switch {
	case e.Hostname != nil:
		return *e.Hostname
	case v.podNames && e.TargetRef != nil && len(e.TargetRef.Name) < 64:
		return e.TargetRef.Name
	}
	return dashed(addr)
}

// terminating: the stock plugin says nothing of them.
func (d *dispute) terminating() bool {
	if d.isReverse() {
		return d.terminatingPointer()
	}
	k, below := d.service()
	all := d.standIns(k)
	silent := d.stock.is(d.denial()) || d.stock.is(d.nodata()) && len(below) > 2
	if len(all) == 0 || !silent {
		return false
	}
	if isVirtual(d.s.services[k]) && !d.isEndpoint(all, below) {
		return d.ignored(below)
	}
	kept, exists := d.keep(all, below)
	return exists && weightless(d.ours).is(weightless(d.records(kept, k, below)))
}

func (d *dispute) isEndpoint(all []standIn, below []string) bool {
	return len(below) == 1 && slices.ContainsFunc(all, func(in standIn) bool { return in.host == below[0] })
}

// namesEndpoint reports whether two labels below a service are an endpoint and
// its cluster, and not a port.
func (d *dispute) namesEndpoint(below []string) bool {
	return d.isImported() && len(below) == 2 && !strings.HasPrefix(below[0], "_") && !strings.HasPrefix(below[1], "_")
}

// ignored: a service with a virtual address is not empty, and so is answered
// as where nothing is ignored.
func (d *dispute) ignored(below []string) bool {
	if !d.v.ignoreEmpty {
		return false
	}
	if len(below) == 1 {
		return d.ours.is(d.nodata()) && !d.unignored("_."+d.name, dns.TypeA).is(d.denialUnignored())
	}
	want := d.unignored(d.name, d.typ)
	return !want.is(d.denialUnignored()) && d.ours.is(want)
}

func (d *dispute) denialUnignored() answer { return d.unignored("x.y.z."+d.zone, dns.TypeA) }

// keep returns those that stand at the name below the service, and whether the
// name exists.
func (d *dispute) keep(all []standIn, below []string) (kept []standIn, exists bool) {
	n := len(below)
	zonal := d.v.zonal && n > 0 && below[n-1] == "_zone" && isHeadless(d.s.services[d.mustService()])
	switch {
	case n == 0:
		return all, true
	case zonal && n < 3:
		return nil, n == 1 || below[0] == "pin" || below[0] == "prefer"
	case zonal:
		return inZone(all, strings.Join(below[:n-2], "."), below[n-2])
	case n == 2 && d.namesEndpoint(below):
		return d.atLabel(all, below[0]+"."+below[1])
	case n == 1:
		return d.atLabel(all, below[0])
	case n == 2:
		kept = slices.DeleteFunc(slices.Clone(all), func(in standIn) bool { return len(portsAt(in, below)) == 0 && !isAnyOf(in, below) })
		return kept, len(kept) > 0
	}
	return nil, false
}

func (d *dispute) mustService() key { k, _ := d.service(); return k }

func inZone(all []standIn, zone, directive string) ([]standIn, bool) {
	there := slices.DeleteFunc(slices.Clone(all), func(in standIn) bool { return in.zone != zone })
	if directive == "prefer" && len(there) == 0 {
		there = all
	}
	return there, directive == "pin" || directive == "prefer"
}

// atLabel returns the endpoints of that name; of a protocol's there is none.
func (d *dispute) atLabel(all []standIn, label string) (kept []standIn, exists bool) {
	kept = slices.DeleteFunc(slices.Clone(all), func(in standIn) bool { return in.host != label })
	exists = len(kept) > 0 || slices.ContainsFunc(all, func(in standIn) bool {
		return d.isImported() && strings.HasSuffix(in.host, "."+label) || len(portsAt(in, []string{"", label})) > 0 || isAnyOf(in, []string{"", label})
	})
	return kept, exists
}

// portsAt returns the ports that _PORT._PROTO names.
func portsAt(in standIn, below []string) []discoveryv1.EndpointPort {
	name, proto := strings.TrimPrefix(below[0], "_"), strings.TrimPrefix(below[1], "_")
	return slices.DeleteFunc(slices.Clone(in.ports), func(p discoveryv1.EndpointPort) bool {
		return name != "" && *p.Name != name || proto != "" && !strings.EqualFold(string(*p.Protocol), proto)
	})
}

// isAnyOf reports whether an endpoint without ports is meant: by any port of
// any protocol.
func isAnyOf(in standIn, below []string) bool {
	return len(in.ports) == 0 && strings.TrimPrefix(below[0], "_") == "" && strings.TrimPrefix(below[1], "_") == ""
}

// records is what is answered with these endpoints.
func (d *dispute) records(kept []standIn, k key, below []string) answer {
	service := k.name + "." + k.namespace + ".svc." + d.zone
	if d.zone == outerZone {
		service = k.name + "." + k.namespace + "." + d.zone
	}
	want := answer{flags: d.nodata().flags}
	for _, in := range kept {
		switch {
		case d.typ == dns.TypeSRV:
			ports := in.ports
			if len(below) == 2 {
				ports = portsAt(in, below)
			}
			target := in.host + "." + service
			for _, p := range ports {
				want.answer = append(want.answer, d.record(d.name, "SRV", fmt.Sprintf("0 0 %d %s", *p.Port, target)))
				want.extra = append(want.extra, d.record(target, familyType(in.addr), in.addr))
			}
		case dns.StringToType[familyType(in.addr)] == d.typ:
			want.answer = append(want.answer, d.record(d.name, familyType(in.addr), in.addr))
		}
	}
	if len(want.answer) == 0 {
		return d.nodata()
	}
	want.answer, want.extra = union(want.answer, nil), union(want.extra, nil)
	return want
}

func (d *dispute) record(owner, typ, data string) string {
	return text(parseRR(strings.Join([]string{owner, d.ttl(), "IN", typ, data}, " ")), true)
}

func familyType(addr string) string {
	if strings.Contains(addr, ":") {
		return "AAAA"
	}
	return "A"
}

// weightless returns a with SRV records of weight 0.
func weightless(a answer) answer {
	var all []string
	for _, r := range a.answer {
		if srv, is := parseRR(r).(*dns.SRV); is {
			srv.Weight = 0
			r = text(srv, true)
		}
		all = append(all, r)
	}
	return a.with(union(all, nil))
}

// terminatingPointer: their reverse names exist and lead to them, besides what
// others lead to.
func (d *dispute) terminatingPointer() bool {
	var more []string
	for _, k := range d.s.serviceKeys(nil) {
		for _, in := range d.standIns(k) {
			if name, err := dns.ReverseAddr(in.addr); err == nil && name == d.name {
				more = append(more, d.record(d.name, "PTR", fmt.Sprintf("%s.%s.%s.svc.%s", in.host, k.name, k.namespace, mainZone)))
			}
		}
	}
	if len(more) == 0 {
		return false
	}
	if d.typ != dns.TypePTR {
		return d.stock.is(d.denial()) && d.denies(d.name, dns.TypePTR) && d.ours.is(d.nodata())
	}
	return d.ours.is(answer{flags: d.nodata().flags, answer: union(more, d.live())})
}
