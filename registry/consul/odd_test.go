package consul

import (
	"testing"

	"github.com/isthmus-dns/isthmus/catalog"
)

// TestOddNames holds that names by which Consul cannot be asked, of services and of
// nodes, are refused while they are there and harm no other, in a watch that
// began before them and in one that did after.
func TestOddNames(t *testing.T) {
	for _, odd := range []string{"ev\nil", "..", ".", "a/../b", "esc\x1b[2J", "a b\tc", "x//y", "/"} {
		t.Run(odd, func(t *testing.T) {
			empty(t)
			register(t, "vm", "odd-1", "odd-1", "10.2.0.1", 80, "passing")
			before := watching(t, open(t, "reader"))
			wait(t, before, "report", func(s *catalog.Snapshot) bool { return get(s, "odd-1", "") != nil })
			register(t, "vm", "odd", odd, "10.2.0.2", 80, "passing")
			register(t, odd, "on-odd", "on-odd", "10.2.0.3", 80, "passing")
			register(t, "vm", "odd-2", "odd-2", "10.2.0.4", 80, "passing")
			is := func(s *catalog.Snapshot) bool {
				_, refused := collected(s)[keyName(odd)]
				return get(s, "odd-2", "") != nil && get(s, "odd-1", "") != nil && (refused || get(s, keyName(odd), "") != nil)
			}
			wait(t, before, "with odd ones", is)
			after := watching(t, open(t, "reader"))
			wait(t, after, "anew", is)
			deregister(t, "vm", "odd")
			deregister(t, odd, "on-odd")
			register(t, "vm", "odd-3", "odd-3", "10.2.0.5", 80, "passing")
			for _, c := range []*catalog.Catalog{before, after} {
				wait(t, c, "when they are gone", func(s *catalog.Snapshot) bool { return len(collected(s)) == 0 && get(s, "odd-3", "") != nil })
			}
		})
	}
}

func collected(s *catalog.Snapshot) map[string]error {
	all := map[string]error{}
	for name, err := range s.Refused("consul/test") {
		all[name] = err
	}
	return all
}
