package etcd

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

var errHidden = errors.New("hidden by the records below it")

// decode makes services of all records of one key, one per owner, and says
// which records are refused. Mirrors of the owner own are checked for drift,
// where taken are the reverse keys that they cannot have.
func decode(l layout, all []*record, own string, taken map[string]bool) ([]*catalog.Service, map[string]error) {
	slices.SortFunc(all, func(a, b *record) int { return cmp.Compare(a.key, b.key) })
	owners := map[string][]*record{}
	refused := map[string]error{}
	for i, r := range all {
		if r.err == nil && r.mark == nil && hidden(r, all[i+1:]) {
			refused[r.key] = errHidden
			continue
		}
		if r.err != nil {
			refused[r.key] = r.err
		}
		if r.place.Key != (catalog.Key{}) && (r.mark != nil || r.err == nil && !r.noHost) {
			owners[r.owner()] = append(owners[r.owner()], r)
		}
	}
	var services []*catalog.Service
	for owner, recs := range owners {
		s := decodeService(recs)
		if owner == own && own != "" {
			if n := drift(l, s, recs, others(all, own, taken)); n > 0 {
				s.Meta = map[string]string{registry.MetaDrift: strconv.Itoa(n)}
			}
		}
		services = append(services, s)
	}
	return services, refused
}

// hidden reports whether the stock plugin passes r over: what stands exactly
// at a service's name counts only while nothing stands below.
func hidden(r *record, after []*record) bool {
	if r.place.ID != "" || r.place.Proto != "" {
		return false
	}
	return slices.ContainsFunc(after, func(o *record) bool { return strings.HasPrefix(o.key, r.key+"/") })
}

// decodeService makes one service of all records of one owner.
func decodeService(recs []*record) *catalog.Service {
	s := &catalog.Service{
		Key:     recs[0].place.Key,
		Mark:    serviceMark(recs),
		Type:    catalog.Headless,
		Version: versionOf(recs),
	}
	if recs = forward(recs); len(recs) == 0 {
		return s
	}
	s.TTL = serviceTTL(recs)
	if alias := aliasOf(recs); alias != "" {
		s.Type, s.Alias = catalog.ExternalName, alias
		return s
	}
	s.Endpoints = endpoints(recs)
	for _, e := range s.Endpoints {
		s.Ports = append(s.Ports, e.Ports...)
	}
	s.Sort()
	s.Ports = slices.Compact(s.Ports)
	return s
}

// serviceMark is the mark of the newest format; records of one service carry
// the same one, or have drifted.
func serviceMark(recs []*record) *catalog.Mark {
	owner := recs[0].owner()
	if owner == "" {
		return nil
	}
	m := &catalog.Mark{Owner: owner}
	for i, r := range recs {
		if r.mark != nil && (i == 0 || r.mark.Format > m.Format) {
			m.Of, m.Via, m.Format = r.mark.Of, r.mark.Via, r.mark.Format
			m.Key, _ = catalog.ParseKey(r.mark.Key)
		}
	}
	return m
}

// serviceTTL is the least that a record says.
func serviceTTL(recs []*record) time.Duration {
	least := 0
	for _, r := range recs {
		ttl := r.ttl
		if r.mark != nil {
			ttl = min(r.mark.TTL, maxTTL)
		}
		if ttl > 0 && (least == 0 || ttl < least) {
			least = ttl
		}
	}
	return time.Duration(least) * time.Second
}

// aliasOf returns the name of a service that is nothing but a name.
func aliasOf(recs []*record) string {
	r := recs[0]
	if len(recs) > 1 || r.err != nil || r.port != noPort || r.host.Addr.IsValid() {
		return ""
	}
	if r.mark != nil && r.place.ID != "" {
		return ""
	}
	return r.host.Name
}

