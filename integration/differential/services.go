package differential

import (
	"slices"
	"strings"

	"github.com/miekg/dns"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// service returns the key of the service that the name is at or below.
func (d *dispute) service() (k key, below []string) {
	n := len(d.labels)
	if d.zone == outerZone && n > 1 {
		return key{d.labels[n-1], d.labels[n-2]}, d.labels[:n-2]
	}
	if n < 3 || d.labels[n-1] != "svc" || isReverseZone(d.zone) {
		return key{}, nil
	}
	return key{d.labels[n-2], d.labels[n-3]}, d.labels[:n-3]
}

func (d *dispute) deadZonal() bool {
	k, below := d.service()
	n := len(below)
	svc := d.s.services[k]
	return d.v.zonal && n > 2 && below[n-1] == "_zone" && (below[n-2] == "pin" || below[n-2] == "prefer") &&
		svc != nil && isHeadless(svc) && d.denies(k.name+"."+k.namespace+".svc."+d.zone, dns.TypeA) &&
		d.stock.is(d.nodata()) && d.ours.is(d.denial())
}

// weight: the same records with more weight, since the stock plugin counts
// endpoints that have no SRV record, and counts twice what is listed twice.
func (d *dispute) weight() bool {
	k, _ := d.service()
	if d.typ != dns.TypeSRV || len(d.ours.answer) == 0 || !d.hasPortless(k) && !d.hasTwice(k) {
		return false
	}
	theirs, most := weights(d.stock.answer)
	ours, least := weights(d.ours.answer)
	return slices.Equal(theirs, ours) && least > most && slices.Equal(d.stock.extra, d.ours.extra) && d.stock.rcode == d.ours.rcode
}

// weights returns SRV records without their weights, which are all the same,
// and that weight.
func weights(all []string) (rest []string, weight uint16) {
	for _, r := range all {
		srv, is := parseRR(r).(*dns.SRV)
		if !is {
			return nil, 0
		}
		weight = srv.Weight
		srv.Weight = 0
		rest = append(rest, text(srv, true))
	}
	slices.Sort(rest)
	return rest, weight
}

// hasPortless reports whether an endpoint that is ready has a port without a
// number, or none.
func (d *dispute) hasPortless(k key) bool {
	return slices.ContainsFunc(d.s.readyOf(k), func(e endpoint) bool {
		return len(e.slice.Ports) == 0 || slices.ContainsFunc(e.slice.Ports, func(p discoveryv1.EndpointPort) bool { return p.Port == nil })
	})
}

// hasTwice reports whether slices list the same endpoint twice.
func (d *dispute) hasTwice(k key) bool {
	seen := map[string]bool{}
	for _, e := range d.s.readyOf(k) {
		for _, addr := range e.Addresses {
			id := strings.Join([]string{portsText(e.slice.Ports), addr, e.host()}, " ")
			if seen[id] {
				return true
			}
			seen[id] = true
		}
	}
	return false
}

// numberless: a name of a port that no endpoint has a number of.
func (d *dispute) numberless() bool {
	k, below := d.service()
	if len(below) != 2 || !d.ours.is(d.denial()) || d.denies(d.name, dns.TypeA) {
		return false
	}
	name, proto := strings.TrimPrefix(below[0], "_"), strings.TrimPrefix(below[1], "_")
	found := false
	for _, e := range d.s.readyOf(k) {
		for _, p := range e.slice.Ports {
			if (name == "" || *p.Name == name) && (proto == "" || strings.EqualFold(string(*p.Protocol), proto)) {
				if p.Port != nil {
					return false
				}
				found = true
			}
		}
	}
	return found
}

// namedEndpoint: all that a headless service has are endpoints with names.
func (d *dispute) namedEndpoint() bool {
	k, _ := d.service()
	svc, ready := d.s.services[k], d.s.readyOf(k)
	if svc == nil || !isHeadless(svc) || len(ready) == 0 || d.denies(d.name, dns.TypeA) {
		return false
	}
	for _, e := range ready {
		if e.slice.AddressType != discoveryv1.AddressTypeFQDN {
			return false
		}
	}
	return d.ours.is(d.denial())
}
