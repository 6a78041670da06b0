package faults

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
)

// frames stands before a ZooKeeper server and knows what it carries: what is said
// there comes in frames, each with its length before it.
type frames struct {
	gate   *gate
	given  *sessions
	to     string
	listen net.Listener
	runs   sync.WaitGroup

	mu    sync.Mutex // guards what follows
	ended bool
	open  map[*exchange]bool
}

// sessions are those that servers gave and whose connection is still there.
type sessions struct {
	mu  sync.Mutex // guards all
	all map[string]bool
}

// newFrames listens on a free port and forwards through a gate to a server until what
// it returns is called.
func newFrames(g *gate, given *sessions, to string) (addr string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, fmt.Errorf("before %s: %w", to, err)
	}
	f := &frames{gate: g, given: given, to: to, listen: l, open: map[*exchange]bool{}}
	f.runs.Go(f.accept)
	return l.Addr().String(), f.stop, nil
}

func (f *frames) accept() {
	for {
		client, err := f.listen.Accept()
		if err != nil {
			return
		}
		f.runs.Go(func() { f.serve(client.(*net.TCPConn)) })
	}
}

func (f *frames) stop() {
	_ = f.listen.Close()
	f.gate.thaw(false)
	f.mu.Lock()
	f.ended = true
	for x := range f.open {
		x.close()
	}
	f.mu.Unlock()
	f.runs.Wait()
}

func (f *frames) serve(client *net.TCPConn) {
	defer client.Close()
	server, err := net.Dial("tcp", f.to)
	if err != nil {
		return
	}
	x := &exchange{wire: f, client: client, server: server.(*net.TCPConn), asked: map[int32]*write{}}
	defer x.close()
	if !f.enter(x) {
		return
	}
	defer f.leave(x)
	var both sync.WaitGroup
	both.Go(x.up)
	both.Go(x.down)
	both.Wait()
	x.forget()
	x.over()
}

func (f *frames) enter(x *exchange) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open[x] = true
	return !f.ended
}

func (f *frames) leave(x *exchange) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.open, x)
}

// exchange is one connection of a client, and that to the server which belongs to it.
type exchange struct {
	wire           *frames
	client, server *net.TCPConn

	mu    sync.Mutex // guards what follows
	id    string     // of the session
	asked map[int32]*write
}

func (x *exchange) close() {
	_ = x.client.Close()
	_ = x.server.Close()
}

// request is a frame that a client sent.
type request struct {
	frame []byte
	write *write // nil if it writes nothing
}

// up hands on what the client says. What it has said gets there, or does not, also once
// it is gone; only then the server hears of that.
func (x *exchange) up() {
	said := make(chan request, 4096)
	go x.read(said)
	for r := range said {
		if r.write != nil && !x.wire.gate.mayForward(r.write) {
			break
		}
		if _, err := x.server.Write(r.frame); err != nil {
			break
		}
	}
	x.wire.gate.wait()
	_ = x.server.CloseWrite()
	_ = x.client.Close()
	x.over() // a server that is paused will not say so
	for range said {
		continue // it is too late for that
	}
}

// read notes what the client says, the first of which asks for a session.
func (x *exchange) read(said chan<- request) {
	defer close(said)
	for first := true; ; first = false {
		frame, err := readFrame(x.client)
		if err != nil {
			return
		}
		r := request{frame: frame}
		if !first && len(frame) >= 12 && writes(int32(binary.BigEndian.Uint32(frame[8:]))) {
			r.write = x.wire.gate.enter(transaction)
			x.mu.Lock()
			x.asked[int32(binary.BigEndian.Uint32(frame[4:]))] = r.write
			x.mu.Unlock()
		}
		said <- r
	}
}

// writes reports whether an operation of ZooKeeper's changes nodes.
func writes(operation int32) bool {
	switch operation {
	case 1, 2, 5, 7, 14, 15, 19, 21: // create, delete, setData, setACL, multi, create2, createContainer, createTTL
		return true
	}
	return false
}

// down hands on what the server says, as long as somebody hears it. A write is under
// way until its answer was.
func (x *exchange) down() {
	defer x.client.Close()
	for first := true; ; first = false {
		frame, err := readFrame(x.server)
		if err != nil {
			return
		}
		var answered *write
		switch {
		case first && len(frame) >= 20:
			x.began(fmt.Sprintf("0x%x", binary.BigEndian.Uint64(frame[12:])))
		case !first && len(frame) >= 8:
			answered = x.answered(int32(binary.BigEndian.Uint32(frame[4:])))
		}
		if answered != nil {
			x.wire.gate.wait()
		}
		_, _ = x.client.Write(frame) // to who is dead, in vain
		if answered != nil {
			x.wire.gate.leave(answered)
		}
	}
}

// answered returns the write with a number, which is so no more.
func (x *exchange) answered(number int32) *write {
	x.mu.Lock()
	defer x.mu.Unlock()
	w := x.asked[number]
	delete(x.asked, number)
	return w
}

// forget has writes that nobody will answer under way no more.
func (x *exchange) forget() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, w := range x.asked {
		x.wire.gate.leave(w)
	}
}

func (x *exchange) began(id string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.id = id
	x.wire.given.add(id)
}

func (x *exchange) over() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.wire.given.remove(x.id)
}

const maxFrame = 64 << 20

// readFrame returns one with its length.
func readFrame(from io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(from, length[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > maxFrame {
		return nil, fmt.Errorf("frame of %d bytes", n)
	}
	frame := make([]byte, 4+n)
	copy(frame, length[:])
	_, err := io.ReadFull(from, frame[4:])
	return frame, err
}

func (s *sessions) add(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[string]bool{}
	}
	s.all[id] = true
}

func (s *sessions) remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, id)
}

// list returns them as ZooKeeper writes them.
func (s *sessions) list() (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.all {
		all = append(all, id)
	}
	return all
}
