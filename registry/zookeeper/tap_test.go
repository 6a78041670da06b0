package zookeeper

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/integration/servers"
	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
	"github.com/isthmus-dns/isthmus/registry/registrytest/proxy"
)

// tap stands before a server and notes what it is asked, as it goes by on the wire.
type tap struct {
	server   string
	listener net.Listener
	running  sync.WaitGroup
	noted    chan struct{} // has room for one

	mu    sync.Mutex // guards what follows
	asked []string   // "REQUEST PATH"
	conns map[net.Conn]bool
}

// newTap returns a tap that lasts until the end of the test.
func newTap(t testing.TB, server string) *tap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tap{server: server, listener: l, noted: make(chan struct{}, 1), conns: map[net.Conn]bool{}}
	p.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.running.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.mu.Lock()
		for c := range p.conns {
			_ = c.Close()
		}
		p.mu.Unlock()
		p.running.Wait()
	})
	return p
}

func (p *tap) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	defer server.Close()
	p.mu.Lock()
	p.conns[client] = true
	p.mu.Unlock()
	p.running.Go(func() {
		_, _ = io.Copy(client, server)
		_ = client.Close()
	})
	for opened := false; ; opened = true {
		request, err := readRequest(client)
		if err != nil {
			return
		}
		if opened { // the first opens a session
			p.note(request)
		}
		if _, err := server.Write(request); err != nil {
			return
		}
	}
}

// readRequest reads one request with the length before it.
func readRequest(r io.Reader) ([]byte, error) {
	length := make([]byte, 4)
	if _, err := io.ReadFull(r, length); err != nil {
		return nil, err
	}
	rest := make([]byte, binary.BigEndian.Uint32(length))
	_, err := io.ReadFull(r, rest)
	return append(length, rest...), err
}

// note takes note of a request, but for those by which a session learns that the server
// is there. Its header is the length, a number, and the kind; of most a path follows.
func (p *tap) note(request []byte) {
	kinds := map[uint32]string{1: "create", 2: "delete", 3: "exists", 4: "getData", 5: "setData", 8: "getChildren", 9: "sync", 12: "getChildren2", 14: "multi", 19: "createContainer"}
	kind := binary.BigEndian.Uint32(request[8:])
	what := kinds[kind]
	switch what {
	case "":
		if kind == 11 || int32(kind) == -11 {
			return // a ping, or the end of a session
		}
		what = fmt.Sprintf("request of kind %d", int32(kind))
	case "multi":
	default:
		length := binary.BigEndian.Uint32(request[12:])
		what += " " + string(request[16:16+length])
	}
	if what == "getData "+idPath {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, what)
	select {
	case p.noted <- struct{}{}:
	default:
	}
}

// await waits until n requests were made since take was last called, and returns those,
// in order of their words.
func (p *tap) await(t *testing.T, n int) []string {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		p.mu.Lock()
		all := p.asked[:min(n, len(p.asked))]
		p.mu.Unlock()
		if len(all) == n {
			return slices.Sorted(slices.Values(all))
		}
		select {
		case <-p.noted:
		case <-late:
			t.Fatalf("%d requests were made, want %d", len(all), n)
		}
	}
}

// take returns what was asked since it was last called, in order of the words.
func (p *tap) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.asked
	p.asked = nil
	slices.Sort(all)
	return all
}

// tapped is a tree on a server of its own, behind a tap.
type tapped struct {
	*tree
	tap *tap
	own *servers.ZooKeeper
}

func newTapped(t *testing.T, compare string) *tapped {
	t.Helper()
	own := serverstest.ZooKeeper(t)
	r := &tapped{newTreeOn(t, own.Address()), newTap(t, own.Address()), own}
	link, err := proxy.New(r.tap.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = link.Close() })
	r.link = link
	r.words += "\ncompare " + compare
	return r
}

// keeps waits until the server keeps as many watches as it is to in the end, which it
// does once nothing of what changed is still to be read: each that fired is not there
// until it is set again.
func (r *tapped) keeps(t *testing.T, want int) {
	t.Helper()
	late := time.Now().Add(20 * time.Second)
	for r.watches(t) != want {
		if time.Now().After(late) {
			t.Fatalf("the server keeps %d watches, want %d", r.watches(t), want)
		}
	}
}

// asks holds that what was asked is what was to be.
func (r *tapped) asks(t *testing.T, why string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if diff := cmp.Diff(want, r.tap.take()); diff != "" {
		t.Errorf("asked because of %s (-want +got):\n%.3000s", why, diff)
	}
}

// watches is how many watches the server keeps, of all sessions.
func (r *tapped) watches(t *testing.T) int {
	t.Helper()
	answer, err := r.own.Ask(t.Context(), "mntr")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(answer) {
		if words := strings.Fields(line); len(words) == 2 && words[0] == "zk_watch_count" {
			n, err := strconv.Atoi(words[1])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("the server says nothing of watches:\n%s", answer)
	return 0
}
