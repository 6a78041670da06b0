package consul

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

var _ registry.Reducer = (*consul)(nil)

// Reduced says what of s Consul's limits leave out: endpoints at addresses that
// it cannot hold, and metadata that is too much, too long or by a name that is
// not free.
func (c *consul) Reduced(s *catalog.Service) error { return c.layout.reduced(s) }

// maxSaid bounds what is said of one service.
const maxSaid = 5

func (l layout) reduced(s *catalog.Service) error {
	var all []error
	said := map[string]bool{}
	for i := range s.Endpoints {
		ep := &s.Endpoints[i]
		for _, text := range l.lost(s, ep) {
			if !said[text] && len(said) < maxSaid {
				said[text] = true
				all = append(all, errors.New(text))
			}
		}
	}
	return errors.Join(all...)
}

// lost says what of one endpoint has no place.
func (l layout) lost(s *catalog.Service, ep *catalog.Endpoint) (all []string) {
	if err := checkHost(ep.Host); err != nil {
		return []string{fmt.Sprintf("endpoint %q is left out: %v", ep.ID, err)}
	}
	if len(s.Meta)+len(ep.Meta) == 0 {
		return nil
	}
	ports := slices.Clone(ep.Ports)
	slices.SortFunc(ports, catalog.Port.Compare)
	meta, err := encodeMeta(s, ep, ports, "")
	if err != nil {
		return nil // the endpoint is refused, and that is said
	}
	own := ownMeta(s, ep)
	for _, k := range slices.Sorted(maps.Keys(own)) {
		if why := lostMeta(meta, k, own[k]); why != "" {
			all = append(all, fmt.Sprintf("metadata %.128q is %s", k, why))
		}
	}
	return all
}

// lostMeta says what became of one entry in what is written; "" if it is there.
func lostMeta(meta map[string]string, k, v string) string {
	n := plain(k)
	n = n[:min(len(n), maxMetaName)]
	got, there := meta[n]
	switch {
	case k == catalog.MetaMainPort, there && got == v && !reserved(n):
		return ""
	case n == "" || reserved(n):
		return "left out: the name is not free"
	case !there:
		return fmt.Sprintf("left out: an instance has room for %d entries", maxMetaPairs)
	case strings.HasPrefix(v, got):
		return fmt.Sprintf("cut off: a value has at most %d bytes", maxMetaValue)
	}
	return "left out: another has its name"
}
