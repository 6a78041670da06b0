package zookeeper

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/integration/servers"
	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
	"github.com/isthmus-dns/isthmus/registry/registrytest"
)

// TestEnsemble holds that who reads an ensemble goes on at another server when its own
// is gone, be it the leader, and that nothing vanishes meanwhile.
func TestEnsemble(t *testing.T) {
	e := serverstest.ZooKeeperEnsemble(t)
	r := &tree{path: "/services", raw: rawSession(t, strings.Join(e.Addresses(), " "))}
	r.put(t, "stays/a "+at("10.0.0.1")+"\nold/a "+at("10.0.0.2"))
	z, err := registrytest.Parse(t, Type(), "zookeeper x "+strings.Join(e.Addresses(), " "), nil).(*config).open("", discard())
	if err != nil {
		t.Fatal(err)
	}
	w := watch(t, z)
	w.Synced(t)
	w.stays(t, "stays")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	leader, err := e.Leader(ctx)
	if err != nil {
		t.Fatal(err)
	}
	leader.Kill()
	if _, err := e.Leader(ctx); err != nil {
		t.Fatal(err)
	}
	r.raw = rawSession(t, strings.Join(e.Addresses(), " "))
	r.remove(t, "old")
	r.put(t, "new/a "+at("10.0.0.3"))
	w.has(t, "new", "10.0.0.3")
	w.has(t, "old", "none")
	w.Until(t, "be connected", func(s *catalog.Snapshot) bool { return s.State(w.Origin).Connected })
}

// TestFollower holds that who begins to read is told what was written before, also by
// a server that slept meanwhile and has yet to catch up with the others.
func TestFollower(t *testing.T) {
	e := serverstest.ZooKeeperEnsemble(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	leader, err := e.Leader(ctx)
	if err != nil {
		t.Fatal(err)
	}
	behind := e.Members()[slices.IndexFunc(e.Members(), func(z *servers.ZooKeeper) bool { return z != leader })]
	r := &tree{path: "/services", raw: rawSession(t, leader.Address())}
	z, err := registrytest.Parse(t, Type(), "zookeeper x "+behind.Address(), nil).(*config).open("", discard())
	if err != nil {
		t.Fatal(err)
	}
	read := func(s *session) (string, error) {
		if _, err := z.begin(ctx, s); err != nil {
			return "", err
		}
		data, _, err := s.get(ctx, r.path+"/web/a", false)
		return string(data), err
	}
	for i := range 10 {
		s := rawSession(t, behind.Address())
		if err := behind.Pause(); err != nil {
			t.Fatal(err)
		}
		want := at(fmt.Sprintf("10.0.0.%d", i))
		r.put(t, "web/a "+want)
		if err := behind.Resume(); err != nil {
			t.Fatal(err)
		}
		if got, err := read(s); err != nil || got != want {
			t.Errorf("after %s was written %q is read, %v", want, got, err)
		}
	}
}
