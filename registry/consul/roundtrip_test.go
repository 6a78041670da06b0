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
	"github.com/isthmus-dns/isthmus/registry/registrytest/hostile"
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
	if n > 0 && len(s.Endpoints[0].Ports) > 0 && rapid.Bool().Draw(t, "main") {
		if s.Meta == nil {
			s.Meta = map[string]string{}
		}
		s.Meta[catalog.MetaMainPort] = rapid.SampledFrom(s.Endpoints[0].Ports).Draw(t, "main port").Name
	}
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
	if out, err = received(string(text)); err != nil {
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
			h := held{node: rapid.StringN(1, 5, 9).Draw(t, "node"), id: rapid.String().Draw(t, "id"), index: rapid.Uint64().Draw(t, "i"),
				sum: rapid.Uint64().Draw(t, "s"), unread: rapid.Bool().Draw(t, "unread")}
			if !h.unread {
				h.checkIndex, h.checkSum = rapid.Uint64().Draw(t, "ci"), rapid.Uint64().Draw(t, "cs")
			}
			return h
		}), 0, 5).Draw(t, "records")
		v := encodeVersion(3, all)
		format, got, err := decodeVersion(v)
		if err != nil || format != 3 || encodeVersion(format, got) != v || len(got) != len(all) {
			t.Fatalf("decodeVersion(%q) = %d, %v, %v", v, format, got, err)
		}
		if bare := withoutChecks(v); lacksChecks(bare) != (len(all) > 0) || withoutChecks(bare) != bare {
			t.Fatalf("withoutChecks(%q) = %q", v, bare)
		}
	})
}

// FuzzDecode holds for whatever a Consul may hand out: each instance becomes an
// endpoint, or is refused by its own name, or is none of ours to show; what is
// answered was checked; and one bad instance takes no good one with it.
func FuzzDecode(f *testing.F) {
	for _, seed := range [][]*api.ServiceEntry{
		{instance("a"), instance("m", onOwners("prod"), meta(goodMark...), status("c", "critical"))},
		{instance("a"), instance("a"), nil, {}, {Node: &api.Node{}}, {Service: &api.AgentService{}}},
		{instance("m", meta(goodMark...)), instance("n", onOwners("prod")), instance("o", onOwners("qa"), meta(goodMark...))},
		{instance("a", meta("port-http", "80", "port-x", "70000", "port-", "1", "isthmus", "x"), status("serfHealth", "warning"), status("_node_maintenance", "critical"))},
	} {
		text, err := json.Marshal(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add("web", string(text))
		f.Add("WEB/x", string(text))
	}
	addHostile(f)
	good := instance("good-neighbour")
	good.Node.Node = "good-neighbour"
	f.Fuzz(func(t *testing.T, name, text string) {
		entries, err := received(text)
		if err != nil || slices.ContainsFunc(entries, func(e *api.ServiceEntry) bool {
			return e.Node != nil && e.Node.Node == good.Node.Node
		}) {
			return
		}
		found := testLayout.decode(name, append(entries, good))
		n := 0
		neighbour := false
		for _, s := range found.services {
			n += len(s.Endpoints)
			checkDecoded(t, s)
			neighbour = neighbour || slices.ContainsFunc(s.Endpoints, func(e catalog.Endpoint) bool { return e.ID == "good-neighbour/good-neighbour" })
		}
		if n > len(entries)+1 || len(found.refused) > len(entries)+1 {
			t.Errorf("%d instances became %d endpoints and %d refusals", len(entries)+1, n, len(found.refused))
		}
		for record, err := range found.refused {
			if err == nil || err.Error() == "" || record == "" && name != "" {
				t.Errorf("refused %q: %v", record, err)
			}
		}
		if checkName(strings.ToLower(name)) == nil && !neighbour {
			t.Error("the neighbour is gone")
		}
	})
}

// addHostile seeds what somebody may register to harm others.
func addHostile(f *testing.F) {
	f.Helper()
	add := func(name string, e *api.ServiceEntry) {
		text, err := json.Marshal([]*api.ServiceEntry{e})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(name, string(text))
	}
	for _, name := range hostile.Names() {
		e := instance(name)
		e.Node.Node, e.Service.Service, e.Service.Tags = name, name, []string{name}
		add(name, e)
		add("web", instance("m", onOwners(name), meta("isthmus-owner", name, "isthmus-key", name+"/"+name, "isthmus-format", "1", "port-"+name, "80")))
	}
	for _, host := range hostile.Hosts() {
		e := instance("a")
		e.Service.Address, e.Service.Port = host, -1
		add("web", e)
	}
	for _, v := range hostile.Values() {
		f.Add("web", v.Text)
	}
}

func checkDecoded(t *testing.T, s *catalog.Service) {
	t.Helper()
	ids := map[string]bool{}
	for _, e := range s.Endpoints {
		if checkHost(e.Host) != nil || e.ID == "" || ids[e.ID] || e.Weight < 1 {
			t.Errorf("endpoint %+v", e)
		}
		ids[e.ID] = true
	}
	if s.Key.Name != strings.ToLower(s.Key.Name) {
		t.Errorf("key %q", s.Key)
	}
	if _, _, err := decodeVersion(s.Version); err != nil {
		t.Error(err)
	}
}
