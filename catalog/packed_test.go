package catalog

import (
	"fmt"
	"math"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// TestPacked holds that whatever a service is, all of it but its origin comes
// back, and that it packs the same again.
func TestPacked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawWhole(t)
		p := Pack(s)
		got := p.Service()
		if diff := cmp.Diff(s, got, cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		if Pack(got) != p {
			t.Error("it packs in another way the second time")
		}
		alone := PackEndpoints(s.Endpoints).All()
		if diff := cmp.Diff(s.Endpoints, alone, cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			t.Errorf("endpoints alone (-want +got):\n%s", diff)
		}
	})
}

var words = rapid.SampledFrom([]string{"", "a", "zone-b", "http", "a word of its own"})

func drawWhole(t *rapid.T) *Service {
	s := drawService(t)
	s.Type = ServiceType(rapid.IntRange(0, 2).Draw(t, "type"))
	s.TTL = time.Duration(rapid.IntRange(0, 1<<40).Draw(t, "ttl"))
	s.Version = words.Draw(t, "version")
	if rapid.Bool().Draw(t, "triggered") {
		s.Triggered = time.Unix(0, rapid.Int64().Draw(t, "at")|1)
	}
	s.Ports = drawPorts(t)
	for range rapid.IntRange(0, 3).Draw(t, "externals") {
		s.External = append(s.External, drawHost(t))
		s.Addrs = append(s.Addrs, netip.AddrFrom4([4]byte{10, 0, 0, rapid.Byte().Draw(t, "addr")}))
	}
	s.Meta = drawMeta(t)
	for range rapid.IntRange(0, 4).Draw(t, "endpoints") {
		s.Endpoints = append(s.Endpoints, drawEndpoint(t))
	}
	return s
}

func drawEndpoint(t *rapid.T) Endpoint {
	e := Endpoint{
		Host: drawHost(t), Ready: rapid.Bool().Draw(t, "ready"), Serving: rapid.Bool().Draw(t, "serving"), Terminating: rapid.Bool().Draw(t, "terminating"),
		Hostname: words.Draw(t, "hostname"), Pod: words.Draw(t, "pod"), Zone: words.Draw(t, "zone"), Node: words.Draw(t, "node"), Ports: drawPorts(t),
	}
	e.ID = rapid.SampledFrom([]string{e.Host.String(), "own", ""}).Draw(t, "id")
	if rapid.Bool().Draw(t, "more") {
		e.Cluster, e.Weight = words.Draw(t, "cluster"), rapid.IntRange(0, 1<<20).Draw(t, "weight")
		e.Priority, e.Meta = rapid.Uint16().Draw(t, "priority"), drawMeta(t)
		e.Tags = rapid.SliceOfN(words, 0, 2).Draw(t, "tags")
	}
	return e
}

func drawHost(t *rapid.T) Host {
	return ParseHost(rapid.SampledFrom([]string{"", "10.1.2.3", "255.255.255.255", "fd00::1", "fe80::1%eth0", "::ffff:1.2.3.4", "db.example.org"}).Draw(t, "host"))
}

func drawPorts(t *rapid.T) []Port {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Port {
		return Port{Name: words.Draw(t, "name"), Proto: TCP, Number: rapid.Uint16().Draw(t, "number"), App: words.Draw(t, "app")}
	}), 0, 2).Draw(t, "ports")
}

func drawMeta(t *rapid.T) map[string]string {
	return rapid.MapOfN(words, words, 0, 2).Draw(t, "meta")
}

