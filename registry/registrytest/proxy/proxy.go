// Package proxy is a TCP proxy whose connections a test can cut, stall, slow and
// rob of their answers.
//
// It knows nothing of what is spoken, so it serves for HTTP, gRPC and TLS
// alike. All methods may be called from any goroutine and take effect before
// they return. Close waits for every goroutine of the proxy.
package proxy

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

type mode int

const (
	through mode = iota // everything passes
	cut                 // nothing connects
	stalled             // everything connects, nothing passes
	deaf                // requests pass, answers are thrown away
)

// Proxy forwards TCP connections to one server. Close ends it.
type Proxy struct {
	listener net.Listener
	running  sync.WaitGroup

	mu     sync.Mutex // guards what follows
	target string
	mode   mode
	eased  chan struct{} // closed when a stall ends, or a slowness
	delay  time.Duration // of each piece that passes
	conns  map[*pair]bool
}

// pair is one client's connection and the one to the server that belongs to it.
type pair struct {
	client, server net.Conn
	target         string
	asked          bool // the client sent something since answers are lost; guarded by Proxy.mu
	robbed         bool // bytes of it were thrown away, so it is of no more use; guarded by Proxy.mu
}

func (c *pair) close() {
	_ = c.client.Close()
	_ = c.server.Close()
}

// New listens on a free loopback port and forwards to target, "host:port".
// The caller closes the proxy.
func New(target string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("proxy for %q: %w", target, err)
	}
	p := &Proxy{listener: l, target: target, eased: make(chan struct{}), conns: map[*pair]bool{}}
	close(p.eased)
	p.running.Go(p.accept)
	return p, nil
}

// Addr returns the "host:port" to connect to instead of the target.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Close breaks all connections and waits for what runs.
func (p *Proxy) Close() error {
	err := p.listener.Close()
	p.turn(cut)
	p.running.Wait()
	return err
}

// Cut breaks all connections and refuses new ones.
func (p *Proxy) Cut() { p.turn(cut) }

// Stall keeps connections open, takes new ones, and lets nothing through in
// either direction.
func (p *Proxy) Stall() { p.turn(stalled) }

// LoseAnswers lets every request through, throws its answer away, and breaks
// the connection that the answer came on.
func (p *Proxy) LoseAnswers() { p.turn(deaf) }

// Slow lets everything through, each piece of at most 32 KiB only after delay, in
// either direction.
func (p *Proxy) Slow(delay time.Duration) {
	p.turn(through)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay, p.eased = delay, make(chan struct{})
}

// Lead forwards to target, "host:port", from now on, and breaks what is connected
// to another.
func (p *Proxy) Lead(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
	for c := range p.conns {
		if c.target != target {
			c.close()
		}
	}
}

// Heal lets everything through again. Connections that were stalled go on;
// those that lost part of what was said are broken.
func (p *Proxy) Heal() { p.turn(through) }

func (p *Proxy) turn(to mode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if slow := p.delay > 0; slow || p.mode == stalled && to != stalled {
		close(p.eased)
		p.delay = 0
		p.mode = through
	}
	if p.mode != stalled && to == stalled {
		p.eased = make(chan struct{})
	}
	p.mode = to
	for c := range p.conns {
		c.asked = false
		if to == cut || c.robbed && to != deaf {
			c.close()
		}
	}
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			p.running.Go(func() { p.serve(client) })
		}
	}
}

// serve forwards one connection until either side ends it.
func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	target := p.leads()
	if target == "" {
		return
	}
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	c := &pair{client: client, server: server, target: target}
	defer c.close()
	if !p.enter(c) {
		return
	}
	defer p.leave(c)
	var both sync.WaitGroup
	both.Go(func() { p.copy(c, c.server, c.client, p.mayAsk) })
	both.Go(func() { p.copy(c, c.client, c.server, p.mayAnswer) })
	both.Wait()
}

// leads returns where a new connection goes; "" where it is refused.
func (p *Proxy) leads() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mode == cut {
		return ""
	}
	return p.target
}

// enter lists c among the open connections, unless they were cut meanwhile, or
// lead elsewhere.
func (p *Proxy) enter(c *pair) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = true
	return p.mode != cut && p.target == c.target
}

func (p *Proxy) leave(c *pair) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// copy moves bytes as long as may says so; its end is the end of both sides.
func (p *Proxy) copy(c *pair, to, from net.Conn, may func(*pair) verdict) {
	defer c.close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			p.linger()
			switch p.ask(c, may) {
			case end:
				return
			case drop:
				continue
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// linger waits as long as each piece does, or until that is over.
func (p *Proxy) linger() {
	p.mu.Lock()
	delay, eased := p.delay, p.eased
	p.mu.Unlock()
	if delay == 0 {
		return
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-eased:
	}
}

type verdict int

const (
	pass verdict = iota
	drop
	end
	wait
)

// ask asks may again and again while the connection is stalled.
func (p *Proxy) ask(c *pair, may func(*pair) verdict) verdict {
	for {
		p.mu.Lock()
		v, eased := may(c), p.eased
		p.mu.Unlock()
		if v != wait {
			return v
		}
		<-eased
	}
}

// mayAsk judges bytes of the client; it needs mu.
func (p *Proxy) mayAsk(c *pair) verdict {
	switch p.mode {
	case cut:
		return end
	case stalled:
		return wait
	case deaf:
		c.asked = true
	}
	return pass
}

// mayAnswer judges bytes of the server; it needs mu. What is no answer to
// something asked since answers are lost is dropped without an end, so that an
// event of a watch on the same connection does not keep a request back.
func (p *Proxy) mayAnswer(c *pair) verdict {
	switch {
	case p.mode == cut:
		return end
	case p.mode == stalled:
		return wait
	case p.mode == deaf && c.asked:
		return end
	case p.mode == deaf:
		c.robbed = true
		return drop
	}
	return pass
}
