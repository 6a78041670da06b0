package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// started is a DNS server that gave its first right answer.
type started struct {
	*process
	side  side
	addr  string
	ports ports
	first time.Duration // from the start to the first right answer
}

// start runs a server as s says on its core, with one thread of Go, and waits
// until it answers q rightly. The caller stops it.
func (b *bench) start(ctx context.Context, s setting, q query) (*started, error) {
	var err error
	if s.ports, err = freePorts(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(b.tmp, string(s.side)+"-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	conf := filepath.Join(dir, "Corefile")
	if err := os.WriteFile(conf, []byte(s.corefile()), 0o600); err != nil {
		return nil, fmt.Errorf("write Corefile: %w", err)
	}
	cmd := exec.Command(b.programs[s.side], "-conf", conf)
	cmd.Dir = dir
	cmd.Env = []string{"GOMAXPROCS=1", "HOME=" + dir, "PATH=" + os.Getenv("PATH")}
	begin := time.Now()
	p, err := launch(cmd, filepath.Join(dir, "log"), b.serverCore)
	if err != nil {
		return nil, err
	}
	d := &started{process: p, side: s.side, addr: local(s.ports.dns), ports: s.ports}
	if err := d.until(ctx, q, s.side == floor); err != nil {
		p.stop()
		return nil, fmt.Errorf("wait for %s in the %s chain: %w", s.side, s.chain, err)
	}
	d.first = time.Since(begin)
	return d, nil
}

// until asks for q every millisecond until the answer is right. A fresh socket
// each time: until somebody listens, a connected one only reports that.
func (d *started) until(ctx context.Context, q query, constant bool) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		err := d.probe(ctx, q, constant)
		if err == nil {
			return nil
		}
		if dead := d.alive(); dead != nil {
			return dead
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-tick.C:
		}
	}
}

func (d *started) probe(ctx context.Context, q query, constant bool) error {
	c, err := dialWire(ctx, udp, d.addr)
	if err != nil {
		return err
	}
	defer c.close()
	if err := c.setDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	if err := c.send(q.wire); err != nil {
		return err
	}
	answer, err := c.receive()
	if err != nil {
		return err
	}
	if len(answer) < headerSize {
		return fmt.Errorf("an answer of %d bytes", len(answer))
	}
	return q.check(answer, constant)
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// freePorts returns ports that are free over TCP and UDP, below those that
// systems choose for outgoing connections.
func freePorts() (p ports, err error) {
	for _, to := range []*int{&p.dns, &p.health, &p.ready, &p.metrics, &p.pprof} {
		if *to, err = freePort(); err != nil {
			return p, err
		}
	}
	return p, nil
}

func freePort() (int, error) {
	const low, high = 10000, 30000
	for range 1000 {
		port := low + rand.IntN(high-low)
		l, err := net.Listen("tcp", local(port))
		if err != nil {
			continue
		}
		u, err := net.ListenPacket("udp", local(port))
		_ = l.Close()
		if err == nil {
			_ = u.Close()
			return port, nil
		}
	}
	return 0, errors.New("no port is free over both TCP and UDP")
}
