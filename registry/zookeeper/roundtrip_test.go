package zookeeper

import (
	"encoding/json"
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
)

// drawService draws mirrors whose ids, host names and ports get in each other's way.
func drawService(t *rapid.T) *catalog.Service {
	words := []string{"", "a", "b", "web-0", "any", "A/b", "_tcp", "x.y", "<&>\u2028\"", "\xff", "bü"}
	word := func(what string) string { return rapid.SampledFrom(words).Draw(t, what) }
	meta := func(what string) map[string]string {
		return rapid.MapOfN(rapid.SampledFrom([]string{"a", "zone", registry.MetaDrift, catalog.MetaMainPort, statusName, "\xff"}), rapid.SampledFrom(words), 0, 3).Draw(t, what)
	}
	s := &catalog.Service{
		Key:  catalog.Key{Namespace: "zookeeper", Name: rapid.SampledFrom([]string{"web", "a%2fb", "x.y_z:1"}).Draw(t, "name")},
		Mark: &catalog.Mark{Owner: "prod", Of: "x:1", Key: catalog.Key{Namespace: "s", Name: "w"}, Via: catalog.Identity(rapid.SampledFrom([]string{"", "y:2"}).Draw(t, "via")), Format: 1},
		Type: catalog.Headless,
		Meta: meta("service's meta"),
		TTL:  time.Duration(rapid.IntRange(0, 4_000_000).Draw(t, "ttl")) * time.Millisecond,
	}
	if rapid.IntRange(0, 9).Draw(t, "alias") == 0 {
		s.Type, s.Alias = catalog.ExternalName, "DB.example.org."
		return s
	}
	for i := range rapid.IntRange(0, 6).Draw(t, "endpoints") {
		e := catalog.Endpoint{
			ID:       word("id") + fmt.Sprint(i),
			Host:     catalog.Host{Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(rapid.IntRange(1, 4).Draw(t, "host"))})},
			Hostname: word("hostname"), Zone: word("zone"), Pod: word("pod"), Node: word("node"), Cluster: word("cluster"),
			Ready:  rapid.IntRange(0, 4).Draw(t, "ready") > 0,
			Weight: rapid.IntRange(-1, 70000).Draw(t, "weight"), Priority: rapid.Uint16Range(0, 20).Draw(t, "priority"),
			Meta: meta("meta"), Tags: rapid.SliceOfN(rapid.SampledFrom(words), 0, 2).Draw(t, "tags"),
		}
		if rapid.IntRange(0, 5).Draw(t, "kind of host") == 0 {
			e.Host = catalog.ParseHost(rapid.SampledFrom([]string{"fd00::1", "vm.example.org"}).Draw(t, "other host"))
		}
		for range rapid.IntRange(0, 3).Draw(t, "ports") {
			e.Ports = append(e.Ports, catalog.Port{
				Name: word("port"), Proto: rapid.SampledFrom([]catalog.Protocol{"TCP", "UDP", "SCTP", "ODD"}).Draw(t, "proto"),
				Number: uint16(rapid.IntRange(0, 3).Draw(t, "number")), App: rapid.SampledFrom([]string{"", "https", "h2c"}).Draw(t, "app"),
			})
		}
		s.Endpoints = append(s.Endpoints, e)
	}
	s.Sort()
	return s
}

func drawLayout(t *rapid.T) layout {
	l := services
	l.owner = "prod"
	l.payload = rapid.SampledFrom([]string{"", spring}).Draw(t, "payload")
	l.dynamic = rapid.Bool().Draw(t, "dynamic")
	return l
}

// TestRoundTrip holds what Canon promises: it is what reads back, twice the same,
// without drift, and keeps every ready address and its ports.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, s := drawLayout(t), drawService(t)
		before := s.Text()
		c, err := l.canon(s)
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
		if again, err := l.canon(c); err != nil || !again.Same(c) {
			t.Fatalf("Canon of Canon: %v\n%s", err, cmp.Diff(c.Text(), again.Text()))
		}
		if read := readBack(t, l, nodesOf(t, l, s)); read == nil || !read.Same(c) {
			t.Fatalf("what reads back is not Canon:\n%s", cmp.Diff(c.Text(), text(read)))
		}
		if diff := cmp.Diff(registrytest.Reach(s), registrytest.Reach(c)); diff != "" {
			t.Fatalf("addresses and ports changed:\n%s", diff)
		}
	})
}

