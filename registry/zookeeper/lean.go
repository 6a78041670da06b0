package zookeeper

import (
	"fmt"
	"strings"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

var _ registry.Reducer = (*zookeeper)(nil)

// Reduced says what of s no side node has room for, where it has thousands of
// endpoints.
func (z *zookeeper) Reduced(s *catalog.Service) error {
	c, err := cleaned(s)
	if err != nil || c == nil {
		return nil // Canon says so
	}
	_, left := lean(c, options{time.Now().UnixMilli(), z.layout.payload, z.layout.dynamic})
	if len(left) == 0 {
		return nil
	}
	return fmt.Errorf("left out: %s of endpoints; of %d there is no room for it", strings.Join(left, ", "), len(s.Endpoints))
}

// lean returns the data of the side node of a mirror that was cleaned. Where they would
// be too large, it leaves out of c what is missed least, and says what: a mirror that
// cannot be held stays as it was, at addresses that are others' after a while.
func lean(c *catalog.Service, o options) (side []byte, left []string) {
	side = encodeSide(c, o)
	for _, of := range []struct {
		name string
		drop func(*catalog.Endpoint)
	}{
		{"tags", func(e *catalog.Endpoint) { e.Tags = nil }},
		{"metadata", func(e *catalog.Endpoint) { e.Meta = mainPortOnly(e.Meta) }},
		{"nodes", func(e *catalog.Endpoint) { e.Node = "" }},
		{"pods", func(e *catalog.Endpoint) { e.Pod = "" }},
	} {
		if len(side) <= maxSide {
			break
		}
		for i := range c.Endpoints {
			of.drop(&c.Endpoints[i])
		}
		less := encodeSide(c, o)
		if len(less) < len(side) {
			left = append(left, of.name)
		}
		side = less
	}
	return side, left
}

// mainPortOnly leaves of an endpoint's metadata which of its ports comes first.
func mainPortOnly(meta map[string]string) map[string]string {
	if name := meta[catalog.MetaMainPort]; name != "" {
		return map[string]string{catalog.MetaMainPort: name}
	}
	return nil
}
