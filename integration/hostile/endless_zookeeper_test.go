package hostile

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// beforeZooKeeper stands before a real ZooKeeper. While it babbles each connection has
// another of the ways in which what is no ZooKeeper answers.
func (e *endless) beforeZooKeeper(t *testing.T, to string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e.zookeeperAddress, e.zookeeper = l.Addr().String(), map[net.Conn]bool{}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { e.zookeeperSays(c, to) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); e.turn(mute); serving.Wait() })
}

// turn begins another stage of ZooKeeper, in which nothing goes on of the last one.
func (e *endless) turn(stage int32) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stageOfZK = stage
	for c := range e.zookeeper {
		_ = c.Close()
	}
	clear(e.zookeeper)
}

// hold has a connection closed with the stage, and returns that.
func (e *endless) hold(c net.Conn) int32 {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.zookeeper[c] = true
	return e.stageOfZK
}

func (e *endless) zookeeperSays(c net.Conn, to string) {
	defer c.Close()
	switch e.hold(c) {
	case mute:
		_, _ = io.Copy(io.Discard, c)
	case babbling:
		n := e.begun[2].Add(1) - 1
		b := &babbler{Conn: c, endless: e}
		b.ways()[int(n)%len(b.ways())]()
	default:
		server, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		defer server.Close()
		e.hold(server)
		go func() { _, _ = io.Copy(server, c); _ = server.Close() }()
		_, _ = io.Copy(c, server)
	}
}

// babbler is a connection on which no end comes of what is said.
type babbler struct {
	net.Conn
	endless *endless
}

// ways are those of answering: to whoever begins a session, to a list of children, to
// who asks for data, and unasked; and one of which each answer is in order.
func (b *babbler) ways() []func() {
	const most = 1<<31 - 1
	list := func(names int, of string) func(xid uint32) {
		return func(xid uint32) {
			all := []any{xid, uint64(1), uint32(0), uint32(names)}
			for i := range names {
				all = append(all, fmt.Sprintf("%s%d", of, i))
			}
			b.say(append(all, make([]byte, 68))...)
		}
	}
	data := func(text string) func(uint32) {
		return func(xid uint32) { b.say(xid, uint64(1), uint32(0), text, make([]byte, 68)) }
	}
	return []func(){
		func() { b.forever([]byte("HTTP/1.1 200 OK\r\n\r\n"), strings.Repeat("a", 1<<16)) },
		func() { b.forever([]byte{0x7f, 0xff, 0xff, 0xff}, strings.Repeat("a", 1<<16)) },
		func() {
			b.session(func(xid uint32) {
				b.forever(frame(most, xid, uint64(1), uint32(0), uint32(most/5)), strings.Repeat("\x00\x00\x00\x01a", 1<<13))
			}, data(""))
		},
		func() {
			b.session(list(1000, "n"), func(xid uint32) {
				b.forever(frame(most, xid, uint64(1), uint32(0), uint32(most-16-4-68)), strings.Repeat("a", 1<<16))
			})
		},
		func() {
			change := string(frame(0, ^uint32(0), ^uint64(0), uint32(0), uint32(4), uint32(3), "/services"))
			b.session(func(uint32) { b.forever(nil, strings.Repeat(change, 1000)) }, data(""))
		},
		func() { b.session(list(1000, strings.Repeat("a", 200)), data("")) },
		func() {
			b.session(list(1000, "n"), data(`{"address":"10.45.2.1","payload":{"metadata":{"a":"`+strings.Repeat("a", 4000)+`"}}}`))
		},
	}
}

// frame is one of the protocol's; it says to have length bytes, if that is not 0.
func frame(length int, parts ...any) []byte {
	b := make([]byte, 4)
	for _, p := range parts {
		switch p := p.(type) {
		case uint32:
			b = binary.BigEndian.AppendUint32(b, p)
		case uint64:
			b = binary.BigEndian.AppendUint64(b, p)
		case string:
			b = append(binary.BigEndian.AppendUint32(b, uint32(len(p))), p...)
		case []byte:
			b = append(b, p...)
		}
	}
	if length == 0 {
		length = len(b) - 4
	}
	binary.BigEndian.PutUint32(b, uint32(length))
	return b
}

func (b *babbler) say(parts ...any) { b.write(frame(0, parts...)) }

func (b *babbler) write(all []byte) bool {
	n, err := b.Write(all)
	b.endless.sent[2].Add(int64(n))
	return err == nil
}

// forever writes what does not end before nobody listens.
func (b *babbler) forever(begin []byte, again string) {
	for ok := b.write(begin); ok; ok = b.write([]byte(again)) {
		continue
	}
}

const (
	opExists = 3
	opData   = 4
	opPing   = 11
	opList   = 12
)

// session begins one and answers each request in order, but for those for what is below
// a node and for data, until the connection is closed. No id is there, and no state of
// bridges.
func (b *babbler) session(list, data func(xid uint32)) {
	if _, ok := b.request(); !ok {
		return
	}
	b.say(uint32(0), uint32(10_000), uint64(7), uint32(16), make([]byte, 16))
	for {
		r, ok := b.request()
		if !ok || len(r) < 8 {
			return
		}
		xid, op := binary.BigEndian.Uint32(r), binary.BigEndian.Uint32(r[4:])
		switch {
		case op == opPing:
			b.say(xid, uint64(1), uint32(0))
		case strings.Contains(string(r), "/isthmus"):
			b.say(xid, uint64(1), ^uint32(100)) // -101, there is no such node
		case op == opList:
			list(xid)
		case op == opData:
			data(xid)
		case op == opExists:
			b.say(xid, uint64(1), uint32(0), make([]byte, 68))
		default:
			b.say(xid, uint64(1), uint32(0), "/")
		}
	}
}

func (b *babbler) request() ([]byte, bool) {
	_ = b.SetReadDeadline(time.Now().Add(patience)) // it fails with the next read
	length := make([]byte, 4)
	if _, err := io.ReadFull(b, length); err != nil {
		return nil, false
	}
	r := make([]byte, min(binary.BigEndian.Uint32(length), 1<<20))
	_, err := io.ReadFull(b, r)
	return r, err == nil
}
