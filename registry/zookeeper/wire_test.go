package zookeeper

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zookeeper/zk"
)

// frame is one as the protocol has it: its length and then what it is made of.
func frame(parts ...any) []byte {
	b := make([]byte, 4)
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			b = binary.BigEndian.AppendUint32(b, uint32(p))
		case int64:
			b = binary.BigEndian.AppendUint64(b, uint64(p))
		case string:
			b = append(binary.BigEndian.AppendUint32(b, uint32(len(p))), p...)
		case []byte:
			b = append(b, p...)
		}
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

// greets is how a session of a time-out in milliseconds begins.
func greets(timeout int) []byte {
	return frame(0, timeout, int64(7), make([]byte, 0), 16, make([]byte, 16))
}

var state = make([]byte, statBytes)

// fake is a session with what says of itself that it is a ZooKeeper: say is written
// once a session is wanted, and answer, which is given each request's number, after
// each request.
func fake(t *testing.T, say []byte, answer func(xid int) []byte) (*session, error) {
	t.Helper()
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer theirs.Close()
		if _, err := request(theirs); err != nil {
			return
		}
		for next := say; ; {
			if _, err := theirs.Write(next); err != nil || answer == nil {
				return
			}
			asked, err := request(theirs)
			if err != nil {
				return
			}
			xid := int(int32(binary.BigEndian.Uint32(asked)))
			if next = frame(xid, int64(1), 0); xid != xidPing {
				next = answer(xid)
			}
		}
	}()
	s, err := newSession("fake", ours, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.end(errClosed); s.close(); <-done })
	return s, s.opened(t.Context(), nil)
}

func request(c net.Conn) ([]byte, error) {
	length := make([]byte, 4)
	if _, err := io.ReadFull(c, length); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint32(length))
	_, err := io.ReadFull(c, b)
	return b, err
}

