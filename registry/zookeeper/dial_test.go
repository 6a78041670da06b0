package zookeeper

import (
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/isthmus-dns/isthmus/registry/registrytest"
)

// frozen listens on a free port, takes connections as a server does that is paused, and
// never says anything. It counts those that their clients closed.
type frozen struct {
	net.Listener
	taken  atomic.Int64
	closed chan struct{}
}

func newFrozen(t *testing.T) *frozen {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	f := &frozen{Listener: l, closed: make(chan struct{}, 100)}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			f.taken.Add(1)
			go func() {
				defer conn.Close()
				for buf := make([]byte, 1024); err == nil; {
					_, err = conn.Read(buf)
				}
				f.closed <- struct{}{}
			}()
		}
	}()
	return f
}

// TestDialPastFrozen holds that a server which takes a connection and says nothing is
// not waited for while another one gives a session, and is left alone then.
func TestDialPastFrozen(t *testing.T) {
	f := newFrozen(t)
	c := registrytest.Parse(t, Type(), "zookeeper x "+f.Addr().String()+" "+server.Address(), nil).(*config)
	for try := 0; f.taken.Load() == 0; try++ {
		if try == 100 {
			t.Fatal("the frozen server is never asked")
		}
		begin := time.Now()
		s, err := c.dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if s.server != server.Address() {
			t.Errorf("session of %s, want one of %s", s.server, server.Address())
		}
		if taken := time.Since(begin); taken >= dialTime {
			t.Errorf("a session took %v, as long as a server that says nothing has", taken)
		}
		s.close()
	}
	select {
	case <-f.closed:
	case <-time.After(10 * time.Second):
		t.Error("the connection to the frozen server is still open")
	}
}
