package etcd

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

func TestReverseKey(t *testing.T) {
	l := cluster.reversed("skydns", true)
	for addr, want := range map[string]string{
		"10.0.0.127":    "/skydns/arpa/in-addr/10/0/0/127",
		"2001:db8::a:1": "/skydns/arpa/ip6/2/0/0/1/0/d/b/8" + strings.Repeat("/0", 19) + "/a/0/0/0/1",
	} {
		got := l.reverseKey(netip.MustParseAddr(addr))
		if got != want || !l.isReverse(got) || cluster.isReverse(got) {
			t.Errorf("reverseKey(%s) = %s, want %s", addr, got, want)
		}
	}
}

// TestReverseRecords has what is written of each address, and of whom.
func TestReverseRecords(t *testing.T) {
	on := cluster.reversed("skydns", true)
	const shop = "service shop/web Headless\n\tmark owner=prod of=x:1 key=s/w format=1\n"
	for _, tt := range []struct {
		name   string
		l      layout
		in     string
		others map[string]bool
		want   string
	}{
		{"not asked for", cluster, shop + "\tendpoint 10.0.0.1 id=a ready\n", nil, ""},
		{"no more", cluster.reversed("skydns", false), shop + "\tendpoint 10.0.0.1 id=a ready\n", nil, ""},
		{"the service's name", on, shop + "\tendpoint 10.0.0.1 id=a ready\n", nil, "in-addr/10/0/0/1 web.shop.svc.cluster.local"},
		{"the host's name", on, shop + "\tendpoint 10.0.0.1 id=a ready\n\tendpoint 10.0.0.1 id=b ready hostname=b\n\tendpoint 10.0.0.1 id=c ready hostname=c\n", nil,
			"in-addr/10/0/0/1 b.web.shop.svc.cluster.local"},
		{"not ready", on, shop + "\tendpoint 10.0.0.1 id=a\n\tendpoint 10.0.0.2 id=b ready\n", nil, "in-addr/10/0/0/2 web.shop.svc.cluster.local"},
		{"a host that is a name", on, shop + "\tendpoint db.example.org id=a ready\n", nil, ""},
		{"another's", on, shop + "\tendpoint 10.0.0.1 id=a ready\n\tendpoint 10.0.0.2 id=b ready\n", map[string]bool{"/skydns/arpa/in-addr/10/0/0/1": true},
			"in-addr/10/0/0/2 web.shop.svc.cluster.local"},
		{"a wildcard", on, strings.Replace(shop, "shop/web", "shop/any", 1) + "\tendpoint 10.0.0.1 id=a ready\n", nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			recs, err := encode(tt.l, service(t, tt.in), tt.others)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range recs {
				if read := parseRecord(on, r.key, []byte(r.marshal())); r.reverse {
					got = append(got, strings.TrimPrefix(r.key, "/skydns/arpa/")+" "+read.host.String())
					if diff := cmp.Diff(r.place, read.place); diff != "" || !strings.Contains(r.marshal(), `"port":-1`) {
						t.Errorf("reads back (-want +got):\n%s", diff)
					}
				}
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, "\n")); diff != "" {
				t.Errorf("encode (-want +got):\n%s", diff)
			}
		})
	}
}

// TestReverseOfOthers holds that what is not ours is no service and not refused.
func TestReverseOfOthers(t *testing.T) {
	l := cluster.reversed("skydns", true)
	for _, value := range []string{
		`oops`, `{}`, `{"host":"x.example.org."}`, `{"host":"127.0.0.1"}`, `{"host":"x","isthmus":7}`,
		`{"host":"x","isthmus":{"owner":"prod","key":"s/w","format":1}}`,
		`{"host":"x","isthmus":{"owner":"prod","key":"s/w","format":1,"reverse":"web.shop.svc.other.zone"}}`,
		`{"host":"x","isthmus":{"owner":"prod","key":"s/w","format":1,"reverse":"web"}}`,
		`{"host":"x","isthmus":{"owner":"other","key":"s/w","format":1,"reverse":"web.shop.svc.cluster.local"}}`,
	} {
		tab := newTable(l, "prod", nil)
		c := catalog.New(catalog.Policy{})
		tab.replace([]item{{key: l.root + "arpa/in-addr/10/0/0/1", value: []byte(value), mod: 7}}, 7, c.Feed("etcd/x"))
		for s := range c.Snapshot().From("etcd/x") {
			t.Errorf("%s: reported\n%s", value, s.Text())
		}
		if n := c.Snapshot().State("etcd/x").Refused; n > 0 || len(tab.reverse) != 1 {
			t.Errorf("%s: %d refused, %d known; want 0, 1", value, n, len(tab.reverse))
		}
	}
}

// reverses are the reverse records that stand, each with the name it gives.
func (z *zone) reverses(t *testing.T) string {
	t.Helper()
	var all []string
	for _, it := range z.all(t) {
		if r := parseRecord(z.layout, it.key, it.value); r != nil && r.reverse {
			name := "?"
			if r.mark != nil {
				name = r.mark.Owner + ":" + r.place.Key.String()
			}
			all = append(all, strings.TrimPrefix(it.key, z.layout.root+"arpa/in-addr/")+"="+name)
		}
	}
	return strings.Join(all, " ")
}