// TestTamper holds that a mirror of which any node was changed, removed or made by
// another hand never reads as it was, but as one of the same key and owner, unless its
// side node is lost.
func TestTamper(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, s := drawLayout(t), drawService(t)
		c, err := l.canon(s)
		if err != nil || c == nil {
			t.Skip("held as absence")
		}
		nodes := nodesOf(t, l, s)
		version := readBack(t, l, nodes).Version
		i := rapid.IntRange(0, len(nodes)-1).Draw(t, "node")
		nodes[i].mzxid++
		switch rapid.SampledFrom([]string{"change", "remove", "add", "lifetime"}).Draw(t, "what") {
		case "change":
			at := rapid.IntRange(0, len(nodes[i].data)-1).Draw(t, "byte")
			nodes[i].data[at] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
		case "remove":
			nodes = slices.Delete(nodes, i, i+1)
		case "add":
			nodes = append(nodes, znode{path: l.folder(s.Name) + "/isthmus-prod-0123456789ab", data: nodes[i].data, session: nodes[len(nodes)-1].session})
		case "lifetime":
			i = len(nodes) - 1
			nodes[i].session, nodes[i].mzxid = 7-nodes[i].session, nodes[i].mzxid+1
		}
		read := readBack(t, l, nodes)
		switch {
		case read == nil && i == 0: // nobody knows what it is of
		case read == nil || read.Ref() != s.Ref():
			t.Fatalf("it reads as\n%s", text(read))
		case read.Same(c) || read.Version == version:
			t.Fatalf("it reads as it was, at version %q, which was %q\n%s", read.Version, version, read.Text())
		}
	})
}

// nodesOf are the nodes that are written for s.
func nodesOf(t *rapid.T, l layout, s *catalog.Service) (all []znode) {
	written, err := l.encode(s, options{Registered: 7, Payload: l.payload, Dynamic: l.dynamic})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for i, w := range written {
		if seen[w.path] {
			t.Fatalf("path %q twice", w.path)
		}
		seen[w.path] = true
		n := znode{path: w.path, data: w.data, czxid: int64(i), mzxid: int64(i)}
		if w.dynamic {
			n.session = 7
		}
		all = append(all, n)
	}
	return all
}

// readBack decodes nodes at one name; nil if they make no service.
func readBack(t *rapid.T, l layout, nodes []znode) *catalog.Service {
	all := readAll(l, nodes)
	if len(all) > 1 {
		t.Fatalf("%d services", len(all))
	}
	if len(all) == 0 {
		return nil
	}
	return all[0]
}

func readAll(l layout, nodes []znode) []*catalog.Service {
	names := map[string]*stood{}
	at := func(name string) *stood {
		if names[name] == nil {
			names[name] = &stood{}
		}
		return names[name]
	}
	for _, n := range nodes {
		if l.role(n.path) == sidecar {
			name, s := l.parseSide(n)
			at(name).sides = append(at(name).sides, s)
		} else if r, _ := l.parse(n); r != nil {
			name, _ := l.split(n.path)
			at(name).records = append(at(name).records, r)
		}
	}
	var all []*catalog.Service
	for name, stood := range names {
		services, _ := l.decode(name, stood.records, stood.sides)
		all = append(all, services...)
	}
	return all
}

func text(s *catalog.Service) string {
	if s == nil {
		return "nothing"
	}
	return s.Text()
}

// TestCuratorFields holds that an instance has the fields that Curator's readers take,
// and no other: they refuse all instances of a service for one that has more.
func TestCuratorFields(t *testing.T) {
	want := []string{"address", "id", "name", "payload", "port", "registrationTimeUTC", "serviceType", "sslPort", "uriSpec"}
	rapid.Check(t, func(t *rapid.T) {
		l := drawLayout(t)
		nodes := nodesOf(t, l, drawService(t))
		for i, n := range nodes {
			if i == 0 {
				continue // the side node, which Curator never sees
			}
			var fields map[string]any
			if err := json.Unmarshal(n.data, &fields); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, slices.Sorted(maps.Keys(fields))); diff != "" {
				t.Fatalf("fields of %s:\n%s", n.data, diff)
			}
			if payload, _ := fields["payload"].(map[string]any); (payload != nil) != (l.payload == spring) {
				t.Fatalf("payload of %s", n.data)
			}
			if len(n.data) > maxInstance {
				t.Fatalf("an instance of %d bytes", len(n.data))
			}
		}
	})
}
