package isthmus

import (
	"strings"

	"github.com/miekg/dns"

	"github.com/isthmus-dns/isthmus/catalog"
)

// Names of the endpoints of a headless service that stand in one zone of the
// cluster, such as an availability zone:
//
//	eu-1a.pin._zone.S.NS.svc.Z       those in eu-1a, or none
//	eu-1a.prefer._zone.S.NS.svc.Z    those in eu-1a; all, if there is none
//
// The zone of the cluster may hold dots.
const (
	zonal       = "_zone"
	zonalPin    = "pin"
	zonalPrefer = "prefer"
)

// isDirective reports whether label says how a zone of the cluster is meant.
func isDirective(label string) bool { return label == zonalPin || label == zonalPrefer }

// readZonal reads the labels left of zone z if they are too many for another
// shape. It returns false if they are not of this one either.
func (q *query) readZonal(name string, z zone) bool {
	base := name
	if z.name != "." {
		base = name[:len(name)-len(z.name)]
	}
	if z.multicluster || !strings.Contains(base, "."+zonal+".") {
		return false
	}
	at, short := dns.PrevLabel(base, maxLabels)
	if short || at == 0 {
		return false
	}
	var l [maxLabels]string
	for i, off := 0, at; i < maxLabels; i++ {
		next, _ := dns.NextLabel(base, off)
		l[i], off = strings.TrimSuffix(base[off:next], "."), next
	}
	if !isDirective(l[0]) || l[1] != zonal || l[4] != "svc" {
		return false
	}
	q.kind, q.key = kindZonal, catalog.Key{Namespace: l[3], Name: l[2]}
	q.where, q.prefer = base[:at-1], l[0] == zonalPrefer
	return true
}

// zonal answers for the endpoints of a headless service in a zone of the
// cluster. Any zone may be asked for: that nothing is in it is no reason for
// the name not to exist.
func (v *view) zonal(q *query, name string, typ uint16) answer {
	if !v.conf.zonal || v.conf.zones[q.zone].external {
		return answer{rcode: dns.RcodeNameError}
	}
	e, _ := v.entries.Get(q.key)
	if e == nil || v.contentOf(e).svc.Type != catalog.Headless || v.recordsOf(e, q.zone).cname != nil {
		return v.absent(q.key.Namespace)
	}
	if q.where == "" {
		return answer{}
	}
	b := v.builder(e, q.zone)
	if there := endpointsIn(b.ready, q.where); len(there) > 0 || !q.prefer {
		b.ready = there
	}
	if typ == dns.TypeSRV {
		return answer{rrset: b.srv(name, anyPort)}
	}
	return ofType(typ)(b.addrs(name, endpointAddrs(b.ready, anyPort)))
}

func endpointsIn(all []*catalog.Endpoint, where string) []*catalog.Endpoint {
	var there []*catalog.Endpoint
	for _, e := range all {
		if strings.EqualFold(e.Zone, where) {
			there = append(there, e)
		}
	}
	return there
}