// TestPackedIsSmall counts the bytes of what Kubernetes tells of most services,
// and the pieces of memory.
func TestPackedIsSmall(t *testing.T) {
	s := &Service{Key: Key{"shop", "web"}, Addrs: []netip.Addr{netip.MustParseAddr("10.96.0.1")}, Version: "123456 web-abcde=123457"}
	ports := []Port{{Name: "http", Proto: TCP, Number: 8080}}
	for i := range 100 {
		host := netip.AddrFrom4([4]byte{10, 1, 2, byte(i)})
		s.Endpoints = append(s.Endpoints, Endpoint{
			ID: host.String(), Host: Host{Addr: host}, Ports: ports, Ready: true, Serving: true,
			Zone: fmt.Sprint("zone-", i%3), Node: fmt.Sprint("node-", i%50),
		})
	}
	if got, most := len(Pack(s)), 1500; got > most {
		t.Errorf("100 endpoints take %d bytes, want at most %d", got, most)
	}
	p := Pack(s)
	// The service, the source, the reader's and its words, the addresses, the IDs, the ports and the endpoints.
	if got := testing.AllocsPerRun(100, func() { p.Service() }); got > 20 {
		t.Errorf("unpacking 100 endpoints takes %v allocations", got)
	}
}

// TestPackedEndpointsCount holds that the catalog counts endpoints right,
// whatever comes and goes, kept whole or packed.
func TestPackedEndpointsCount(t *testing.T) {
	for _, packed := range []bool{false, true} {
		c := New(Policy{Packed: packed})
		f := c.Feed("etcd/x")
		check := func(want int) {
			t.Helper()
			if got := f.State().Endpoints; got != want {
				t.Errorf("packed %v: %d endpoints, want %d", packed, got, want)
			}
		}
		f.Replace(services(t, full))
		check(2)
		f.Update(services(t, "service shop/y Headless\n\tendpoint 10.0.0.1 ready\n"), nil)
		check(3)
		f.Update(services(t, "service shop/y Headless\n"), nil)
		check(2)
		f.Update(nil, []Ref{{Key: Key{"shop", "web"}, Owner: "prod"}})
		check(0)
	}
}

// TestReplaceEachIsOneAtATime holds that a packing catalog keeps nothing of the
// services that it is given.
func TestReplaceEachIsOneAtATime(t *testing.T) {
	var last *Service
	freed := make(chan string, 3)
	c := New(Policy{Packed: true})
	c.Feed("etcd/x").ReplaceEach(func(yield func(*Service) bool) {
		for _, name := range []string{"a", "b", "c"} {
			last = &Service{Key: Key{"shop", name}, Endpoints: make([]Endpoint, 10)}
			runtime.AddCleanup(last, func(name string) { freed <- name }, name)
			if !yield(last) {
				return
			}
		}
		last = nil
	})
	var gone []string
	for len(gone) < 3 {
		runtime.GC()
		select {
		case name := <-freed:
			gone = append(gone, name)
		case <-t.Context().Done():
			t.Fatalf("of the services only %q are gone", gone)
		}
	}
	slices.Sort(gone)
	if diff := cmp.Diff([]string{"a", "b", "c"}, gone); diff != "" {
		t.Error(diff)
	}
	if got := c.Snapshot().Get("etcd/x", Ref{Key: Key{"shop", "b"}}); got == nil || len(got.Endpoints) != 10 || got.Origin != "etcd/x" {
		t.Errorf("held: %+v", got)
	}
}

func BenchmarkPacked(b *testing.B) {
	s := services(b, full)[0]
	p := Pack(s)
	b.Run("pack", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			Pack(s)
		}
	})
	b.Run("unpack", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p.Service()
		}
	})
}

// TestPackOutOfRange holds that numbers which nobody means cost a service
// nothing else.
func TestPackOutOfRange(t *testing.T) {
	for in, want := range map[int]int{-1: 0, 0: 0, math.MaxInt32: math.MaxInt32, math.MaxInt: math.MaxInt32} {
		s := &Service{
			Key: Key{"a", "b"}, Mark: &Mark{Owner: "x", Format: in}, Version: "7",
			Endpoints: []Endpoint{{ID: "10.0.0.1", Host: ParseHost("10.0.0.1"), Weight: in}, {ID: "10.0.0.2", Host: ParseHost("10.0.0.2"), Ready: true}},
		}
		got := Pack(s).Service()
		s.Mark.Format, s.Endpoints[0].Weight = want, want
		if diff := cmp.Diff(s, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			t.Errorf("%d (-want +got):\n%s", in, diff)
		}
	}
}
