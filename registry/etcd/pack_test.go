package etcd

import (
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/isthmus-dns/isthmus/catalog"
)

func sameRecords(want, got []*record) string {
	return cmp.Diff(want, got, cmp.AllowUnexported(record{}), cmpopts.EquateComparable(netip.Addr{}), cmpopts.EquateEmpty(),
		cmpopts.IgnoreFields(record{}, "made"), cmp.Comparer(func(a, b error) bool { return fmt.Sprint(a) == fmt.Sprint(b) }))
}

// TestPacked holds that of whatever records a group has, all comes back.
func TestPacked(t *testing.T) {
	l := cluster.reversed("skydns", true)
	var p packer
	rapid.Check(t, func(t *rapid.T) {
		s := drawService(t)
		s.Mark.Via = rapid.SampledFrom([]catalog.Identity{"", "y:2"}).Draw(t, "via")
		made, err := encode(l, s, nil)
		if err != nil {
			t.Fatal(err)
		}
		var all []*record
		for _, r := range made {
			mod := rapid.Int64Range(1, 1<<40).Draw(t, "mod")
			value := rapid.SampledFrom([]string{
				r.marshal(), "oops", `{"host":"10.0.0.9"}`, `{"host":"fe80::1%eth0"}`, `{"host":"2001:db8::1","owner":"x","priority":7}`,
				`{"text":"heritage=external-dns"}`, `{"host":"x.example.org","isthmus":{"owner":"you","key":"a/b","format":-99,"app":"h2","ttl":-5}}`,
			}).Draw(t, "value")
			all = append(all, item{key: r.key, value: []byte(value), mod: mod}.record(l, "prod"))
		}
		for _, key := range []string{"svc/shop/web/-bad", "web", "svc/Shop/x", "svc"} {
			if rapid.Bool().Draw(t, key) {
				all = append(all, item{key: l.base + key, value: []byte(`{"host":"10.0.0.1","port":99999}`), mod: 7}.record(l, "prod"))
			}
		}
		slices.SortFunc(all, func(a, b *record) int { return strings.Compare(a.key, b.key) })
		if diff := sameRecords(all, p.pack(all).records(l)); diff != "" {
			t.Fatalf("unpacked (-want +got):\n%s", diff)
		}
	})
}

// TestMadeAsRead holds that what a write hands over is what its value would be
// read as, but for a TTL that no reader of a mirror looks at.
func TestMadeAsRead(t *testing.T) {
	l := cluster.reversed("skydns", true)
	compared := 0
	rapid.Check(t, func(t *rapid.T) {
		s := drawService(t)
		if rapid.IntRange(0, 9).Draw(t, "alias") == 0 {
			s.Type, s.Alias, s.Endpoints = catalog.ExternalName, "db.example.org", nil
		}
		for i := range s.Endpoints {
			if rapid.IntRange(0, 4).Draw(t, "other host") == 0 {
				s.Endpoints[i].Host = catalog.ParseHost(rapid.SampledFrom([]string{"2001:db8::1", "::ffff:10.0.0.1", "fe80::1%eth0", "X.example.org", "10.1"}).Draw(t, "host"))
			}
		}
		want, err := encode(l, s, nil)
		if err != nil {
			return // nothing is written of it
		}
		for _, o := range diff(want, nil) {
			compared++
			made := item{key: o.key, read: o.read, mod: 3}.record(l, "prod")
			read := item{key: o.key, value: []byte(o.value), mod: 3}.record(l, "prod")
			made.ttl = read.ttl
			if diff := sameRecords([]*record{read}, []*record{made}); diff != "" {
				t.Fatalf("%s made of the service (-read +made):\n%s", o.value, diff)
			}
		}
	})
	if compared < 100 {
		t.Errorf("%d records were compared: the test shows little", compared)
	}
}

// TestTableIsSmall holds that little is kept of 10,000 mirrors of ten endpoints
// each, whichever way they became known: 81 MB it was with a parsed record each.
func TestTableIsSmall(t *testing.T) {
	const most = 12 << 20
	for _, how := range []string{"listed", "written"} {
		t.Run(how, func(t *testing.T) {
			before := heap()
			tab, n := fill(t, how)
			if kept := heap() - before; kept > most || n != 100_000 {
				t.Errorf("%d bytes are kept of %d records, want at most %d of 100000", kept, n, most)
			} else {
				t.Logf("%d bytes", kept)
			}
			runtime.KeepAlive(tab)
		})
	}
}

// fill makes a table that knows of many mirrors, and counts its records.
func fill(t *testing.T, how string) (tab *table, n int) {
	tab = newTable(cluster, "prod", slog.New(slog.NewTextHandler(io.Discard, nil)))
	tab.replace(nil, 1, catalog.New(catalog.Policy{}).Feed("etcd/x"))
	var all []item
	for i, s := range many(10_000) {
		ops, err := tab.planPut(s, nil)
		if err != nil {
			t.Fatal(err)
		}
		its := items(ops, after(ops, int64(i+2)), int64(i+2))
		if how == "written" {
			tab.wrote(its, int64(i+2), tab.age())
			continue
		}
		for j := range its {
			its[j].read, its[j].value = nil, []byte(ops[j].value)
		}
		all = append(all, its...)
	}
	if all != nil {
		tab.replace(all, 20_000, tab.feed)
	}
	tab.update([]item{{key: "/x", mod: 20_001, gone: true}})
	tab.detach()
	for range tab.allLocked() {
		n++
	}
	tab.packLocked()
	return tab, n
}

func heap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
