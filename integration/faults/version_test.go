package faults

import (
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/isthmus-dns/isthmus/integration/servers"
	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
)

// TestZooVersion holds that each write to ZooKeeper changes what its version is, also
// one that was undone, and that sessions do not, nor what the server removes.
func TestZooVersion(t *testing.T) {
	z := newZooTarget(t, "lone", "w", []string{serverstest.ZooKeeper(t, servers.ZooKeeperOptions{ContainerCheck: time.Second}).Address()})
	version := func() string {
		t.Helper()
		v, err := z.version(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	do := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	do(z.conn.Create(services, nil, zk.FlagPersistent, z.acl()))
	do(z.conn.Create("/isthmus", nil, zk.FlagPersistent, z.acl()))
	do(nil, z.register(t.Context(), "a", "10.0.0.1"))
	last := version()
	for _, tt := range []struct {
		name    string
		changes bool
		do      func()
	}{
		{"a session", false, func() {
			user := zooUser(t, z.at, 3*time.Second)
			do(user.Sync("/"))
			user.Close()
		}},
		{"a change", true, func() { do(z.conn.Set(services+"/a/1", []byte("{}"), -1)) }},
		{"a node and its end", true, func() {
			do(z.conn.Create(services+"/a/2", nil, zk.FlagPersistent, z.acl()))
			do(nil, z.conn.Delete(services+"/a/2", -1))
		}},
		{"a node of the bridge's own", true, func() { do(z.conn.Create("/isthmus/b", nil, zk.FlagPersistent, z.acl())) }},
		{"a container and its end", true, func() {
			do(nil, z.register(t.Context(), "c", "10.0.0.1"))
			do(nil, z.deregister(t.Context(), "c"))
		}},
		{"time", false, func() { pause(t.Context(), 2*time.Second) }},
	} {
		tt.do()
		now := version()
		if changed := now != last; changed != tt.changes {
			t.Errorf("%s: version %s, then %s", tt.name, last, now)
		}
		last = now
	}
}
