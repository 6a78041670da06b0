package etcd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/integration/servers"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/registrytest"
)

// TestNewestWins has the ways in which a list, events and writes of our own
// can overtake each other. Each step is applied to one key; want is the host
// that is reported after each.
func TestNewestWins(t *testing.T) {
	at := func(mod int64, host string) item {
		return item{key: cluster.base + "web/a", value: []byte(`{"host":"` + host + `"}`), mod: mod}
	}
	gone := func(mod int64) item { return item{key: cluster.base + "web/a", mod: mod, gone: true} }
	type step struct {
		how  string // list, event, write
		it   item
		want string
	}
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"an older event after a write", []step{{"write", at(7, "10.0.0.7"), "10.0.0.7"}, {"event", at(6, "10.0.0.6"), "10.0.0.7"}, {"event", at(7, "10.0.0.7"), "10.0.0.7"}}},
		{"a write after its event", []step{{"event", at(7, "10.0.0.7"), "10.0.0.7"}, {"event", at(8, "10.0.0.8"), "10.0.0.8"}, {"write", at(7, "10.0.0.7"), "10.0.0.8"}}},
		{"a write after its event and a deletion", []step{{"event", at(7, "10.0.0.7"), "10.0.0.7"}, {"event", gone(8), "none"}, {"write", at(7, "10.0.0.7"), "none"}}},
		{"an older event after a deletion", []step{{"write", gone(7), "none"}, {"event", at(6, "10.0.0.6"), "none"}, {"event", gone(7), "none"}, {"event", at(8, "10.0.0.8"), "10.0.0.8"}}},
		{"an older list after a write", []step{{"write", at(7, "10.0.0.7"), "10.0.0.7"}, {"list", at(6, "10.0.0.6"), "10.0.0.7"}}},
		{"an older list after a deletion", []step{{"write", gone(7), "none"}, {"list", at(6, "10.0.0.6"), "none"}}},
		{"a newer list", []step{{"event", at(7, "10.0.0.7"), "10.0.0.7"}, {"list", at(9, "10.0.0.9"), "10.0.0.9"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tab := newTable(cluster, "prod", slog.New(slog.NewTextHandler(io.Discard, nil)))
			w := &watched{Followed: &registrytest.Followed{Catalog: catalog.New(catalog.Policy{}), Origin: "etcd/x"}}
			feed := w.Catalog.Feed(w.Origin)
			tab.replace([]item{at(5, "10.0.0.5")}, 5, feed)
			for i, s := range tt.steps {
				switch s.how {
				case "list":
					tab.replace([]item{s.it}, s.it.mod, feed)
				case "event":
					tab.update([]item{s.it})
				case "write":
					tab.wrote([]item{s.it}, s.it.mod, tab.age())
				}
				if got := w.hosts(w.Catalog.Snapshot(), "etcd/web"); got != s.want {
					t.Errorf("after step %d (%s): %s, want %s", i+1, s.how, got, s.want)
				}
			}
		})
	}
}

// TestOtherHistory holds that a server which begins anew at a lower revision,
// with the same cluster id, is noticed, listed afresh and another registry, and
// that nothing is written there by an old claim.
func TestOtherHistory(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	dir := t.TempDir()
	own, err := servers.StartEtcd(ctx, servers.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = own.Stop() })
	z := newZoneOn(t, own.Endpoint())
	w := watch(t, z.writer(t, "prod"))
	w.Synced(t)
	claimed(t, w.etcd)
	s := mirror("prod", "web", 3)
	mustPut(t, w.etcd, s)
	z.put(t, `svc/shop/old/a {"host":"10.0.0.1"}`)
	before := w.Until(t, "see all", func(s *catalog.Snapshot) bool { return w.hosts(s, "shop/old") == "10.0.0.1" })
	if err := own.Halt(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "data")); err != nil {
		t.Fatal(err)
	}
	if err := own.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	z.put(t, `svc/shop/new/a {"host":"10.0.0.2"}`)
	after := w.Until(t, "see the new history", func(s *catalog.Snapshot) bool { return w.hosts(s, "shop/new") == "10.0.0.2" })
	was, id := before.State(w.Origin).Identity, after.State(w.Origin).Identity
	if cluster := strings.Split(string(was), ":")[1]; id == was || !strings.HasPrefix(string(id), "etcd:"+cluster+":") {
		t.Errorf("identity %q, was %q: want another of the same cluster id", id, was)
	}
	if n := after.State(w.Origin).Services; n != 1 {
		t.Errorf("%d services, want what the new history holds:\n%s", n, w.Text(after))
	}
	s.Version = ""
	if r := w.Put(t.Context(), []*catalog.Service{s}); !errors.Is(r[0].Err, registry.ErrFenced) {
		t.Errorf("Put by the claim of another history = %v, want ErrFenced", r[0].Err)
	}
	claimed(t, w.etcd)
	mustPut(t, w.etcd, s)
}

