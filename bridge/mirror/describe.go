package mirror

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/isthmus-dns/isthmus/catalog"
)

// describe says in a few words what s is.
func describe(s *catalog.Service) string {
	if s.Type == catalog.ExternalName {
		return fmt.Sprintf("alias %q", s.Alias)
	}
	return fmt.Sprintf("instances %d, ready %d", len(s.Endpoints), s.ReadyEndpoints())
}

// differs says in a few words how want differs from found.
func differs(found, want *catalog.Service) string {
	var words []string
	note := func(differs bool, format string, args ...any) {
		if differs {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	note(*found.Mark != *want.Mark, "mark")
	note(found.Type != want.Type, "type %s to %s", found.Type, want.Type)
	note(found.Alias != want.Alias, "alias %q to %q", found.Alias, want.Alias)
	note(found.TTL != want.TTL, "ttl %s to %s", found.TTL, want.TTL)
	note(!slices.Equal(found.Ports, want.Ports), "ports")
	note(!maps.Equal(found.Meta, want.Meta), "meta")
	note(!slices.Equal(found.Addrs, want.Addrs) || !slices.Equal(found.External, want.External), "addresses")
	more, less, other := endpointsDiffer(found, want)
	note(more+less+other > 0, "instances +%d -%d ~%d", more, less, other)
	return strings.Join(words, ", ")
}

func endpointsDiffer(found, want *catalog.Service) (more, less, other int) {
	was := make(map[string]catalog.Endpoint, len(found.Endpoints))
	for _, e := range found.Endpoints {
		was[e.ID] = e
	}
	for _, e := range want.Endpoints {
		old, known := was[e.ID]
		delete(was, e.ID)
		switch {
		case !known:
			more++
		case !old.Same(e):
			other++
		}
	}
	return more, len(was), other
}
