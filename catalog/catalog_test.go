package catalog

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// services parses text form, failing the test on an error.
func services(t testing.TB, text string) []*Service {
	t.Helper()
	all, err := ParseText(text)
	if err != nil {
		t.Fatalf("ParseText: %v", err)
	}
	return all
}

const full = `service shop/web ClusterIP ttl=30s version="7 8"
	mark owner=prod of=kubernetes:42 key=shop/web format=1
	addr 10.0.0.1
	addr fd00::1
	external lb.example.org
	port "" UDP 53
	port http TCP 80 app=http
	meta "a=b"="c \"d\""
	meta team=blue
	endpoint 10.1.1.1 id=a ready serving hostname=web-0 pod=web-0 zone=z node=n cluster=c priority=2 weight=1
		port http TCP 8080
		tag v1
		tag "x y=z"
		meta rack=7
	endpoint db.example.org id=b terminating
service shop/x ExternalName
	alias db.example.org
`

func TestTextRoundTrip(t *testing.T) {
	var b strings.Builder
	if err := WriteText(&b, services(t, full)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(full, b.String()); diff != "" {
		t.Errorf("text changed on the way (-want +got):\n%s", diff)
	}
}

func TestParseTextErrors(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"service shop ClusterIP", `line 1: parse key "shop": want namespace/name`},
		{"\n\tport http TCP 80", `line 2: "port" before the first service`},
		{"service a/b Odd", `line 1: unknown service type "Odd"`},
		{"service a/b Headless\n\tcolour red", `line 2: unknown word "colour"`},
		{"service a/b Headless\n\t\tport http TCP 80", `line 2: "port" of an endpoint before the first endpoint`},
		{"service a/b Headless\n\tport http TCP", `line 2: port: want name, protocol, number`},
		{"service a/b Headless\n\tport http TCP 65536", `line 2: port number: strconv.ParseUint: parsing "65536": value out of range`},
	} {
		if _, err := ParseText(tt.text); err == nil || err.Error() != tt.want {
			t.Errorf("ParseText(%q) = %v, want %s", tt.text, err, tt.want)
		}
	}
}

func TestFeedReplaceAndUpdate(t *testing.T) {
	c := New(Policy{Origins: []OriginPolicy{{Origin: "kubernetes/a", Speaks: true}}})
	f := c.Feed("kubernetes/a")
	before := c.Snapshot()
	if before.Synced() {
		t.Error("synced before the first Replace")
	}
	f.ReplaceNamespaces([]string{"shop"})
	f.Replace(services(t, "service shop/web Headless\nservice shop/db Headless"))
	s := c.Snapshot()
	if !s.Synced() || !s.State("kubernetes/a").Connected {
		t.Errorf("after Replace: state %+v", s.State("kubernetes/a"))
	}
	select {
	case <-before.Changed():
	default:
		t.Error("the older snapshot's Changed is still open")
	}
	f.Update(services(t, "service shop/web ExternalName\n\talias x.example.org"), []Ref{{Key: Key{"shop", "db"}}})
	n := c.Snapshot()
	if got := n.Lookup(Key{"shop", "web"}); got == nil || got.Type != ExternalName {
		t.Errorf("Lookup(shop/web) = %v, want the updated one", got)
	}
	if got := n.Lookup(Key{"shop", "db"}); got != nil {
		t.Errorf("Lookup(shop/db) = %v, want nil", got)
	}
	if got := s.Lookup(Key{"shop", "db"}); got == nil {
		t.Error("an older snapshot changed")
	}
	want := []Key{{"shop", "db"}, {"shop", "web"}}
	got := n.Since(s)
	slices.SortFunc(got, Key.Compare)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Since (-want +got):\n%s", diff)
	}
}

func TestUpdateBeforeReplacePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	New(Policy{}).Feed("etcd/x").Update(nil, nil)
}

func TestConnectedAndRefused(t *testing.T) {
	c := New(Policy{})
	f := c.Feed("etcd/x")
	f.Replace(services(t, "service a/b Headless"))
	f.Connected(errors.New("gone away"))
	st := c.Snapshot().State("etcd/x")
	if st.Connected || !st.Synced || st.Err == nil || c.Snapshot().Get("etcd/x", Ref{Key: Key{"a", "b"}}) == nil {
		t.Errorf("after a lost connection: %+v; want the last report to stand", st)
	}
	bad := errors.New("bad port")
	for i, tt := range []struct {
		err  error
		news bool
		n    int
	}{{bad, true, 1}, {bad, false, 1}, {errors.New("worse"), true, 1}, {nil, true, 0}, {nil, false, 0}} {
		if news := f.Refuse("/skydns/x", tt.err); news != tt.news || c.Snapshot().State("etcd/x").Refused != tt.n {
			t.Errorf("step %d: Refuse(%v) = %v, %d refused; want %v, %d", i, tt.err, news, c.Snapshot().State("etcd/x").Refused, tt.news, tt.n)
		}
	}
}

// TestAnother holds that what was read of one registry is said to be so once another
// stands in its place, until that is read.
func TestAnother(t *testing.T) {
	c := New(Policy{})
	feed := c.Feed("consul/a")
	for _, step := range []struct {
		name     string
		do       func()
		another  bool
		services int
	}{
		{"known", func() { feed.Identify("1") }, false, 0},
		{"known to be another before it was read", func() { feed.Identify("2") }, false, 0},
		{"read", func() { feed.Replace([]*Service{{Key: Key{"shop", "web"}}}) }, false, 1},
		{"the same", func() { feed.Identify("2") }, false, 1},
		{"another", func() { feed.Identify("3") }, true, 1},
		{"lost", func() { feed.Connected(errors.ErrUnsupported) }, true, 1},
		{"read, too", func() { feed.Replace(nil) }, false, 0},
	} {
		step.do()
		if st := c.Snapshot().State("consul/a"); st.Another != step.another || st.Services != step.services {
			t.Errorf("%s: another %v with %d services, want %v with %d", step.name, st.Another, st.Services, step.another, step.services)
		}
	}
}