// TestNoZooKeeper holds that what is no ZooKeeper is told to be none, whatever it says
// when a session is wanted.
func TestNoZooKeeper(t *testing.T) {
	for _, c := range []struct {
		what string
		say  []byte
		want string
	}{
		{"a web server", []byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"), `it begins with "HTTP"`},
		{"a port for TLS", []byte{21, 3, 3, 0, 2, 2, 70}, `it begins with "\x15\x03\x03\x00"`},
		{"nothing", nil, "it ended the connection before it gave a session"},
		{"half an answer", greets(1000)[:20], "it ended the connection before it gave a session"},
		{"the longest", []byte{255, 255, 255, 255, 1}, "it begins with"},
		{"the shortest", []byte{0, 0, 0, 0, 0, 0}, "it begins with"},
		{"a session of no time", greets(0), "a session of 0s"},
		{"a session of less", greets(-1), "a session of -1ms"},
		{"a session of a moment", greets(1), "a session of 1ms"},
		{"a long password", frame(0, 1000, int64(7), 1<<31-1, make([]byte, 16)), "a session of 1s"},
		{"no session", frame(0, 0, int64(0), 16, make([]byte, 16)), "connection lost"},
	} {
		_, err := fake(t, c.say, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", c.what, err, c.want)
		}
	}
}

// TestWrongAnswers holds that an answer that no ZooKeeper gives ends the session with
// an error, and no more than that; the library would end the program by some of them.
func TestWrongAnswers(t *testing.T) {
	list := func(s *session) error { _, _, err := s.children(context.Background(), "/a"); return err }
	get := func(s *session) error { _, _, err := s.get(context.Background(), "/a", true); return err }
	put := func(s *session) error {
		_, err := s.multi(context.Background(), []op{{do: set, path: "/a", version: -1}}, nil)
		return err
	}
	answers := func(body ...any) func(int) []byte {
		return func(xid int) []byte { return frame(append([]any{xid, int64(1), 0}, body...)...) }
	}
	says := func(b []byte) func(int) []byte { return func(int) []byte { return b } }
	changes := func(body ...any) func(int) []byte {
		return says(frame(append([]any{xidChange, int64(-1), 0}, body...)...))
	}
	for _, c := range []struct {
		what   string
		ask    func(*session) error
		answer func(xid int) []byte
	}{
		{"a frame of no bytes", get, says(frame())},
		{"a frame of fifteen", get, says(frame(make([]byte, 15)))},
		{"a frame of 4 GiB", get, says([]byte{255, 255, 255, 255})},
		{"to what was not asked", get, says(frame(77, int64(1), 0))},
		{"to what nobody asks", get, says(frame(-4, int64(1), 0))},
		{"a list of two thousand million", list, answers(1<<31-1, state)},
		{"a list of less than none", list, answers(-1, state)},
		{"a list of three in one", list, answers(3, "a", state)},
		{"a list cut short", list, answers()},
		{"a large list with a name of -1", list, answers(2, -1, make([]byte, largeList), state)},
		{"a large list with a name of more than there is", list, answers(2, 2*largeList, make([]byte, largeList), state)},
		{"a large list with more than it says", list, answers(1, "a", make([]byte, largeList), state)},
		{"data of 2 GiB", get, answers(1<<31-1, state)},
		{"data of more than there is", get, answers(100, make([]byte, 10), state)},
		{"data of less than there is", get, answers(5, make([]byte, 10), state)},
		{"data without a state", get, answers("data")},
		{"data of nothing", get, answers()},
		{"a transaction that ends in an operation", put, answers(opSetData)},
		{"a transaction that does not end", put, answers(opDelete, []byte{0}, 0)},
		{"a transaction of an unknown operation", put, answers(99, []byte{0}, 0, opDelete, []byte{1}, -1)},
		{"a transaction with half a state", put, answers(opSetData, []byte{0}, 0, state[:40])},
		{"a transaction with a name of 2 GiB", put, answers(opCreate, []byte{0}, 0, 1<<31-1)},
		{"a transaction with a name of -1", put, answers(opCreate, []byte{0}, 0, -1, -1, []byte{1}, -1)},
		{"a transaction without a name", put, answers(opCreate, []byte{0}, 0)},
		{"a change of half a path", get, changes(3, 3, 100, []byte("/a"))},
		{"a change of a path of -1", get, changes(3, 3, -1)},
		{"a change of two bytes", get, changes([]byte{0, 0})},
		{"a long change", get, changes(3, 3, strings.Repeat("a", 4*maxPath))},
	} {
		s, err := fake(t, greets(60_000), c.answer)
		if err != nil {
			t.Fatal(err)
		}
		if err = c.ask(s); !errors.Is(err, errForeignFrame) {
			t.Errorf("%s: %v; want %v", c.what, err, errForeignFrame)
		}
	}
}

// TestSessionNobodyGave holds that what a server says of a session among the changes
// does nothing.
func TestSessionNobodyGave(t *testing.T) {
	s, err := fake(t, greets(60_000), func(xid int) []byte {
		var all []byte
		for _, st := range []zk.State{zk.StateHasSession, zk.StateExpired, zk.StateDisconnected} {
			all = append(all, frame(xidChange, int64(-1), 0, int(zk.EventSession), int(st), "")...)
		}
		return append(all, frame(xid, int64(1), 0, "data", state)...)
	})
	if err != nil {
		t.Fatal(err)
	}
	if data, _, err := s.get(t.Context(), "/a", true); string(data) != "data" || err != nil {
		t.Errorf("get: %q, %v", data, err)
	}
}

// TestEndlessChanges holds that a session with more changes than can be taken in ends.
func TestEndlessChanges(t *testing.T) {
	all := slices.Repeat(frame(xidChange, int64(-1), 0, int(zk.EventNodeDataChanged), 3, "/"+strings.Repeat("a", maxPath)), 1000)
	s, err := fake(t, greets(60_000), func(int) []byte { return slices.Repeat(all, 200) })
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.get(t.Context(), "/a", true); !errors.Is(err, errFlood) {
		t.Errorf("get: %v; want %v", err, errFlood)
	}
}

// TestLargeList holds that of several large lists one is read at a time, and that long
// names come in short.
func TestLargeList(t *testing.T) { synctest.Test(t, testLargeList) }

func testLargeList(t *testing.T) {
	long := []any{3, strings.Repeat("a", 5<<20), strings.Repeat("b", longName), "c", state}
	many := slices.Concat([]any{100_000}, slices.Repeat([]any{"twelve bytes"}, 100_000), []any{state})
	answers := [][]any{long, many, many}
	s, err := fake(t, greets(60_000), func(xid int) []byte {
		next := answers[0]
		answers = answers[1:]
		return frame(append([]any{xid, int64(1), 0}, next...)...)
	})
	if err != nil {
		t.Fatal(err)
	}
	names, _, err := s.children(t.Context(), "/a")
	if want := []string{strings.Repeat("a", longName), strings.Repeat("b", longName), "c"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("children: %d, %v; want three, of which none is long", len(names), err)
	}
	s.taken(names)
	first, _, err := s.children(t.Context(), "/a")
	if err != nil || len(first) != 100_000 {
		t.Fatalf("children: %d, %v; want 100,000", len(first), err)
	}
	second := make(chan int)
	go func() {
		names, _, _ := s.children(context.Background(), "/a") // an error is seen by their number
		second <- len(names)
	}()
	synctest.Wait()
	select {
	case n := <-second:
		t.Errorf("%d children more before the first were taken", n)
	default:
	}
	s.taken(first)
	if n := <-second; n != 100_000 {
		t.Errorf("%d children, want 100,000", n)
	}
}

// TestTooMuch holds that of a list that is too large nothing is taken in, and of data
// no more than is looked at, and that the session goes on.
func TestTooMuch(t *testing.T) {
	crowd := slices.Concat([]any{maxChildren + 1}, slices.Repeat([]any{"a"}, maxChildren+1), []any{state})
	some := maxList/longName + 1
	long := slices.Concat([]any{some}, slices.Repeat([]any{strings.Repeat("a", 2*longName)}, some), []any{state})
	large := []any{strings.Repeat("a", 5*maxData), binary.BigEndian.AppendUint64(nil, 77), state[8:]}
	answers := [][]any{crowd, large, long, large}
	s, err := fake(t, greets(60_000), func(xid int) []byte {
		next := answers[0]
		answers = answers[1:]
		return frame(append([]any{xid, int64(1), 0}, next...)...)
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if names, _, err := s.children(t.Context(), "/a"); !errors.Is(err, errCrowd) || len(names) > 0 {
			t.Errorf("children: %d, %v; want %v", len(names), err, errCrowd)
		}
		data, stat, err := s.get(t.Context(), "/a", false)
		if len(data) != maxData || stat == nil || stat.Czxid != 77 || err != nil {
			t.Errorf("get: %d bytes, %+v, %v; want %d and the state", len(data), stat, err, maxData)
		}
	}
	if s.over.Err() != nil {
		t.Errorf("the session is over: %v", context.Cause(s.over))
	}
}