// TestOwnIsNotReadAgain holds that what a write of ours puts is taken from the
// write, be it told by the answer or by the watch first, and that what comes
// second is not looked at; but what another put in its place is.
func TestOwnIsNotReadAgain(t *testing.T) {
	const value = `{"host":"10.0.0.1"}`
	handed := parseRecord(cluster, cluster.base+"web/a", []byte(`{"host":"10.0.0.9"}`)) // not as it says, so that it can be told
	put := op{key: handed.key, value: value, read: handed, do: put}
	told := func(value string) []item { return []item{{key: put.key, value: []byte(value), mod: 7}} }
	for _, tt := range []struct {
		name string
		do   func(*table)
		want string
	}{
		{"the answer alone", func(tab *table) { tab.wrote(items([]op{put}, after([]op{put}, 7), 7), 7, tab.age()) }, "10.0.0.9"},
		{"the answer, then the watch", func(tab *table) {
			tab.wrote(items([]op{put}, after([]op{put}, 7), 7), 7, tab.age())
			tab.update(told("never looked at"))
		}, "10.0.0.9"},
		{"the watch, then the answer", func(tab *table) {
			tab.expect([]part{{ops: []op{put}}})
			tab.update(told(value))
			tab.wrote([]item{{key: put.key, value: []byte("never looked at"), mod: 7}}, 7, tab.age())
		}, "10.0.0.9"},
		{"another's in its place", func(tab *table) {
			tab.expect([]part{{ops: []op{put}}})
			tab.update(told(`{"host":"10.0.0.2"}`))
		}, "10.0.0.2"},
		{"once it is no longer under way", func(tab *table) {
			tab.expect([]part{{ops: []op{put}}})
			tab.forget([]part{{ops: []op{put}}})
			tab.update(told(value))
		}, "10.0.0.1"},
	} {
		tab := newTable(cluster, "prod", slog.New(slog.NewTextHandler(io.Discard, nil)))
		w := &watched{Followed: &registrytest.Followed{Catalog: catalog.New(catalog.Policy{}), Origin: "etcd/x"}}
		tab.replace(nil, 5, w.Catalog.Feed(w.Origin))
		tt.do(tab)
		if got := w.hosts(w.Catalog.Snapshot(), "etcd/web"); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
		if tab.update([]item{{key: "/x", mod: 8}}); len(tab.own)+len(tab.open) > 0 {
			t.Errorf("%s: %d revisions and %d groups are left", tt.name, len(tab.own), len(tab.open))
		}
	}
}

// TestDriftOfWhatWasJustPut holds that a mirror just written is without drift,
// and that what another changes of it in the same moment shows.
func TestDriftOfWhatWasJustPut(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		then       func(first op) []item
	}{
		{"as it was put", "3 ", func(op) []item { return nil }},
		{"one changed", "3 1", func(o op) []item {
			return []item{{key: o.key, value: []byte(strings.Replace(o.value, `"ttl":30`, `"ttl":31`, 1)), mod: 8}}
		}},
		{"one gone", "2 ", func(o op) []item { return []item{{key: o.key, mod: 8, gone: true}} }},
		{"one more", "4 ", func(o op) []item {
			return []item{{key: o.key + "x", value: []byte(strings.Replace(o.value, `10.1.0.1`, `10.1.0.9`, 1)), mod: 8}}
		}},
		{"another's in the way of none", "3 ", func(o op) []item {
			return []item{{key: o.key + "x", value: []byte(`{"host":"10.1.0.9","port":1}`), mod: 8}}
		}},
	} {
		tab := newTable(cluster, "prod", slog.New(slog.NewTextHandler(io.Discard, nil)))
		c := catalog.New(catalog.Policy{})
		tab.replace(nil, 5, c.Feed("etcd/x"))
		s := mirror("prod", "web", 3)
		ops, err := tab.planPut(s, nil)
		if err != nil {
			t.Fatal(err)
		}
		tab.expect([]part{{ops: ops}})
		var all []item
		for _, o := range ops {
			all = append(all, item{key: o.key, value: []byte(o.value), mod: 7})
		}
		tab.update(append(all, tt.then(ops[0])...))
		got := c.Snapshot().Get("etcd/x", s.Ref())
		if is := fmt.Sprint(len(got.Endpoints), " ", got.Meta[registry.MetaDrift]); is != tt.want {
			t.Errorf("%s: endpoints and drift %q, want %q", tt.name, is, tt.want)
		}
	}
}
