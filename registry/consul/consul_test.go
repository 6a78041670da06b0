package consul

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

func mirror(owner, name string, endpoints int) *catalog.Service {
	s := &catalog.Service{
		Key:  catalog.Key{Namespace: "consul", Name: name},
		Mark: &catalog.Mark{Owner: owner, Of: "kubernetes:1", Key: catalog.Key{Namespace: "shop", Name: name}, Format: 1},
		Type: catalog.Headless,
	}
	for i := range endpoints {
		s.Endpoints = append(s.Endpoints, catalog.Endpoint{
			ID: fmt.Sprintf("pod-%04d", i), Host: catalog.Host{Addr: netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})},
			Ports: []catalog.Port{{Name: "http", Proto: catalog.TCP, Number: 8080}}, Ready: true, Serving: true,
		})
	}
	return s
}

func claim(t *testing.T, c *consul) {
	t.Helper()
	f := registry.Fence{Owner: c.layout.owner, Sources: []catalog.Identity{"kubernetes:1"}}
	if err := c.Claim(t.Context(), f, false); err != nil {
		t.Fatal(err)
	}
}

func mustPut(t *testing.T, c *consul, all ...*catalog.Service) {
	t.Helper()
	for i, r := range c.Put(t.Context(), all) {
		if r.Err != nil {
			t.Fatalf("Put %v: %v", r.Ref, r.Err)
		}
		all[i].Version = r.Version
	}
}

func TestMirrorsMany(t *testing.T) {
	c := open(t, "many")
	claim(t, c)
	cat := watching(t, c)
	for _, n := range []int{200, 1000} {
		var all []*catalog.Service
		for i := range n {
			all = append(all, mirror("many", fmt.Sprintf("many-%d-%04d", n, i), 3))
		}
		start := time.Now()
		mustPut(t, c, all...)
		t.Logf("%d services put in %v", n, time.Since(start))
		snap := cat.Snapshot()
		for _, s := range all {
			got := snap.Get("consul/test", s.Ref())
			want, err := c.Canon(s)
			if err != nil {
				t.Fatal(err)
			}
			if got == nil || !got.Same(want) || got.Version != s.Version {
				t.Fatalf("feed shows %v, want %v", got, want)
			}
		}
		start = time.Now()
		all[0].Endpoints[0].Ready = false
		mustPut(t, c, all[0])
		t.Logf("one change in %v", time.Since(start))
		again := open(t, "many")
		start = time.Now()
		cat2 := watching(t, again)
		t.Logf("all read anew in %v", time.Since(start))
		for _, s := range all {
			got := cat2.Snapshot().Get("consul/test", s.Ref())
			want, _ := c.Canon(s)
			if diff := cmp.Diff(want.Text(), text(got)); got.Version != withoutChecks(s.Version) || diff != "" {
				t.Fatalf("read anew: %s\nversions %q, %q without its checks", diff, got.Version, s.Version)
			}
		}
		start = time.Now()
		register(t, "nat", fmt.Sprintf("n-%d", n), fmt.Sprintf("native-%d", n), "10.9.9.9", 80, "passing")
		wait(t, cat, "native", func(s *catalog.Snapshot) bool {
			return s.Get("consul/test", catalog.Ref{Key: catalog.Key{Namespace: "consul", Name: fmt.Sprintf("native-%d", n)}}) != nil
		})
		t.Logf("native seen after %v", time.Since(start))
	}
}

func text(s *catalog.Service) string {
	if s == nil {
		return ""
	}
	c := *s
	c.Version = ""
	return c.Text()
}
