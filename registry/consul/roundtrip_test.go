package consul

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul/api"
	"pgregory.net/rapid"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// drawService makes mirrors with everything that users and attackers put in.
func drawService(t *rapid.T) *catalog.Service {
	word := rapid.OneOf(rapid.StringMatching(`[a-z][a-z0-9./_-]{0,20}`), rapid.String(), rapid.Just(strings.Repeat("ü", 400)))
	texts := rapid.MapOfN(word, word, 0, 90)
	s := mirror("prod", rapid.StringMatching(`[a-z][a-z0-9-]{0,30}`).Filter(func(n string) bool { return n != "consul" }).Draw(t, "name"), 0)
	s.Meta = texts.Draw(t, "meta")
	ports := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) catalog.Port {
		return catalog.Port{
			Name:   rapid.OneOf(rapid.StringMatching(`[a-z0-9-]{0,15}`), rapid.StringN(0, 15, 60)).Draw(t, "port"),
			Proto:  rapid.SampledFrom([]catalog.Protocol{"TCP", "UDP", "SCTP"}).Draw(t, "proto"),
			Number: rapid.Uint16().Draw(t, "number"),
			App:    rapid.SampledFrom([]string{"", "https", "kubernetes.io/h2c"}).Draw(t, "app"),
		}
	}), 0, 20)
	n := rapid.IntRange(0, 4).Draw(t, "endpoints")
	for i := range n {
		ready := rapid.Bool().Draw(t, "ready")
		s.Endpoints = append(s.Endpoints, catalog.Endpoint{
			ID: fmt.Sprint(i) + word.Draw(t, "id"), Ready: ready, Serving: rapid.Bool().Draw(t, "serving"),
			Host: rapid.SampledFrom([]catalog.Host{
				{Addr: netip.MustParseAddr("10.0.0.1")}, {Addr: netip.MustParseAddr("2001:db8::1")},
				{Name: "a.example.org"}, {Addr: netip.MustParseAddr("127.0.0.1")}, {Name: "no name"},
			}).Draw(t, "host"),
			Hostname: word.Draw(t, "hostname"), Pod: word.Draw(t, "pod"), Zone: word.Draw(t, "zone"), Node: word.Draw(t, "node"),
			Weight: rapid.IntRange(-1, 70000).Draw(t, "weight"), Ports: ports.Draw(t, "ports"),
			Tags: rapid.SliceOf(word).Draw(t, "tags"), Meta: texts.Draw(t, "meta"), Terminating: !ready,
		})
	}
	s.Sort()
	return s
}

// What Put would write reads back as Canon says, Canon of it is itself, and
// the server's rules for metadata are kept.
func TestCanonFixpoint(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawService(t)
		before := s.Text()
		c, err := testLayout.canon(s)
		if s.Text() != before {
			t.Fatal("Canon changed its argument")
		}
		if err != nil || c == nil {
			return
		}
		again, err := testLayout.canon(c)
		if err != nil || !again.Same(c) {
			t.Fatalf("Canon twice: %v\n%s", err, cmp.Diff(c.Text(), again.Text()))
		}
		entries, err := testLayout.encode(s)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			checkLimits(t, e)
		}
		sent := roundTrip(t, entries)
		if f := testLayout.decode(s.Name, sent); len(f.services) != 1 || !f.services[0].Same(c) || len(f.refused) > 0 {
			t.Fatalf("read back: %v", f)
		}
		for i := range sent {
			if serviceSum(sent[i].Service) != serviceSum(entries[i].Service) || checkSum(sent[i].Checks[0]) != checkSum(entries[i].Checks[0]) {
				t.Fatal("sums differ after a round trip")
			}
		}
	})
}

func roundTrip(t *rapid.T, in []*api.ServiceEntry) (out []*api.ServiceEntry) {
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func checkLimits(t *rapid.T, e *api.ServiceEntry) {
	if len(e.Service.Meta) > maxMetaPairs || slices.Contains(e.Service.Tags, "k8s") {
		t.Fatalf("%d pairs, tags %q", len(e.Service.Meta), e.Service.Tags)
	}
	for k, v := range e.Service.Meta {
		if k == "" || len(k) > maxMetaName || plain(k) != k || len(v) > maxMetaValue || strings.HasPrefix(k, "consul-") {
			t.Fatalf("metadata %q=%q", k, v)
		}
	}
}

func TestVersionRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) held {
			return held{node: rapid.StringN(1, 5, 9).Draw(t, "node"), id: rapid.String().Draw(t, "id"), index: rapid.Uint64().Draw(t, "i"),
				sum: rapid.Uint64().Draw(t, "s"), checkIndex: rapid.Uint64().Draw(t, "ci"), checkSum: rapid.Uint64().Draw(t, "cs")}
		}), 0, 5).Draw(t, "records")
		v := encodeVersion(3, all)
		format, got, err := decodeVersion(v)
		if err != nil || format != 3 || encodeVersion(format, got) != v || len(got) != len(all) {
			t.Fatalf("decodeVersion(%q) = %d, %v, %v", v, format, got, err)
		}
	})
}

func FuzzDecode(f *testing.F) {
	seed, _ := json.Marshal([]*api.ServiceEntry{instance("a"), instance("m", onOwners("prod"), meta(goodMark...), status("c", "critical"))})
	f.Add(string(seed))
	f.Fuzz(func(t *testing.T, text string) {
		var entries []*api.ServiceEntry
		if json.Unmarshal([]byte(text), &entries) != nil {
			return
		}
		for _, s := range testLayout.decode("web", entries).services {
			for _, e := range s.Endpoints {
				if e.Host.Addr.IsValid() && registry.CheckAddr(e.Host.Addr) != nil {
					t.Errorf("endpoint at %v", e.Host)
				}
			}
			if _, _, err := decodeVersion(s.Version); err != nil {
				t.Error(err)
			}
		}
	})
}
