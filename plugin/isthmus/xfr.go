package isthmus

import (
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"slices"

	"github.com/coredns/coredns/plugin/transfer"
	"github.com/miekg/dns"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/catalog/pmap"
)

// errNotSynced keeps secondaries at what they have. They would take a zone in
// which names are missing for the truth.
var errNotSynced = errors.New("not every registry was read yet")

// Transfer implements transfer.Transferer: the zone as it is now, or its SOA
// record alone if serial is not older. It fails while a registry has not been
// read since the start. The channel must be read to its end.
func (p *Isthmus) Transfer(zone string, serial uint32) (<-chan []dns.RR, error) {
	z := p.conf.zones.find(zone)
	if z < 0 || p.conf.zones[z].domain != "" {
		return nil, transfer.ErrNotAuthoritative
	}
	v := p.view(z)
	if !v.snap.Synced() {
		return nil, fmt.Errorf("transfer %q: %w", zone, errNotSynced)
	}
	to := make(chan []dns.RR)
	go func() {
		defer close(to)
		if serial != 0 && !older(serial, v.serial.number) {
			to <- v.soa[z]
			return
		}
		for rrs := range v.records(z) {
			to <- rrs
		}
	}()
	return to, nil
}

// older reports whether serial a comes before b (RFC 1982).
func older(a, b uint32) bool { return int32(a-b) < 0 }

// records yields zone z in groups: its SOA record, everything in it, each
// record once, and the SOA record again. They are the records that questions
// are answered with, in the same order each time. Two kinds of names are left
// out: those of endpoints behind virtual addresses, and those of pods.
func (v *view) records(z int) iter.Seq[[]dns.RR] {
	return func(yield func([]dns.RR) bool) {
		send := func(groups ...[]dns.RR) bool {
			for _, rrs := range groups {
				if len(rrs) > 0 && !yield(rrs) {
					return false
				}
			}
			return true
		}
		if send(v.soa[z]) && v.content(z, send) {
			send(v.soa[z])
		}
	}
}

// content sends what stands between the two SOA records, until send is false.
func (v *view) content(z int, send func(...[]dns.RR) bool) bool {
	zone := v.conf.zones[z]
	ns := v.ns(zone)
	// Servers that are services have their addresses further below, or in
	// another zone.
	a, aaaa := v.nsAddrs(zone.server(), zone)
	switch {
	case zone.reverse:
		return send(ns.answer, a, aaaa) && v.addresses(z, send)
	case zone.external:
		return send(ns.answer, a, aaaa) && v.services(v.fronts, z, send)
	}
	return send(ns.answer, a, aaaa, v.versionTXT(zone.below("dns-version"))) && v.services(v.entries, z, send)
}

func (v *view) services(from pmap.Map[catalog.Key, *entry], z int, send func(...[]dns.RR) bool) bool {
	for _, k := range sortedKeys(from.All(), catalog.Key.Compare) {
		e, _ := from.Get(k)
		if !v.sendService(e, z, send) {
			return false
		}
	}
	return true
}

// sendService sends what the service's names hold. Its records are made for this
// and not kept, since it does not mean that anybody asks for them one by one.
func (v *view) sendService(e *entry, z int, send func(...[]dns.RR) bool) bool {
	x := v.read(e)
	r, b := v.build(x, z), v.builderOf(x, z)
	if r.cname != nil {
		if !send(r.cname) {
			return false
		}
	} else if !send(r.a, r.aaaa, b.srv(r.name, anyPort).answer, b.hosts()) {
		return false
	}
	for i := range r.ports {
		if !send(b.portSRV(&r.ports[i]).answer) {
			return false
		}
	}
	return true
}

// hosts returns the addresses of a headless service's endpoints under their
// own names.
func (b *builder) hosts() []dns.RR {
	if b.svc.Type != catalog.Headless {
		return nil
	}
	type at struct {
		name string
		addr netip.Addr
	}
	seen := newSet[at](len(b.ready))
	var all []dns.RR
	for i, t := range b.targets() {
		if t.glue != nil && seen.add(at{t.name, b.ready[i].Host.Addr}) {
			all = append(all, t.glue)
		}
	}
	return all
}

// addresses sends the PTR records in the reverse zone z.
func (v *view) addresses(z int, send func(...[]dns.RR) bool) bool {
	for _, a := range v.addrsIn(v.conf.zones[z]) {
		name, err := dns.ReverseAddr(a.String())
		if err != nil {
			continue // no address that has a reverse name
		}
		if q, ours := v.conf.zones.parse(name); ours && q.zone == z && !send(v.ptrIn(v.conf.zones[z], name, a)) {
			return false
		}
	}
	return true
}

// addrsIn returns the addresses that may have names in the reverse zone z,
// sorted.
func (v *view) addrsIn(z zone) []netip.Addr {
	var all []netip.Addr
	if z.apex == "" {
		all = slices.AppendSeq(slices.AppendSeq(all, v.places.all()), v.ownPlaces.all())
	}
	if z.external {
		all = slices.AppendSeq(all, v.outside.all())
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}

func sortedKeys[K, V any](all iter.Seq2[K, V], compare func(K, K) int) []K {
	var keys []K
	for k := range all {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, compare)
	return keys
}
