package integration

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
)

// gate stands in front of the API server, which all stories share, so that one
// of them can lose it. It is open at first.
type gate struct {
	addr, target string
	running      sync.WaitGroup

	mu     sync.Mutex // guards what follows
	listen net.Listener
	conns  map[net.Conn]bool
	held   chan struct{} // nothing passes until it is closed; nil: all does
}

// newGate opens a gate in front of a URL.
func newGate(to string) (*gate, error) {
	u, err := url.Parse(to)
	if err != nil {
		return nil, err
	}
	g := &gate{addr: "127.0.0.1:0", target: u.Host}
	return g, g.Restart(context.Background())
}

// Restart opens the gate where it was before.
func (g *gate) Restart(context.Context) error {
	l, err := net.Listen("tcp", g.addr)
	if err != nil {
		return fmt.Errorf("open the gate to %q: %w", g.target, err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.addr, g.listen, g.conns = l.Addr().String(), l, map[net.Conn]bool{}
	g.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			g.running.Go(func() { g.pass(c) })
		}
	})
	return nil
}

// Halt shuts the gate and cuts what goes through it.
func (g *gate) Halt() error {
	g.Heal()
	g.mu.Lock()
	if g.listen != nil {
		_ = g.listen.Close()
	}
	for c := range g.conns {
		_ = c.Close()
	}
	g.listen, g.conns = nil, nil
	g.mu.Unlock()
	g.running.Wait()
	return nil
}

// Stall keeps what goes through it waiting, in either direction.
func (g *gate) Stall() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held == nil {
		g.held = make(chan struct{})
	}
}

// Heal lets go what waits.
func (g *gate) Heal() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held != nil {
		close(g.held)
		g.held = nil
	}
}

// waiting is a connection that is written to once the gate lets it.
type waiting struct {
	net.Conn
	gate *gate
}

// Write writes once nothing is held.
func (w waiting) Write(b []byte) (int, error) {
	w.gate.mu.Lock()
	held := w.gate.held
	w.gate.mu.Unlock()
	if held != nil {
		<-held
	}
	return w.Conn.Write(b)
}

// keep notes connections that Halt is to cut; it is false if it was called.
func (g *gate) keep(all ...net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range all {
		if g.conns == nil {
			return false
		}
		g.conns[c] = true
	}
	return true
}

func (g *gate) pass(c net.Conn) {
	defer c.Close()
	to, err := net.Dial("tcp", g.target)
	if err != nil {
		return
	}
	defer to.Close()
	if !g.keep(c, to) {
		return
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(waiting{to, g}, c)
		_ = to.Close()
		_ = c.Close()
	}()
	_, _ = io.Copy(waiting{c, g}, to)
	_ = c.Close()
	<-ended
}

// kubeconfig writes the kubeconfig of a server to file, to be reached through
// the gate.
func (g *gate) kubeconfig(file, of, server string) error {
	text, err := os.ReadFile(of)
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(strings.ReplaceAll(string(text), server, "https://"+g.addr)), 0o600)
}
