package differential

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// hostAddrs are the addresses of this host that others may reach it at.
func hostAddrs() []netip.Addr {
	ifaces, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var all []netip.Addr
	for _, i := range ifaces {
		if p, err := netip.ParsePrefix(i.String()); err == nil && p.Addr().IsGlobalUnicast() {
			all = append(all, p.Addr())
		}
	}
	return all
}

// Reverse names.

func (d *dispute) isReverse() bool { return isReverseZone(d.zone) && len(d.labels) > 0 }

func (d *dispute) reverseOther() bool {
	return d.isReverse() && d.typ != dns.TypePTR && !d.denies(d.name, dns.TypePTR) &&
		d.stock.is(d.denial()) && d.ours.is(d.nodata())
}

// deadPointer: of the names that the stock plugin leads to, those are left that
// exist.
func (d *dispute) deadPointer() bool {
	if !d.isReverse() || d.isOddReverse() || d.typ != dns.TypePTR || len(d.stock.answer) == 0 || d.stock.flags != d.nodata().flags {
		return false
	}
	live := d.live()
	switch len(live) {
	case len(d.stock.answer):
		return false
	case 0:
		return d.ours.is(d.denial())
	}
	return d.ours.is(d.stock.with(live))
}

// live are those of the stock plugin's PTR records that lead to a name that
// exists.
func (d *dispute) live() []string {
	var live []string
	for _, r := range d.stock.answer {
		if ptr, is := parseRR(r).(*dns.PTR); is && !d.denies(ptr.Ptr, dns.TypeA) {
			live = append(live, r)
		}
	}
	return live
}

func (d *dispute) isSchemaInReverse() bool {
	if !d.isReverse() {
		return false
	}
	last := d.labels[len(d.labels)-1]
	return last == "svc" || last == "pod" || last == "dns-version" && len(d.labels) == 1
}

func (d *dispute) schemaInReverse() bool {
	version := d.labels != nil && d.labels[0] == "dns-version" && d.typ == dns.TypeTXT
	return d.isSchemaInReverse() && (version || !d.denies(d.name, dns.TypeA)) && d.ours.is(d.denial())
}

// isOddReverse: the stock plugin reads the 32 labels next to ip6.arpa and up to
// three more, and takes what they say of an IPv4 address for that.
func (d *dispute) isOddReverse() bool {
	n := len(d.labels)
	return n > 32 && n < 36 || n == 32 && strings.HasSuffix(d.name, ".f.f.f.f"+strings.Repeat(".0", 20)+"."+zone6)
}

func (d *dispute) belowReverse() bool {
	return d.zone == zone6 && d.isOddReverse() && d.typ == dns.TypePTR && len(d.stock.answer) > 0 && d.ours.is(d.denial())
}

// Pods.

// podLabels returns the labels of a pod's name, and those in front of it.
func (d *dispute) podLabels() (front []string, pod, space string) {
	n := len(d.labels)
	if n < 3 || d.labels[n-1] != "pod" || isReverseZone(d.zone) {
		return nil, "", ""
	}
	return d.labels[:n-3], d.labels[n-3], d.labels[n-2]
}

func (d *dispute) belowPod() bool {
	front, pod, space := d.podLabels()
	if pod == "" || len(front) == 0 || len(front) > 2 {
		return false
	}
	whole := pod + "." + space + ".pod." + d.zone
	return !d.denies(whole, dns.TypeA) && !d.stock.is(d.denial()) && d.ours.is(d.denial())
}

func (d *dispute) podPort() bool {
	front, pod, _ := d.podLabels()
	if pod == "" || len(front) > 0 || d.typ != dns.TypeSRV || len(d.stock.answer) != 1 || !d.ours.is(d.nodata()) {
		return false
	}
	srv, is := parseRR(d.stock.answer[0]).(*dns.SRV)
	return is && srv.Port == 0
}

func (d *dispute) podSpelling() bool {
	front, pod, space := d.podLabels()
	addr, err := netip.ParseAddr(strings.ReplaceAll(pod, "-", ":"))
	if err != nil || len(front) > 0 || !d.v.verified || !d.stock.is(d.denial()) {
		return false
	}
	as := dashed(addr.String())
	canonical := as + "." + space + ".pod." + d.zone
	if as == pod || d.denies(canonical, dns.TypeA) {
		return false
	}
	if d.typ != dns.TypeAAAA {
		return d.ours.is(d.nodata())
	}
	want := d.stockSays(canonical, d.typ)
	return d.ours.is(want.with([]string{strings.Replace(want.answer[0], canonical, d.name, 1)}))
}

// Services.

// service returns the key of the service that the name is at or below.
func (d *dispute) service() (k key, below []string) {
	n := len(d.labels)
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

// String shows the dispute for people.
func (d *dispute) String() string {
	return "stock: " + d.stock.String() + "\nours:  " + d.ours.String() + "\nvariant " + d.v.name + ", labels " + strconv.Quote(strings.Join(d.labels, " "))
}
