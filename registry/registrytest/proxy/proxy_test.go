package proxy

import (
	"bufio"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"
)

// server answers each line with "re: line" and keeps what it was asked.
type server struct {
	net.Listener
	mu   sync.Mutex // guards what follows
	seen []string
}

func (s *server) run(t *testing.T) {
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := s.Accept()
			if err != nil {
				return
			}
			running.Go(func() { s.serve(c) })
		}
	})
	t.Cleanup(func() { s.Close(); running.Wait() })
}

func (s *server) serve(c net.Conn) {
	defer c.Close()
	for in := bufio.NewScanner(c); in.Scan(); {
		s.mu.Lock()
		s.seen = append(s.seen, in.Text())
		s.mu.Unlock()
		fmt.Fprintf(c, "re: %s\n", in.Text())
	}
}

func (s *server) saw(line string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.seen {
		if l == line {
			return true
		}
	}
	return false
}

func start(t *testing.T) (*server, *Proxy) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{Listener: l}
	s.run(t)
	p, err := New(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return s, p
}

type client struct {
	net.Conn
	in *bufio.Reader
}

func dial(t *testing.T, p *Proxy) client {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return client{c, bufio.NewReader(c)}
}

// ask returns the answer, or the error that came instead.
func (c client) ask(line string, patience time.Duration) (string, error) {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintln(c, line); err != nil {
		return "", err
	}
	return c.in.ReadString('\n')
}

func mustAnswer(t *testing.T, c client, line string) {
	t.Helper()
	got, err := c.ask(line, 10*time.Second)
	if want := "re: " + line + "\n"; err != nil || got != want {
		t.Fatalf("ask(%q) = %q, %v, want %q", line, got, err, want)
	}
}

func mustFail(t *testing.T, c client, line string, patience time.Duration) {
	t.Helper()
	if got, err := c.ask(line, patience); err == nil {
		t.Fatalf("ask(%q) = %q, want an error", line, got)
	}
}

func TestCut(t *testing.T) {
	s, p := start(t)
	c := dial(t, p)
	mustAnswer(t, c, "one")
	p.Cut()
	mustFail(t, c, "two", 10*time.Second)
	mustFail(t, dial(t, p), "three", 10*time.Second)
	p.Heal()
	mustAnswer(t, dial(t, p), "four")
	if s.saw("two") || s.saw("three") {
		t.Errorf("the server saw %q, want nothing while cut", s.seen)
	}
}

// TestLead holds that connections to where a proxy leads no longer break, and that those
// which lead there already do not.
func TestLead(t *testing.T) {
	one, p := start(t)
	other, past := start(t)
	c := dial(t, p)
	mustAnswer(t, c, "one")
	p.Lead(other.Addr().String())
	mustFail(t, c, "two", 10*time.Second)
	c = dial(t, p)
	mustAnswer(t, c, "three")
	p.Lead(other.Addr().String())
	mustAnswer(t, c, "four")
	mustAnswer(t, dial(t, past), "five")
	if one.saw("two") || one.saw("three") || !other.saw("three") || !other.saw("four") {
		t.Errorf("the first saw %q and the other %q, want no more than one there", one.seen, other.seen)
	}
}

func TestStall(t *testing.T) {
	s, p := start(t)
	c := dial(t, p)
	mustAnswer(t, c, "one")
	p.Stall()
	mustFail(t, c, "two", 50*time.Millisecond)
	mustFail(t, dial(t, p), "three", 50*time.Millisecond)
	if s.saw("two") || s.saw("three") {
		t.Errorf("the server saw %q, want nothing while stalled", s.seen)
	}
	p.Heal()
	if got, err := c.ask("four", 10*time.Second); err != nil || got != "re: two\n" {
		t.Errorf("after Heal: got %q, %v, want the answer that was held", got, err)
	}
}

func TestLoseAnswers(t *testing.T) {
	s, p := start(t)
	c := dial(t, p)
	mustAnswer(t, c, "one")
	p.LoseAnswers()
	mustFail(t, c, "two", 10*time.Second)
	mustFail(t, dial(t, p), "three", 10*time.Second)
	if !s.saw("two") || !s.saw("three") {
		t.Errorf("the server saw %q, want two and three in it", s.seen)
	}
	p.Heal()
	mustAnswer(t, dial(t, p), "four")
}

func TestSlow(t *testing.T) {
	s, p := start(t)
	c := dial(t, p)
	mustAnswer(t, c, "one")
	p.Slow(time.Hour)
	mustFail(t, c, "two", 50*time.Millisecond)
	if s.saw("two") {
		t.Errorf("the server saw %q, want nothing before an hour", s.seen)
	}
	p.Slow(time.Millisecond)
	if got, err := c.ask("three", 10*time.Second); err != nil || got != "re: two\n" {
		t.Errorf("when slow: got %q, %v, want the answer that was held", got, err)
	}
	p.Stall()
	p.Heal()
	mustAnswer(t, dial(t, p), "four")
}

func TestCloseWhileStalled(t *testing.T) {
	_, p := start(t)
	c := dial(t, p)
	mustAnswer(t, c, "one")
	p.Stall()
	mustFail(t, c, "two", 20*time.Millisecond)
	if err := p.Close(); err != nil {
		t.Errorf("Close() = %v, want nil", err)
	}
}