// again puts what the watcher says has drifted until nothing has.
func (w *watched) again(t *testing.T, all ...*catalog.Service) {
	t.Helper()
	w.Until(t, "be silent", func(s *catalog.Snapshot) bool {
		silent := true
		for _, want := range all {
			got := s.Get(w.Origin, want.Ref())
			if c, err := w.Canon(want); err != nil || got == nil || !got.Same(c) {
				silent = false
				want.Version = ""
				if got != nil {
					want.Version = got.Version
				}
				w.Put(t.Context(), []*catalog.Service{want})
			}
		}
		return silent
	})
}

// TestOneNameAnAddress holds that of two mirrors with one address the first has
// its name, and the second once the first is gone; and that nothing is left of
// either.
func TestOneNameAnAddress(t *testing.T) {
	z := newReverseZone(t)
	w := watch(t, z.writer(t, "prod"))
	w.Synced(t)
	claimed(t, w.etcd)
	a, b := mirror("prod", "a", 2), mirror("prod", "b", 3)
	mustPut(t, w.etcd, a, b)
	const first = "10/1/0/1=prod:shop/a 10/1/0/2=prod:shop/a 10/1/0/3=prod:shop/b"
	if got := z.reverses(t); got != first {
		t.Errorf("of two: %s, want %s", got, first)
	}
	before := z.all(t)
	w.again(t, a, b)
	mustPut(t, w.etcd, a, b)
	if got := z.all(t); len(got) != len(before) || got[len(got)-1].mod != before[len(before)-1].mod {
		t.Errorf("the same again wrote something: %v, was %v", got, before)
	}
	if r := w.Delete(t.Context(), []*catalog.Service{a})[0]; r.Err != nil {
		t.Fatal(r.Err)
	}
	w.Until(t, "want b put", func(s *catalog.Snapshot) bool { return s.Get(w.Origin, b.Ref()).Meta[registry.MetaDrift] == "2" })
	w.again(t, b)
	const second = "10/1/0/1=prod:shop/b 10/1/0/2=prod:shop/b 10/1/0/3=prod:shop/b"
	if got := z.reverses(t); got != second {
		t.Errorf("after the first is gone: %s, want %s", got, second)
	}
	b.Version = w.Catalog.Snapshot().Get(w.Origin, b.Ref()).Version
	if r := w.Delete(t.Context(), []*catalog.Service{b})[0]; r.Err != nil {
		t.Fatal(r.Err)
	}
	if left := z.all(t); len(left) != 1 {
		t.Errorf("left: %v, want the fence", left)
	}
}

// TestReverseBesideOthers holds that what others wrote of an address stays, that
// nothing is written within reach of external-dns, and that both are taken up
// once they are gone; that what is erased is written again; and that "reverse
// off" takes all of it away.
func TestReverseBesideOthers(t *testing.T) {
	z := newReverseZone(t)
	other := z.writer(t, "other")
	defer other.Close()
	claimed(t, other)
	s := mirror("other", "web", 1)
	mustPut(t, other, s)
	at := func(addr string) string { return z.layout.reverseKey(netip.MustParseAddr(addr)) }
	do := func(key, value string) {
		t.Helper()
		if _, err := z.raw.Put(t.Context(), key, value); err != nil {
			t.Fatal(err)
		}
	}
	do(at("10.1.0.2"), `{"host":"gateway.example.org."}`)
	do(at("10.1.0.20"), `oops`)
	do(strings.TrimSuffix(at("10.1.0.3"), "3")+"ptr-3/0a1b2c3d", `{"text":"heritage=external-dns,external-dns/owner=x"}`)
	w := watch(t, z.writer(t, "prod"))
	if n := w.Synced(t).State(w.Origin).Refused; n != 0 {
		t.Errorf("%d refused, want none", n)
	}
	claimed(t, w.etcd)
	mine := mirror("prod", "mine", 32)
	mustPut(t, w.etcd, mine)
	w.again(t, mine)
	for i := 1; i <= 32; i++ {
		key := at(fmt.Sprintf("10.1.0.%d", i))
		r := w.table.find(key)
		ours := r != nil && r.mark != nil && r.mark.Owner == "prod"
		if want := i > 3 && i != 20 && i < 30; ours != want {
			t.Errorf("%s is ours: %v, want %v", key, ours, want)
		}
	}
	for _, key := range []string{at("10.1.0.2"), strings.TrimSuffix(at("10.1.0.3"), "3") + "ptr-3/0a1b2c3d", at("10.1.0.7")} {
		if _, err := z.raw.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	w.Until(t, "want what is free now", func(s *catalog.Snapshot) bool { return s.Get(w.Origin, mine.Ref()).Meta[registry.MetaDrift] == "6" })
	w.again(t, mine)
	if got := strings.Count(z.reverses(t), "prod:shop/mine"); got != 30 {
		t.Errorf("%d addresses are ours, want 30 of 32: not that of another bridge, nor what is unreadable", got)
	}
	z.words += " off"
	off := watch(t, z.writer(t, "prod"))
	off.Synced(t)
	claimed(t, off.etcd)
	off.again(t, mine)
	if got, want := z.reverses(t), "10/1/0/1=other:shop/web 10/1/0/20=?"; got != want {
		t.Errorf("left: %s, want %s", got, want)
	}
}

func (t *table) find(key string) *record {
	t.mu.Lock()
	defer t.unlock()
	return t.findLocked(key)
}
