package kubernetes

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/kubeobject"
)

// testRoundTrip holds that the API server takes every mirror that Canon says can
// be held, whatever stood under the name before, and that it reads back as
// Canon says: at once for who wrote it, and for a reader that comes later.
func (s *shared) testRoundTrip(t *testing.T) {
	p := s.place(t)
	ns := p.AddNamespace(t, "inward")
	writer := p.Writer(t, "prod")
	w := watching(t, writer)
	if err := writer.Claim(t.Context(), registry.Fence{Owner: "prod", Sources: []catalog.Identity{"consul:dc1"}}, false); err != nil {
		t.Fatal(err)
	}
	w.until("sync", func(s *catalog.Snapshot) bool { return s.Synced() && s.HoldsNamespace(origin, ns) })
	want := map[catalog.Ref]*catalog.Service{}
	rapid.Check(t, func(rt *rapid.T) {
		m := drawMirror(rt, ns)
		canon, err := writer.Canon(m)
		if err != nil {
			if !errors.Is(err, registry.ErrInvalid) {
				rt.Fatalf("Canon: %v", err)
			}
			return
		}
		if there := w.catalog.Snapshot().Get(origin, m.Ref()); there != nil {
			m.Version = there.Version
		}
		r := writer.Put(t.Context(), []*catalog.Service{m})[0]
		if r.Err != nil {
			rt.Fatalf("Put: %v\n%s", r.Err, m.Text())
		}
		got := w.catalog.Snapshot().Get(origin, m.Ref())
		if got == nil || !got.Same(canon) || got.Version != r.Version {
			rt.Fatalf("the feed shows (-Canon +feed)\n%s", cmp.Diff(canon.Text(), textOf(got)))
		}
		want[m.Ref()] = canon
	})
	large := testMirror(catalog.Key{Namespace: ns, Name: "large"}, 2500)
	for i := range large.Endpoints {
		large.Endpoints[i].Zone, large.Endpoints[i].Weight = fmt.Sprint("z", i%3), i%5
	}
	if r := writer.Put(t.Context(), []*catalog.Service{large})[0]; r.Err != nil {
		t.Fatal(r.Err)
	}
	var err error
	if want[large.Ref()], err = writer.Canon(large); err != nil {
		t.Fatal(err)
	}
	watching(t, p.Reader(t)).holds(t, want)
}

// holds waits for a first report and compares it, but for the virtual addresses
// that the server gave.
func (w *watched) holds(t *testing.T, want map[catalog.Ref]*catalog.Service) {
	t.Helper()
	w.until("sync", func(s *catalog.Snapshot) bool { return s.Synced() })
	found := 0
	for got := range w.catalog.Snapshot().From(origin) {
		found++
		bare := *got
		bare.Addrs = nil
		if is := want[got.Ref()]; is == nil || !bare.Same(is) {
			t.Errorf("a reader reads (-Canon +read)\n%s", cmp.Diff(textOf(is), bare.Text()))
		}
	}
	if found != len(want) {
		t.Errorf("a reader reads %d mirrors, want %d", found, len(want))
	}
}

func textOf(s *catalog.Service) string {
	if s == nil {
		return "nothing"
	}
	return s.Text()
}

// drawMirror draws one of few names and of any shape: with every type, both
// address families, names for addresses, ports that differ by endpoint, and with
// what people and attackers put into metadata.
func drawMirror(t *rapid.T, namespace string) *catalog.Service {
	word := rapid.OneOf(
		rapid.SampledFrom([]string{"", "http", "HTTP", "dns", "dns-udp", "tcp-80", "a_b", "x.y", strings.Repeat("long", 20), "\xff", "ü \n\"'<>\x00", "us-west-2a", "a,b"}),
		rapid.String())
	ports := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) catalog.Port {
		return catalog.Port{
			Name:   word.Draw(t, "name"),
			Proto:  rapid.SampledFrom([]catalog.Protocol{catalog.TCP, catalog.TCP, catalog.UDP, catalog.SCTP, "X"}).Draw(t, "proto"),
			Number: rapid.SampledFrom([]uint16{0, 53, 80, 81, 65535}).Draw(t, "number"),
			App:    rapid.OneOf(word, rapid.Just("kubernetes.io/h2c")).Draw(t, "app"),
		}
	}), 0, 5)
	texts := rapid.MapOfN(word, word, 0, 3)
	hosts := rapid.SampledFrom([]string{"10.1.1.1", "10.1.1.2", "10.1.1.3", "10.1.2.9", "fd00::1", "2001:db8::2", "db.example.org"})
	if rapid.IntRange(0, 3).Draw(t, "named") == 0 {
		hosts = rapid.SampledFrom([]string{"db.example.org", "10.1.1.1", "a_b.example.org"})
	}
	endpoint := rapid.Custom(func(t *rapid.T) catalog.Endpoint {
		return catalog.Endpoint{
			ID: rapid.StringN(1, 5, 9).Draw(t, "id"), Host: catalog.ParseHost(hosts.Draw(t, "host")),
			Hostname: word.Draw(t, "hostname"), Pod: word.Draw(t, "pod"), Zone: word.Draw(t, "zone"), Node: word.Draw(t, "node"),
			Ports: ports.Draw(t, "ports"), Ready: rapid.Bool().Draw(t, "ready"), Serving: rapid.Bool().Draw(t, "serving"), Terminating: rapid.Bool().Draw(t, "terminating"),
			Weight: rapid.IntRange(0, 65535).Draw(t, "weight"), Priority: rapid.Uint16Range(0, 9).Draw(t, "priority"),
			Tags: rapid.SliceOfN(word, 0, 3).Draw(t, "tags"), Meta: texts.Draw(t, "meta"),
		}
	})
	s := &catalog.Service{
		Key:       catalog.Key{Namespace: namespace, Name: fmt.Sprint("m", rapid.IntRange(0, 11).Draw(t, "key"))},
		Mark:      &catalog.Mark{Owner: "prod", Of: catalog.Identity(word.Draw(t, "of")), Key: catalog.Key{Namespace: "consul", Name: "web"}, Format: catalog.MarkFormat},
		Type:      rapid.SampledFrom([]catalog.ServiceType{catalog.ClusterIP, catalog.Headless, catalog.Headless, catalog.ExternalName}).Draw(t, "type"),
		Addrs:     []netip.Addr{netip.MustParseAddr("10.96.0.77")},
		Ports:     ports.Draw(t, "ports"),
		Endpoints: rapid.SliceOfN(endpoint, 0, 8).Draw(t, "endpoints"),
		Meta:      texts.Draw(t, "meta"),
		TTL:       time.Duration(rapid.IntRange(0, 100_000).Draw(t, "ttl")) * time.Millisecond,
	}
	if s.Type == catalog.ExternalName {
		s.Alias = rapid.SampledFrom([]string{"db.example.org", "x", "a_b.example.org", "1.2.3.4"}).Draw(t, "alias")
	}
	if tags := word.Draw(t, "all tags"); tags != "" {
		s.Meta = maps.Clone(s.Meta)
		if s.Meta == nil {
			s.Meta = map[string]string{}
		}
		s.Meta[kubeobject.MetaTags] = tags
	}
	s.Sort()
	s.Ports = slices.Clip(s.Ports)
	return s
}