// endpoints joins the records of one id and host.
func endpoints(recs []*record) []catalog.Endpoint {
	type instance struct {
		id   string
		host catalog.Host
	}
	at := map[instance]int{}
	hosts := map[string]int{} // of each id
	all := make([]catalog.Endpoint, 0, len(recs))
	for _, r := range recs {
		if r.err != nil {
			continue
		}
		in := instance{r.id(), r.host}
		i, known := at[in]
		if !known {
			i = len(all)
			at[in] = i
			hosts[in.id]++
			all = append(all, catalog.Endpoint{ID: in.id, Host: in.host, Ready: true, Serving: true})
		}
		r.addTo(&all[i])
	}
	for i, e := range all {
		if hosts[e.ID] > 1 {
			all[i].ID = e.ID + "@" + e.Host.String()
		}
	}
	setPriorities(all)
	if len(all) < len(recs) {
		return slices.Clone(all) // who keeps them pays for no room
	}
	return all
}

// setPriorities gives endpoints that do not say their priority the one that
// SkyDNS takes them to have, where they stand beside others that do.
func setPriorities(all []catalog.Endpoint) {
	if !slices.ContainsFunc(all, func(e catalog.Endpoint) bool { return e.Priority > 0 }) {
		return
	}
	for i := range all {
		all[i].Priority = cmp.Or(all[i].Priority, defaultPriority)
	}
}

// withoutID is the id of an endpoint whose record stands at a name itself.
const withoutID = "@"

// id is the id of the endpoint that the record is part of.
func (r *record) id() string {
	if r.mark != nil && r.mark.ID != "" {
		return r.mark.ID
	}
	return cmp.Or(r.place.ID, withoutID)
}

// addTo adds what the record says to its endpoint.
func (r *record) addTo(e *catalog.Endpoint) {
	e.Weight, e.Priority = cmp.Or(e.Weight, r.weight), cmp.Or(e.Priority, uint16(r.priority))
	app := ""
	if m := r.mark; m != nil {
		e.Hostname, e.Zone, app = cmp.Or(e.Hostname, m.Hostname), cmp.Or(e.Zone, m.Zone), m.App
	} else if r.place.Proto == "" && plainLabel(r.place.ID) {
		e.Hostname = r.place.ID
	}
	if r.port == noPort {
		return
	}
	p := catalog.Port{Name: r.place.Port, Proto: cmp.Or(r.place.Proto, catalog.TCP), Number: uint16(r.port), App: app}
	if !slices.Contains(e.Ports, p) {
		e.Ports = append(e.Ports, p)
	}
}

// versionOf is the version of what stands at all keys, each with its revision.
func versionOf(recs []*record) string {
	return registry.VersionOf(recs, func(r *record) (string, int64) { return r.key, r.mod })
}

// others returns the keys of all records that are not of owner, and taken.
func others(all []*record, owner string, taken map[string]bool) map[string]bool {
	keys := map[string]bool{}
	maps.Copy(keys, taken)
	for _, r := range all {
		if r.mark == nil || r.mark.Owner != owner {
			keys[r.key] = true
		}
	}
	return keys
}

// drift counts the records that differ from what s would be written as.
func drift(l layout, s *catalog.Service, recs []*record, others map[string]bool) int {
	if s.Mark == nil || s.Mark.Owner == catalog.UnknownOwner || s.Mark.Format > catalog.MarkFormat {
		return 0
	}
	if len(others) == 0 && justMade(recs) {
		return 0
	}
	want, _ := encode(l, s, others)
	values := make(map[string]digest, len(want))
	for _, r := range want {
		values[r.key] = digestOf(r.text())
	}
	n := 0
	for _, r := range recs {
		if v, ok := values[r.key]; !ok || v != r.digest {
			n++
		}
		delete(values, r.key)
	}
	return n + len(values)
}

// justMade reports whether recs are all that one use of encode made: so they
// were written, and what reads back of them would be encoded the same.
func justMade(recs []*record) bool {
	m := recs[0].made
	return m != nil && len(recs) == m.records && !slices.ContainsFunc(recs, func(r *record) bool { return r.made != m })
}
