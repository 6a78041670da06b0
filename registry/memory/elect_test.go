package memory

import (
	"testing"
	"testing/synctest"

	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/registrytest"
)

func TestElection(t *testing.T) {
	for _, c := range registrytest.ElectionCases() {
		t.Run(c.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, times := NewServer("memory:1"), registry.DefaultLeaseTimes()
				c.Do(t, registrytest.Electing{
					Open: func() registry.Election { return s.Election("lead", times) }, Link: s.Link(), Times: times,
					Remove: func(*testing.T) { s.RemoveLeases() },
				})
			})
		})
	}
}
