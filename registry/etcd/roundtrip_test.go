package etcd

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/registrytest"
	"github.com/isthmus-dns/isthmus/registry/registrytest/hostile"
)

// drawService draws mirrors whose ids, host names and ports get in each
// other's way.
func drawService(t *rapid.T) *catalog.Service {
	words := []string{"", "a", "b", "web-0", "web-1", "any", "*", "A/b", "_tcp", "x.y", label("a", 1)}
	word := func(what string) string { return rapid.SampledFrom(words).Draw(t, what) }
	s := &catalog.Service{
		Key:  catalog.Key{Namespace: "shop", Name: "web"},
		Mark: &catalog.Mark{Owner: "prod", Of: "x:1", Key: catalog.Key{Namespace: "s", Name: "w"}, Format: 1},
		Type: catalog.Headless,
		TTL:  time.Duration(rapid.IntRange(0, 400_000).Draw(t, "ttl")) * time.Millisecond,
	}
	for i := range rapid.IntRange(0, 6).Draw(t, "endpoints") {
		e := catalog.Endpoint{
			ID:       word("id") + []string{"", fmt.Sprint(i)}[rapid.IntRange(0, 1).Draw(t, "suffix")],
			Host:     catalog.Host{Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(rapid.IntRange(1, 4).Draw(t, "host"))})},
			Hostname: word("hostname"), Zone: word("zone"),
			Ready:  rapid.IntRange(0, 4).Draw(t, "ready") > 0,
			Weight: rapid.IntRange(-1, 70000).Draw(t, "weight"), Priority: rapid.Uint16Range(0, 20).Draw(t, "priority"),
		}
		for range rapid.IntRange(0, 3).Draw(t, "ports") {
			e.Ports = append(e.Ports, catalog.Port{
				Name: word("port"), Proto: rapid.SampledFrom([]catalog.Protocol{"TCP", "UDP", "SCTP", "ODD"}).Draw(t, "proto"),
				Number: uint16(rapid.IntRange(0, 3).Draw(t, "number")), App: word("app"),
			})
		}
		s.Endpoints = append(s.Endpoints, e)
	}
	s.Sort()
	return s
}

// TestRoundTrip holds what Canon promises: it is what reads back, twice the
// same, without drift, and keeps every ready address and its ports.
func TestRoundTrip(t *testing.T) {
	t.Run("plain", func(t *testing.T) { testRoundTrip(t, cluster) })
	t.Run("reverse", func(t *testing.T) { testRoundTrip(t, cluster.reversed("skydns", true)) })
}

func testRoundTrip(t *testing.T, l layout) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawService(t)
		before := s.Text()
		c, err := canon(l, s)
		if err != nil {
			t.Fatalf("Canon: %v", err)
		}
		if s.Text() != before {
			t.Fatal("Canon changed its argument")
		}
		if c == nil {
			if s.ReadyEndpoints() > 0 {
				t.Fatal("Canon dropped ready endpoints")
			}
			return
		}
		again, err := canon(l, c)
		if err != nil || !again.Same(c) {
			t.Fatalf("Canon of Canon: %v\n%s", err, cmp.Diff(c.Text(), again.Text()))
		}
		read := readBack(t, l, s, nil)
		if !read.Same(c) {
			t.Fatalf("what reads back is not Canon:\n%s", cmp.Diff(c.Text(), read.Text()))
		}
		if read := readBack(t, l, s, drawOthers(t, l, s)); !read.Same(c) {
			t.Fatalf("what reads back beside others is not Canon:\n%s", cmp.Diff(c.Text(), read.Text()))
		}
		if diff := cmp.Diff(registrytest.Reach(s), registrytest.Reach(c)); diff != "" {
			t.Fatalf("addresses and ports changed:\n%s", diff)
		}
	})
}

// drawOthers picks some of the keys that s would stand at.
func drawOthers(t *rapid.T, l layout, s *catalog.Service) map[string]bool {
	recs, _ := encode(l, s, nil)
	keys := map[string]bool{}
	for _, r := range recs {
		if rapid.Bool().Draw(t, "taken") {
			keys[r.key] = true
		}
	}
	return keys
}

