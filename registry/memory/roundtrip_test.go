package memory

import (
	"context"
	"errors"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// TestRoundTrip holds for any mirror that Canon takes that Put does, over
// whatever stood there, and that it reads back as Canon says, for a reader of its
// own; that Canon of that is itself, and lacks nothing; and that what Canon refuses Put does, and
// leaves what is there as it is.
func TestRoundTrip(t *testing.T) {
	server := NewServer("memory:1")
	w := server.Writer("prod")
	if err := w.Claim(t.Context(), registry.Fence{Owner: "prod", Sources: []catalog.Identity{"consul:dc1"}}, false); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		s := drawMirror(rt)
		was := server.Get(s.Ref())
		if was != nil {
			s.Version = was.Version
		}
		before := s.Text()
		canon, refused := w.Canon(s)
		r := w.Put(t.Context(), []*catalog.Service{s})[0]
		if s.Text() != before {
			rt.Fatalf("the argument was changed: -before +after\n%s", cmp.Diff(before, s.Text()))
		}
		if refused != nil {
			now := server.Get(s.Ref())
			if !errors.Is(r.Err, registry.ErrInvalid) || textOf(now) != textOf(was) {
				rt.Fatalf("Canon: %v, but Put: %v; -was +is\n%s", refused, r.Err, cmp.Diff(textOf(was), textOf(now)))
			}
			return
		}
		if again, err := w.Canon(canon); err != nil || !again.Same(canon) || canon.Version != "" {
			rt.Fatalf("Canon twice: %v, version %q; -once +twice\n%s", err, canon.Version, cmp.Diff(canon.Text(), textOf(again)))
		}
		got := server.readBack(rt, s.Ref())
		if r.Err != nil || got == nil || !got.Same(canon) || got.Version != r.Version {
			rt.Fatalf("Put: %v, version %q; -Canon +read\n%s", r.Err, r.Version, cmp.Diff(canon.Text(), textOf(got)))
		}
		s.TTL = s.TTL.Truncate(time.Second)
		if s.Sort(); !canon.Same(s) {
			rt.Fatalf("more is lost than parts of seconds: -drawn +Canon\n%s", cmp.Diff(s.Text(), canon.Text()))
		}
	})
}

// readBack is what a reader that comes now is told of one record.
func (s *Server) readBack(t *rapid.T, ref catalog.Ref) *catalog.Service {
	t.Helper()
	c := catalog.New(catalog.Policy{})
	if err := (&client{server: s}).list(context.Background(), c.Feed("memory/read")); err != nil {
		t.Fatal(err)
	}
	return c.Snapshot().Get("memory/read", ref)
}

func textOf(s *catalog.Service) string {
	if s == nil {
		return "nothing"
	}
	return s.Text()
}

// drawMirror draws one of few names and of any shape, also of none that can be
// held.
func drawMirror(t *rapid.T) *catalog.Service {
	word := rapid.OneOf(rapid.SampledFrom([]string{"", "http", "A/b", "x.y", "\xff", "us-west-2a"}), rapid.String())
	texts := rapid.MapOfN(word, word, 0, 3)
	addrs := rapid.SampledFrom([]string{"10.1.1.1", "10.1.1.2", "2001:db8::1", "fd00::1", "10.1.1.3", "10.1.1.4", "192.0.2.1"})
	host := rapid.Custom(func(t *rapid.T) catalog.Host {
		switch rapid.IntRange(0, 40).Draw(t, "kind") {
		case 0:
			return catalog.Host{Addr: netip.MustParseAddr(rapid.SampledFrom([]string{"127.0.0.1", "::ffff:10.0.0.1"}).Draw(t, "bad"))}
		case 1:
			return catalog.Host{}
		case 2, 3, 4:
			return catalog.Host{Name: rapid.SampledFrom([]string{"db.example.org", "a_b"}).Draw(t, "name")}
		}
		return catalog.Host{Addr: netip.MustParseAddr(addrs.Draw(t, "addr"))}
	})
	ports := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) catalog.Port {
		return catalog.Port{
			Name: word.Draw(t, "port"), Proto: rapid.SampledFrom([]catalog.Protocol{catalog.TCP, catalog.UDP, catalog.SCTP, "ODD"}).Draw(t, "proto"),
			Number: rapid.Uint16().Draw(t, "number"), App: word.Draw(t, "app"),
		}
	}), 0, 4)
	endpoint := rapid.Custom(func(t *rapid.T) catalog.Endpoint {
		return catalog.Endpoint{
			ID: word.Draw(t, "id"), Host: host.Draw(t, "host"), Ports: ports.Draw(t, "ports"),
			Hostname: word.Draw(t, "hostname"), Pod: word.Draw(t, "pod"), Zone: word.Draw(t, "zone"), Node: word.Draw(t, "node"),
			Ready: rapid.Bool().Draw(t, "ready"), Serving: rapid.Bool().Draw(t, "serving"), Terminating: rapid.Bool().Draw(t, "terminating"), Warning: rapid.Bool().Draw(t, "warning"),
			Weight: rapid.IntRange(math.MinInt32, math.MaxInt32).Draw(t, "weight"), Priority: rapid.Uint16().Draw(t, "priority"),
			Tags: rapid.SliceOfN(word, 0, 3).Draw(t, "tags"), Meta: texts.Draw(t, "meta"),
		}
	})
	return &catalog.Service{
		Key: catalog.Key{
			Namespace: rapid.SampledFrom([]string{"shop", "shop", "shop", "x", "y", "z", ""}).Draw(t, "namespace"),
			Name:      rapid.SampledFrom([]string{"web", "db", "mail", "pay", "api", "a/b"}).Draw(t, "name"),
		},
		Mark:      &catalog.Mark{Owner: "prod", Of: catalog.Identity(word.Draw(t, "of")), Key: catalog.Key{Namespace: "x", Name: word.Draw(t, "original")}, Via: catalog.Identity(word.Draw(t, "via")), Format: catalog.MarkFormat},
		Type:      rapid.SampledFrom([]catalog.ServiceType{catalog.ClusterIP, catalog.Headless, catalog.ExternalName}).Draw(t, "type"),
		Alias:     word.Draw(t, "alias"),
		External:  rapid.SliceOfN(host, 0, 3).Draw(t, "external"),
		Ports:     ports.Draw(t, "ports"),
		Endpoints: rapid.SliceOfN(endpoint, 0, 6).Draw(t, "endpoints"),
		Meta:      texts.Draw(t, "meta"),
		TTL:       time.Duration(rapid.IntRange(0, 400_000).Draw(t, "ttl")) * time.Millisecond,
	}
}
