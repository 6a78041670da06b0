package etcd

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// canon returns s as decode reads what encode writes of it.
func canon(l layout, s *catalog.Service) (*catalog.Service, error) {
	recs, err := encode(l, s, nil)
	if err != nil || len(recs) == 0 {
		return nil, err
	}
	c := decodeService(recs)
	c.Version = ""
	return c, nil
}

// encode makes the records of a mirror, each at a key of its own, sorted by
// key. There are none if no endpoint is ready.
//
//	an endpoint of id a           stands at
//	port http TCP                 _tcp/_http/a
//	unnamed port TCP              a
//	unnamed port UDP              _udp/a
//	no port                       a, with port -1
//	host name a, as well          a, with port -1, unless something stands there
//	host name h, others have, too h/a, with port -1
//	address, if asked for         its reverse key, unless another's stands there
//
// An endpoint's id there is its host name, if no other has the same, or its
// own id, if that is a label, or a digest of it. Where another's record stands
// in the way, or above or below, ours stands at a digest beside it, and says its
// id in its mark.
func encode(l layout, s *catalog.Service, others map[string]bool) ([]*record, error) {
	if err := checkService(s); err != nil {
		return nil, fmt.Errorf("service %q: %w", s.Key, err)
	}
	e := encoder{layout: l, service: s, others: others, above: above(l.key(place{Key: s.Key}), others), taken: map[string]bool{}}
	e.common = mark{
		Owner: s.Mark.Owner, Of: s.Mark.Of, Key: s.Mark.Key.String(), Via: s.Mark.Via, Format: s.Mark.Format, TTL: seconds(s.TTL),
	}
	if s.Type == catalog.ExternalName {
		host := catalog.ParseHost(s.Alias)
		if host.Addr.IsValid() || checkName(host.Name) != nil {
			return nil, fmt.Errorf("service %q: alias %q is no name: %w", s.Key, s.Alias, registry.ErrInvalid)
		}
		e.add(place{Key: s.Key}, catalog.Endpoint{Host: host}, noPort, mark{})
		return e.records, nil
	}
	ready, err := writable(s.Endpoints)
	if err != nil {
		return nil, fmt.Errorf("service %q: %w", s.Key, err)
	}
	setPriorities(ready)
	labels, shared := labelsOf(ready)
	for i, ep := range ready {
		e.endpoint(ep, labels[i], shared[ep.Hostname])
	}
	e.reverse(ready)
	slices.SortFunc(e.records, func(a, b *record) int { return cmp.Compare(a.key, b.key) })
	return e.records, nil
}

// checkService returns an error if s is no mirror, or at no name, that can
// stand here.
func checkService(s *catalog.Service) error {
	m := s.Mark
	switch {
	case m == nil:
		return fmt.Errorf("no mark: %w", registry.ErrInvalid)
	case checkOwner(m.Owner) != nil:
		return fmt.Errorf("owner %q: %w", m.Owner, registry.ErrInvalid)
	case m.Format > catalog.MarkFormat:
		return fmt.Errorf("mark of format %d: %w", m.Format, registry.ErrInvalid)
	}
	if _, err := catalog.ParseKey(m.Key.String()); err != nil {
		return fmt.Errorf("mark: %w: %w", err, registry.ErrInvalid)
	}
	for _, label := range []string{s.Namespace, s.Name} {
		if err := checkLabel(label); err != nil {
			return fmt.Errorf("%w: %w", err, registry.ErrInvalid)
		}
	}
	return nil
}

func checkOwner(owner string) error {
	if owner == "" || owner == catalog.UnknownOwner || strings.ContainsFunc(owner, func(r rune) bool { return r <= ' ' || r == '/' || r == 0x7f }) {
		return errors.New("no name for an owner")
	}
	return nil
}

// writable returns the ready endpoints, without those whose host is refused,
// unless that are all of them.
func writable(all []catalog.Endpoint) ([]catalog.Endpoint, error) {
	ready := make([]catalog.Endpoint, 0, len(all))
	var refused error
	for _, e := range all {
		if !e.Ready {
			continue
		}
		if err := checkHost(e.Host); err != nil {
			refused = fmt.Errorf("endpoint %q: %w", e.ID, err)
			continue
		}
		if e.Hostname != "" && !plainLabel(e.Hostname) {
			e.Hostname = ""
		}
		ready = append(ready, e)
	}
	if len(ready) > 0 || refused == nil {
		return ready, nil
	}
	if !errors.Is(refused, registry.ErrInvalid) {
		refused = fmt.Errorf("%w: %w", refused, registry.ErrInvalid)
	}
	return nil, refused
}