// readBack writes s as text beside others' records and decodes all.
func readBack(t *rapid.T, l layout, s *catalog.Service, others map[string]bool) *catalog.Service {
	recs, err := encode(l, s, others)
	if err != nil {
		t.Fatal(err)
	}
	seen := maps.Clone(others)
	if seen == nil {
		seen = map[string]bool{}
	}
	for i, r := range recs {
		if seen[r.key] {
			t.Fatalf("key %q twice, or another's", r.key)
		}
		seen[r.key] = true
		recs[i] = item{key: r.key, value: []byte(r.marshal())}.record(l, "prod")
	}
	for key := range others {
		recs = append(recs, parseRecord(l, key, []byte(`{"text":"native"}`)))
	}
	all, refused := decode(l, recs, "prod", nil)
	if len(all) != 1 || len(refused) > 0 {
		t.Fatalf("%d services, refused %v", len(all), refused)
	}
	return all[0]
}

// FuzzDecode holds that no key and value upset the decoder: a record is read, or
// refused by its own key, or is rightly none; one bad record takes no good one
// with it; and what was read is the same read again.
func FuzzDecode(f *testing.F) {
	f.Add("svc/shop/web/_tcp/_http/a", `{"host":"10.0.0.1","port":80}`, "web", `{"host":"x.example.org"}`)
	f.Add("web/a", `{"host":"10.0.0.1","isthmus":{"owner":"p","key":"a/b","format":1}}`, "web", `{"text":"heritage=external-dns"}`)
	f.Add("svc", "", "svc//", "{}")
	f.Add("svc/shop/web/a", `{"host":"10.0.0.1","port":-1,"priority":1e309,"weight":70000,"ttl":4294967296}`, "svc/shop/web/b", `{"host":"fe80::1%eth0","port":"80"}`)
	f.Add("svc/shop/web/*/a", `[[[[]]]]`, "svc/SHOP/web/a", `{"host":"010.0.0.1","host":"::ffff:10.0.0.1"}`)
	f.Add("dns/apex", `{"host":"10.0.0.1"}`, "svc/shop/web/a", `{"host":"10.0.0.1","isthmus":{"owner":"p","of":"kubernetes:1","key":"shop/web","format":99}}`)
	for _, name := range hostile.Names() {
		f.Add("svc/shop/"+name+"/a", `{"host":"10.0.0.1"}`, name+"/a", `{"host":"10.0.0.1","isthmus":{"owner":"p","key":"a/b","format":1}}`)
	}
	for _, v := range hostile.Values() {
		f.Add("svc/shop/web/a", v.Text, "web/a", v.Text)
	}
	f.Fuzz(func(t *testing.T, k1, v1, k2, v2 string) {
		const neighbour = "svc/shop/web/good-neighbour"
		if k1 == neighbour || k2 == neighbour {
			return
		}
		groups := map[catalog.Key][]*record{}
		for _, kv := range [][2]string{{k1, v1}, {k2, v2}, {neighbour, `{"host":"10.9.9.9","port":9}`}} {
			if r := parseRecord(cluster, cluster.base+kv[0], []byte(kv[1])); r != nil {
				groups[r.place.Key] = append(groups[r.place.Key], r)
			}
		}
		there := false
		for key, g := range groups {
			services, refused := decode(cluster, g, "p", nil)
			checkRefused(t, g, refused)
			n := 0
			for _, s := range services {
				checkDecoded(t, key, s, len(refused) == 0)
				n += len(s.Endpoints)
				there = there || slices.ContainsFunc(s.Endpoints, func(e catalog.Endpoint) bool { return e.Host.String() == "10.9.9.9" })
			}
			if n > len(g) {
				t.Errorf("%d records became %d endpoints", len(g), n)
			}
		}
		if !there {
			t.Error("the neighbour is gone")
		}
	})
}

func checkRefused(t *testing.T, all []*record, refused map[string]error) {
	t.Helper()
	for key, err := range refused {
		if err == nil || err.Error() == "" || !slices.ContainsFunc(all, func(r *record) bool { return r.key == key }) {
			t.Errorf("refused %q: %v", key, err)
		}
	}
}

// checkDecoded holds what every reader relies on; whole says that no record of
// the service was refused.
func checkDecoded(t *testing.T, key catalog.Key, s *catalog.Service, whole bool) {
	t.Helper()
	if s.Key != key || s.Key == (catalog.Key{}) || s.Version == "" {
		t.Errorf("decoded %q of %q:\n%s", s.Key, key, s.Text())
	}
	for _, e := range s.Endpoints {
		if e.Host.Addr.IsValid() && registry.CheckAddr(e.Host.Addr) != nil {
			t.Errorf("endpoint at %v", e.Host)
		}
	}
	if _, err := canon(cluster, s); s.Ref().Owner == "p" && whole && s.Mark.Format <= 1 && err != nil && s.Mark.Key.Name != "" && s.Key.Name != "*" {
		t.Errorf("canon: %v", err)
	}
}
