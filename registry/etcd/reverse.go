package etcd

import (
	"cmp"
	"encoding/json"
	"iter"
	"net/netip"
	"strings"

	"github.com/isthmus-dns/isthmus/catalog"
)

// reversed is l with reverse records: they are read, and written if on.
func (l layout) reversed(path string, on bool) layout {
	l.root, l.reverse = "/"+path+"/", on
	return l
}

// watched is the prefix of all that a Watch lists. With reverse records it is
// all of the path: one watch tells what one transaction did at once, two would
// show services in part.
func (l layout) watched() string { return cmp.Or(l.root, l.base) }

// isReverse reports whether key is of an address, and read.
func (l layout) isReverse(key string) bool {
	below, ok := strings.CutPrefix(key, l.root+"arpa/")
	return ok && l.root != "" && (strings.HasPrefix(below, "in-addr/") || strings.HasPrefix(below, "ip6/"))
}

// reverseKey is where the name of an address stands. The stock plugin reads
// this key and nothing below it, so an address has one name.
func (l layout) reverseKey(addr netip.Addr) string {
	if addr.Is4() {
		return l.root + "arpa/in-addr/" + strings.ReplaceAll(addr.String(), ".", "/")
	}
	key := []byte(l.root + "arpa/ip6")
	for _, b := range addr.As16() {
		const digits = "0123456789abcdef"
		key = append(key, '/', digits[b>>4], '/', digits[b&15])
	}
	return string(key)
}

// nameOf is the name that a service answers under.
func (l layout) nameOf(k catalog.Key) string {
	return k.Name + "." + k.Namespace + ".svc." + l.zone
}

// keyOf is the service that answers under name, if that is one of the zone.
func (l layout) keyOf(name string) (catalog.Key, bool) {
	labels := strings.SplitN(name, ".", 3)
	if len(labels) < 3 {
		return catalog.Key{}, false
	}
	k := catalog.Key{Namespace: labels[1], Name: labels[0]}
	return k, l.nameOf(k) == name && checkLabel(k.Namespace) == nil && checkLabel(k.Name) == nil
}

// parseReverse reads one key of an address and its value. Whatever stands there
// holds the key; what is no bridge's is no more than that, and never refused.
func parseReverse(l layout, key string, text []byte) *record {
	r := &record{key: key, port: noPort, reverse: true}
	var v value
	if json.Unmarshal(text, &v) != nil {
		return r
	}
	r.setExternal(v)
	m, err := parseMark(v.Isthmus)
	if err != nil || m == nil {
		return r
	}
	if len(v.Host) > maxWord {
		v.Host = ""
	}
	r.mark, r.host = m, catalog.ParseHost(v.Host)
	_ = r.setPlace(l) // there is no error
	return r
}

// reverse adds a record for each address that is free, if they are asked for:
// the least host name that has the address, or the service's own name. What is
// a wildcard is no name.
func (e *encoder) reverse(all []catalog.Endpoint) {
	k := e.service.Key
	if !e.layout.reverse || !plainLabel(k.Namespace) || !plainLabel(k.Name) {
		return
	}
	names := map[netip.Addr]string{}
	for _, ep := range all {
		if name := names[ep.Host.Addr]; name == "" || ep.Hostname != "" && ep.Hostname < name {
			names[ep.Host.Addr] = ep.Hostname
		}
	}
	for addr, hostname := range names {
		name := e.layout.nameOf(k)
		if !addr.IsValid() || e.others[e.layout.reverseKey(addr)] {
			continue
		}
		m := e.mark(mark{Reverse: name})
		if hostname != "" {
			name = hostname + "." + name
		}
		e.records = append(e.records, &record{
			key: e.layout.reverseKey(addr), place: place{Key: k}, reverse: true,
			host: catalog.Host{Name: name}, port: noPort, ttl: m.TTL, mark: &m,
		})
	}
}

// forward returns the records of a service that are no reverse ones.
func forward(recs []*record) []*record {
	var all []*record
	for _, r := range recs {
		if !r.reverse {
			all = append(all, r)
		}
	}
	return all
}

// joins reports whether a record is part of the service at its place. Of
// reverse records only our own are: they stand and fall with their mirror.
func (t *table) joins(r *record) bool {
	return !r.reverse || r.mark != nil && r.mark.Owner == t.owner && r.place.Key != (catalog.Key{})
}

// takenLocked returns the reverse keys of addresses that the mirror of k cannot
// have, since another's record stands there, be it another mirror's, or since
// external-dns would delete it. Whoever is there keeps it; once it is gone, k is
// looked at again.
func (t *table) takenLocked(k catalog.Key, addrs iter.Seq[netip.Addr]) map[string]bool {
	if !t.layout.reverse {
		return nil
	}
	taken := map[string]bool{}
	for addr := range addrs {
		key := t.layout.reverseKey(addr)
		at, there := t.reverse[key]
		if (!there || at.of != nil && at.of.key == k) && t.reachLocked(key) == "" {
			continue
		}
		taken[key] = true
		if t.waiting[key] == nil {
			t.waiting[key] = map[catalog.Key]bool{}
		}
		t.waiting[key][k] = true
	}
	return taken
}

// releaseLocked has those looked at again who wait for a key.
func (t *table) releaseLocked(key string) {
	for k := range t.waiting[key] {
		t.dirty[k] = true
	}
	delete(t.waiting, key)
}

// releaseBelowLocked has those looked at again who wait for a key that begins
// with name.
func (t *table) releaseBelowLocked(name string) {
	for key := range t.waiting {
		if strings.HasPrefix(key, name) {
			t.releaseLocked(key)
		}
	}
}

// hosts are the addresses of an owner's records.
func hosts(recs []*record, owner string) iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for _, r := range recs {
			if !r.reverse && r.mark != nil && r.mark.Owner == owner && r.host.Addr.IsValid() && !yield(r.host.Addr) {
				return
			}
		}
	}
}

// hostsOf are the addresses of a service.
func hostsOf(s *catalog.Service) iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for _, e := range s.Endpoints {
			if e.Host.Addr.IsValid() && !yield(e.Host.Addr) {
				return
			}
		}
	}
}
