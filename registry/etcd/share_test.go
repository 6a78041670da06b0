package etcd

import (
	"errors"
	"strings"
	"testing"

	stock "github.com/coredns/coredns/plugin/etcd"
	"github.com/coredns/coredns/plugin/pkg/upstream"
	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// TestBeside holds beside what ours may stand: where both are found.
func TestBeside(t *testing.T) {
	const at = `svc/shop/web`
	for _, tt := range []struct {
		name, theirs string
		want         error
		put          error // of a Put nevertheless
	}{
		{"an instance", at + `/vm1 {"host":"10.0.0.1","port":1}`, nil, nil},
		{"an instance in the way", at + `/_tcp/_http/i0 {"host":"10.0.0.1","port":1}`, nil, nil},
		{"below ours", at + `/_tcp/_http/i0/deep {"host":"10.0.0.1","port":1}`, nil, nil},
		{"of another bridge", at + `/vm1 {"host":"10.0.0.1","isthmus":{"owner":"you","key":"shop/web","format":1}}`, nil, nil},
		{"without an id", at + ` {"host":"10.0.0.1","port":1}`, errBare, registry.ErrNotOwned},
		{"of a port without an id", at + `/_tcp/_http {"host":"10.0.0.1","port":1}`, errBare, registry.ErrNotOwned},
		{"of external-dns", at + `/0a1b2c3d {"host":"10.0.0.1","owner":"default"}`, errDeletes, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			z := newZone(t)
			z.put(t, tt.theirs)
			before := z.all(t)
			w := watch(t, z.writer(t, "prod"))
			w.Synced(t)
			claimed(t, w.etcd)
			s := mirror("prod", "web", 2)
			for theirs := range w.Catalog.Snapshot().From(w.Origin) {
				if err := w.Beside(s, theirs); !errors.Is(err, tt.want) {
					t.Errorf("Beside = %v, want %v", err, tt.want)
				}
			}
			r := w.Put(t.Context(), []*catalog.Service{s})[0]
			if !errors.Is(r.Err, tt.put) {
				t.Fatalf("Put = %v, want %v", r.Err, tt.put)
			}
			if tt.put != nil {
				return
			}
			plugin := &stock.Etcd{Zones: []string{z.name + "."}, PathPrefix: "skydns", Client: z.raw, Upstream: upstream.New()}
			name := "web.shop.svc." + z.name + "."
			if got := ask(t, plugin, name, dns.TypeA); !strings.HasPrefix(got, "10.0.0.1 10.") || len(strings.Fields(got)) != 3 {
				t.Errorf("A = %s, want theirs and both of ours", got)
			}
			if strings.Contains(ask(t, plugin, "_http._tcp."+name, dns.TypeSRV), "8080=10.0.0.1") {
				t.Error("a target of ours is theirs")
			}
			s.Version = r.Version
			if res := w.Delete(t.Context(), []*catalog.Service{s}); res[0].Err != nil {
				t.Fatal(res[0].Err)
			}
			if diff := cmp.Diff(before, z.all(t)[:len(before)], cmp.AllowUnexported(item{})); diff != "" {
				t.Errorf("theirs changed:\n%s", diff)
			}
		})
	}
}

// TestHiddenAlready holds that a record which nobody finds, since ours stands
// below it, keeps ours from nothing.
func TestHiddenAlready(t *testing.T) {
	z := newZone(t)
	w := watch(t, z.writer(t, "prod"))
	w.Synced(t)
	claimed(t, w.etcd)
	s := mirror("prod", "web", 1)
	mustPut(t, w.etcd, s)
	z.put(t, `svc/shop/web {"host":"10.0.0.1","port":1}`)
	r := watch(t, z.writer(t, "prod"))
	r.Synced(t)
	claimed(t, r.etcd)
	more := mirror("prod", "web", 2)
	more.Version = s.Version
	mustPut(t, r.etcd, more)
}
