package registrytest

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/memory"
)

// memoryPlace is the reference implementation as a case sees it.
type memoryPlace struct {
	server *memory.Server
	bad    int
}

var (
	_ Writable   = (*memoryPlace)(nil)
	_ Linked     = (*memoryPlace)(nil)
	_ Movable    = (*memoryPlace)(nil)
	_ Forgetful  = (*memoryPlace)(nil)
	_ Namespaced = (*memoryPlace)(nil)
)

func newMemoryPlace() *memoryPlace { return &memoryPlace{server: memory.NewServer("memory:1")} }

func (p *memoryPlace) Reader(T) registry.Registry { return p.server.Reader() }

func (p *memoryPlace) Writer(_ T, owner string) registry.Writer { return p.server.Writer(owner) }

func (p *memoryPlace) Link() Link { return p.server.Link() }

func (p *memoryPlace) Away(T) { p.server.Link().Mislead() }

func (p *memoryPlace) Home(T) { p.server.Link().Heal() }

func (p *memoryPlace) Stamp(T) string { return p.server.Stamp() }

func (p *memoryPlace) Seen(s *catalog.Service) *catalog.Service { return s }

func (p *memoryPlace) Register(_ T, s *catalog.Service) { p.server.Set(s) }

func (p *memoryPlace) Unregister(_ T, k catalog.Key) { p.server.Remove(catalog.Ref{Key: k}) }

func (p *memoryPlace) Key(_ T, namespace, name string) catalog.Key {
	return catalog.Key{Namespace: namespace, Name: name}
}

func (p *memoryPlace) Malform(_ T, k catalog.Key) string {
	p.bad++
	record := fmt.Sprintf("%s/malformed-%d", k, p.bad)
	p.server.Malform(record, errors.New("no service"))
	return record
}

func (p *memoryPlace) Mend(_ T, record string) { p.server.Malform(record, nil) }

func (p *memoryPlace) Tamper(t T, ref catalog.Ref) {
	p.edit(t, ref, func(s *catalog.Service) {
		s.Endpoints[0].Host = catalog.Host{Addr: netip.MustParseAddr("10.99.99.99")}
	})
}

func (p *memoryPlace) Advance(t T, ref catalog.Ref) {
	p.edit(t, ref, func(s *catalog.Service) { s.Mark.Format = catalog.MarkFormat + 1 })
}

func (p *memoryPlace) edit(t T, ref catalog.Ref, change func(*catalog.Service)) {
	t.Helper()
	s := p.server.Get(ref)
	if s == nil {
		t.Fatalf("no record of %v", ref)
	}
	change(s)
	p.server.Set(s)
}

func (p *memoryPlace) Erase(_ T, ref catalog.Ref) { p.server.Remove(ref) }

func (p *memoryPlace) AddNamespace(_ T, name string) string {
	p.server.AddNamespace(name)
	return name
}

func (p *memoryPlace) RemoveNamespace(_ T, name string) { p.server.RemoveNamespace(name) }

func (p *memoryPlace) Forget(_ T, change func()) {
	p.server.Link().Stall()
	change()
	p.server.Forget()
	p.server.Link().Heal()
}

// TestMemory holds that the reference implementation passes, whatever its ways. Time
// is fake, so that patience and pauses cost nothing.
func TestMemory(t *testing.T) {
	all := memory.Ways{Follows: true, Unsure: true, Anew: true, ReadyOnly: true, Lull: 500 * time.Millisecond}
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { c.Do(t, newMemoryPlace()) })
			synctest.Test(t, func(t *testing.T) { c.Do(t, &memoryPlace{server: memory.NewServerOf("memory:1", all)}) })
		})
	}
}

// TestRun holds that Run runs what the abilities allow, in real time.
func TestRun(t *testing.T) {
	Run(t, func(*testing.T) Place { return newMemoryPlace() })
}