// TestOneChangeCost holds that a change of one service among 10,000 allocates
// a path, not a copy.
func TestOneChangeCost(t *testing.T) {
	c := New(Policy{})
	f := c.Feed("memory/x")
	f.Replace(many(10000))
	svc := many(1)
	allocs := testing.AllocsPerRun(100, func() {
		cp := *svc[0]
		f.Update([]*Service{&cp}, nil)
	})
	if allocs > 80 {
		t.Errorf("one update makes %.0f allocations, want at most 80", allocs)
	}
	if n := testing.AllocsPerRun(100, func() { c.Snapshot().Lookup(Key{"ns-1", "svc-1"}) }); n != 0 {
		t.Errorf("Lookup makes %.0f allocations, want none", n)
	}
}

func many(n int) []*Service {
	all := make([]*Service, n)
	for i := range all {
		all[i] = &Service{Key: Key{fmt.Sprintf("ns-%d", i%100), fmt.Sprintf("svc-%d", i)}}
	}
	return all
}

func BenchmarkUpdate(b *testing.B) {
	c := New(Policy{})
	f := c.Feed("memory/x")
	f.Replace(many(10000))
	svc := many(1)[0]
	b.ReportAllocs()
	for b.Loop() {
		cp := *svc
		f.Update([]*Service{&cp}, nil)
	}
}

// TestConnectedSince holds that a loss shows in Since, however short.
func TestConnectedSince(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Policy{})
		f := c.Feed("memory/x")
		since := func() time.Time { time.Sleep(time.Second); return c.Snapshot().State("memory/x").Since }
		if at := since(); !at.IsZero() {
			t.Errorf("never tried: since %s", at)
		}
		f.Replace(nil)
		up := since()
		f.Update(nil, nil)
		if at := since(); at != up {
			t.Errorf("still connected: since %s, want %s", at, up)
		}
		f.Connected(errors.New("cut"))
		down := since()
		f.Connected(errors.New("cut again"))
		if at := since(); !at.After(up) || at != down {
			t.Errorf("cut: since %s, want %s after %s", at, down, up)
		}
		f.Connected(nil)
		if at := since(); !at.After(down) {
			t.Errorf("connected again: since %s, want after %s", at, down)
		}
	})
}

func TestPartial(t *testing.T) {
	c := New(Policy{})
	f := c.Feed("manifests/x")
	f.Partial(errors.New("a.yaml cannot be read"))
	f.Replace(nil)
	if st := f.State(); !st.Synced || st.Partial == nil {
		t.Errorf("state = %+v, want synced in part", st)
	}
	before := c.Snapshot()
	if f.Partial(errors.New("a.yaml cannot be read")); c.Snapshot() != before {
		t.Error("the same news made a new snapshot")
	}
	if f.Partial(nil); f.State().Partial != nil {
		t.Error("still in part")
	}
}

func TestRefuseIsBounded(t *testing.T) {
	c := New(Policy{})
	f := c.Feed("etcd/x")
	for i := range MaxRefused + 5 {
		if news := f.Refuse(fmt.Sprint(i), errors.New("bad")); news != (i < MaxRefused) {
			t.Fatalf("record %d: news = %v", i, news)
		}
	}
	if f.Refuse("one more", errors.New("bad")) || c.Snapshot().State("etcd/x").Refused != MaxRefused+6 {
		t.Errorf("%d are counted, want %d", c.Snapshot().State("etcd/x").Refused, MaxRefused+6)
	}
	before := c.Snapshot()
	if f.Refuse("one more", errors.New("bad")) || c.Snapshot() != before {
		t.Error("a record that is counted made a new snapshot")
	}
	if !f.Refuse("0", nil) || !f.Refuse("one more", errors.New("bad")) {
		t.Error("a place that became free is not used")
	}
}

// TestReplaceBySame holds that a list which is read again is a change of what
// differs alone, and that what does not is not held twice.
func TestReplaceBySame(t *testing.T) {
	const held = "service shop/same Headless version=\"1\"\n\tendpoint 10.1.1.1 id=a ready\nservice shop/newer Headless version=\"1\"\nservice shop/other Headless version=\"1\"\n"
	c := New(Policy{})
	f := c.Feed("etcd/x")
	f.Replace(services(t, held))
	before := c.Snapshot()
	f.Replace(services(t, strings.NewReplacer(`newer Headless version="1"`, `newer Headless version="2"`, "other Headless", "other ClusterIP").Replace(held)))
	after := c.Snapshot()
	got := after.Since(before)
	slices.SortFunc(got, Key.Compare)
	if diff := cmp.Diff([]Key{{"shop", "newer"}, {"shop", "other"}}, got); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
	if k := (Key{"shop", "same"}); after.Lookup(k) != before.Lookup(k) {
		t.Error("what is the same is another one")
	}
}

func TestMissed(t *testing.T) {
	f := New(Policy{}).Feed("etcd/x")
	f.Missed(2)
	f.Missed(3)
	if got := f.State().Missed; got != 5 {
		t.Errorf("missed %d, want 5", got)
	}
}