// labelsOf gives each endpoint a label of its own, and says which host names
// several of them have.
func labelsOf(all []catalog.Endpoint) (labels []string, shared map[string]bool) {
	count := map[string]int{}
	for _, e := range all {
		count[e.Hostname]++
	}
	delete(count, "")
	labels, shared = make([]string, len(all)), map[string]bool{}
	taken := map[string]bool{}
	for i, e := range all {
		if count[e.Hostname] == 1 {
			labels[i] = e.Hostname
		}
		shared[e.Hostname] = count[e.Hostname] > 1
		taken[e.Hostname] = true
	}
	for i, e := range all {
		for n := 0; labels[i] == ""; n++ {
			if l := label(e.ID, n); !taken[l] {
				labels[i], taken[l] = l, true
			}
		}
	}
	return labels, shared
}

// label returns the n-th label to try for an endpoint's id.
func label(id string, n int) string {
	if n == 0 && plainLabel(id) {
		return id
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s#%d", id, n))
	return "x" + hex.EncodeToString(sum[:8])
}

type encoder struct {
	layout  layout
	service *catalog.Service
	common  mark // what all records say
	records []*record
	taken   map[string]bool // keys
	others  map[string]bool // keys that are not ours
	above   map[string]bool // what these stand below
}

// free reports whether what is put at p, at its key, is found there, and hides no
// record of others that it need not hide.
func (e *encoder) free(p place, key string) bool {
	if e.taken[key] || e.others[key] || e.above[key] {
		return false
	}
	for range strings.Count(p.ID, ".") {
		if key = path.Dir(key); e.others[key] {
			return false
		}
	}
	return true
}

func (e *encoder) endpoint(ep catalog.Endpoint, label string, shared bool) {
	ports := portsOf(ep)
	for _, p := range ports {
		at := place{Key: e.service.Key, Port: p.Name, ID: label}
		if p.Name != "" || p.Proto != catalog.TCP {
			at.Proto = p.Proto
		}
		e.add(at, ep, int(p.Number), mark{ID: label, App: p.App})
	}
	bare := place{Key: e.service.Key, ID: label}
	if len(ports) == 0 {
		e.add(bare, ep, noPort, mark{ID: label})
	}
	switch {
	case shared:
		e.add(place{Key: e.service.Key, ID: label + "." + ep.Hostname}, ep, noPort, mark{ID: label})
	case ep.Hostname != "" && e.free(bare, e.layout.key(bare)):
		e.add(bare, ep, noPort, mark{ID: label})
	}
}

// portsOf returns the ports that can be written, under names that can be.
func portsOf(ep catalog.Endpoint) []catalog.Port {
	var all []catalog.Port
	for _, p := range ep.Ports {
		if _, ok := protocol(strings.ToLower(string(p.Proto))); !ok || p.Number == 0 {
			continue
		}
		if p.Name == "*" || len(p.Name) > 62 || checkLabel(p.Name) != nil {
			p.Name = ""
		}
		all = append(all, p)
	}
	slices.SortFunc(all, catalog.Port.Compare)
	return slices.CompactFunc(all, func(a, b catalog.Port) bool {
		return a.Name == b.Name && a.Proto == b.Proto && a.Number == b.Number
	})
}

// add adds a record at p or, if that is taken, at the next free id beside it;
// what stands at the service's own name has no id to change.
func (e *encoder) add(p place, ep catalog.Endpoint, port int, m mark) {
	id, key := p.ID, e.layout.key(p)
	for n := 0; id != "" && !e.free(p, key); n++ {
		p.ID = label(fmt.Sprintf("%s:%d", id, port), n)
		key = e.layout.key(p)
	}
	e.taken[key] = true
	m = e.mark(m)
	m.Hostname, m.Zone = ep.Hostname, ep.Zone
	if m.ID == p.ID {
		m.ID = ""
	}
	e.records = append(e.records, &record{
		key: key, place: p, host: ep.Host, port: port,
		weight: min(max(ep.Weight, 0), maxWeight), priority: int(ep.Priority), ttl: m.TTL, mark: &m,
	})
}

// mark returns m with what all records of the service say.
func (e *encoder) mark(m mark) mark {
	c := &e.common
	m.Owner, m.Of, m.Key, m.Via, m.Format, m.TTL = c.Owner, c.Of, c.Key, c.Via, c.Format, c.TTL
	return m
}
