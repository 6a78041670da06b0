package faults

import (
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
)

// dieable gives out one connection, which it can break as a crash would.
type dieable struct {
	mu   sync.Mutex // guards conn
	conn net.Conn
}

func (d *dieable) dial(network, addr string, _ time.Duration) (net.Conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn != nil {
		return nil, errors.New("dead")
	}
	var err error
	d.conn, err = net.Dial(network, addr)
	return d.conn, err
}

func (d *dieable) die() {
	d.mu.Lock()
	defer d.mu.Unlock()
	_ = d.conn.Close()
}

// TestFrames holds that what a client wrote before it died gets to the server
// afterwards, or never, as the gate says, and that others' writes pass.
func TestFrames(t *testing.T) {
	server := serverstest.ZooKeeper(t).Address()
	direct := zooUser(t, []string{server}, 6*time.Second)
	for path, late := range map[string]bool{"/late": true, "/never": false} {
		g, given := newGate(), &sessions{}
		addr, stop, err := newFrames(g, given, server)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(stop)
		raw := &dieable{}
		conn, _, err := zk.Connect([]string{addr}, 6*time.Second, zk.WithLogInfo(false), zk.WithLogger(silent{}), zk.WithDialer(raw.dial))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Create(path+"-before", nil, zk.FlagPersistent, zk.WorldACL(zk.PermAll)); err != nil {
			t.Fatal(err)
		}
		if n := g.unanswered(); n != 0 || len(given.list()) != 1 {
			t.Errorf("%d writes are under way after an answer, and sessions are %v", n, given.list())
		}
		sprung, ended := g.set(1), make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = conn.Create(path, nil, zk.FlagPersistent, zk.WorldACL(zk.PermAll))
		}()
		<-sprung
		raw.die()
		conn.Close()
		<-ended // since no connection is left
		if there, here := g.caught(); there != 0 || here != 1 {
			t.Errorf("%d writes are at the server and %d are not, want 0 and 1", there, here)
		}
		g.thaw(late)
		gone := func() error {
			if len(given.list()) > 0 || g.unanswered() > 0 {
				return errors.New("a client that is dead still has a connection")
			}
			return nil
		}
		if err := until(t.Context(), 10*time.Second, "its end", gone); err != nil {
			t.Error(err)
		}
		if is, _, err := direct.Exists(path); err != nil || is != late {
			t.Errorf("what was written by a dead client is there: %t, %v; want %t", is, err, late)
		}
	}
}
