// Package hostile lets a running server have what no honest client sends.
package hostile

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

const (
	mutants = 20_000 // random datagrams
	idle    = 3_000  // TCP connections at once that say nothing whole
	flood   = 20_000 // names that are asked for once and do not exist

	// What the server's memory may grow by: half-open connections have a
	// goroutine with its buffers each.
	roomMiB = 64
)

// TestHostile lets a running server have what hostile clients send, by
// datagrams and by streams: it answers or refuses, never ends, keeps its memory
// bounded, and answers others right all the while.
func TestHostile(t *testing.T) {
	s := startTarget(t)
	before := s.memory(t)
	honest := s.ask(t)
	t.Run("datagrams", s.datagrams)
	t.Run("streams", s.streams)
	t.Run("mutants", s.mutants)
	t.Run("half-open connections", s.halfOpen)
	t.Run("a byte at a time", s.slowly)
	t.Run("names that do not exist", s.flood)
	if n := honest(); n < 100 {
		t.Errorf("%d honest questions were answered meanwhile, want more", n)
	}
	if after := s.memory(t); after > before+roomMiB<<20 {
		t.Errorf("memory grew from %d to %d MiB", before>>20, after>>20)
	} else {
		t.Logf("memory grew from %d to %d MiB", before>>20, after>>20)
	}
	s.end(t)
}

// target is a running server.
type target struct {
	cmd     *exec.Cmd
	addr    string
	metrics string
	log     string // all that it prints
	exited  chan struct{}
}

func startTarget(t *testing.T) *target {
	t.Helper()
	folder := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(folder, "coredns"), "../../build/coredns")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	ports := [2]int{freePort(t), freePort(t)}
	files := map[string]string{
		"manifests/web.yaml": hostileWorld,
		"Corefile": fmt.Sprintf(`.:%d {
    bind 127.0.0.1
    errors
    log
    prometheus 127.0.0.1:%d
    isthmus cluster.local in-addr.arpa ip6.arpa {
        manifests files %s
        pods insecure
        zonal
    }
    cache 30
    loadbalance
}
`, ports[0], ports[1], filepath.Join(folder, "manifests")),
	}
	if err := os.Mkdir(filepath.Join(folder, "manifests"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := &target{
		cmd:     exec.Command(filepath.Join(folder, "coredns"), "-quiet", "-conf", filepath.Join(folder, "Corefile")),
		addr:    net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[0])),
		metrics: fmt.Sprintf("http://127.0.0.1:%d/metrics", ports[1]),
		log:     filepath.Join(folder, "log"),
		exited:  make(chan struct{}),
	}
	log, err := os.Create(s.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.cmd.Wait(); close(s.exited) }()
	t.Cleanup(func() { _ = s.cmd.Process.Kill(); <-s.exited })
	until := time.Now().Add(20 * time.Second)
	for s.right("udp") != nil {
		if time.Now().After(until) {
			t.Fatalf("the server does not answer:\n%s", s.said(t, ""))
		}
	}
	return s
}

const hostileWorld = `apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  clusterIP: 10.96.0.80
  ports: [{name: http, port: 80, protocol: TCP}]
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec:
  clusterIP: None
  ports: [{name: sql, port: 5432, protocol: TCP}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: db-1, namespace: shop, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
ports: [{name: sql, port: 5432, protocol: TCP}]
endpoints:
- {addresses: [10.244.0.1], hostname: db-0, conditions: {ready: true}}
- {addresses: [10.244.0.2], conditions: {ready: true}}
`

// right asks one honest question.
func (s *target) right(network string) error {
	client := dns.Client{Net: network, Timeout: time.Second}
	m, _, err := client.Exchange(new(dns.Msg).SetQuestion("web.shop.svc.cluster.local.", dns.TypeA), s.addr)
	if err != nil {
		return err
	}
	if len(m.Answer) != 1 || !strings.HasSuffix(m.Answer[0].String(), "10.96.0.80") {
		return fmt.Errorf("%w: %v", errWrong, m)
	}
	return nil
}

var errWrong = errors.New("a wrong answer")

// ask asks honest questions until the function that it returns is called, which
// returns how many there were. A datagram may be lost; nothing else may go wrong.
func (s *target) ask(t *testing.T) (stop func() int) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	answered := 0
	wg.Go(func() {
		for unanswered := 0; ctx.Err() == nil; {
			network := []string{"udp", "tcp"}[(answered+unanswered)%2]
			err := s.right(network)
			switch {
			case err == nil:
				answered, unanswered = answered+1, 0
			case errors.Is(err, errWrong) || unanswered >= 10:
				t.Errorf("an honest question by %s, after %d: %v", network, answered, err)
				return
			default:
				unanswered++
			}
		}
	})
	return func() int {
		cancel()
		wg.Wait()
		return answered
	}
}

// alive holds that the server runs and is right.
func (s *target) alive(t *testing.T, after string) {
	t.Helper()
	var err error
	for range 5 {
		select {
		case <-s.exited:
			t.Fatalf("the server ended after %s:\n%s", after, s.said(t, ""))
		default:
		}
		if err = s.right("udp"); err == nil {
			return
		}
	}
	t.Fatalf("after %s: %v", after, err)
}

// memory is how much the server has resident.
func (s *target) memory(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(text)
	if m == nil {
		t.Fatalf("no VmRSS in\n%s", text)
	}
	kb, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}

// end stops the server as people do, and holds that it never panicked.
func (s *target) end(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	<-s.exited
	if said := s.said(t, "panic"); said != "" {
		t.Errorf("it panicked:\n%s", said)
	}
}

// said returns the last of the server's log lines that hold word; those about
// questions are left out.
func (s *target) said(t *testing.T, word string) string {
	t.Helper()
	text, err := os.ReadFile(s.log)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, line := range strings.Split(string(text), "\n") {
		if strings.Contains(line, word) && !strings.HasPrefix(line, "[INFO] 127.0.0.1:") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(len(lines)-50, 0):], "\n")
}

// datagrams sends every packet by UDP. What follows each on the same socket is
// an honest question, so that no time is spent on what is rightly not answered.
func (s *target) datagrams(t *testing.T) {
	for i, p := range packets() {
		conn, err := net.Dial("udp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		id := uint16(2*i + 1)
		if len(p.bytes) >= 2 {
			binary.BigEndian.PutUint16(p.bytes, id)
		}
		got := silent
		for try := 0; try < 5 && (try == 0 || got == silent && !p.maySilent()); try++ {
			if _, err := conn.Write(p.bytes); err != nil {
				t.Fatalf("%s: %v", p.name, err)
			}
			got = reply(t, conn, id)
		}
		conn.Close()
		if len(p.may) > 0 && !slices.Contains(p.may, got) {
			t.Errorf("%s: answered with %s, want one of %v", p.name, dns.RcodeToString[got], p.may)
		}
	}
	s.alive(t, "datagrams")
}

// reply returns the rcode that the message id is answered with, or silent if
// only the honest question behind it is answered.
func reply(t *testing.T, conn net.Conn, id uint16) int {
	t.Helper()
	honest := ask("web.shop.svc.cluster.local.", dns.TypeA)
	binary.BigEndian.PutUint16(honest, id+1)
	for range 10 {
		if _, err := conn.Write(honest); err != nil {
			t.Fatal(err)
		}
		got, answered := silent, false
		for patience := time.Second; ; {
			m := receive(t, conn, patience)
			switch {
			case m == nil && answered:
				return got
			case m == nil:
			case m.Id == id && answered:
				return m.Rcode // extended by EDNS where it has one
			case m.Id == id:
				got = m.Rcode
				continue
			case m.Id == id+1 && got != silent:
				return got
			case m.Id == id+1: // what came first may be answered last
				answered, patience = true, 30*time.Millisecond
				continue
			}
			break // lost: ask again
		}
	}
	t.Fatal("an honest question behind a hostile one is not answered")
	return silent
}

// receive returns the next message, or nil if none comes in time.
func receive(t *testing.T, conn net.Conn, patience time.Duration) *dns.Msg {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 65536)
	n, err := conn.Read(b)
	if err != nil {
		return nil
	}
	m := new(dns.Msg)
	if err := m.Unpack(b[:n]); err != nil {
		t.Fatalf("an answer that is none: %v\n%x", err, b[:n])
	}
	return m
}

// streams sends every packet by TCP, and streams that are broken themselves.
func (s *target) streams(t *testing.T) {
	good := ask("web.shop.svc.cluster.local.", dns.TypeA)
	all := packets()
	for what, stream := range map[string][]byte{
		"a length of 0":                       {0, 0},
		"a length of 1":                       {0, 1, 0},
		"a length without a message":          {0xff, 0xff},
		"half a length":                       {0},
		"a message shorter than said":         framed(good)[:10],
		"two messages in one":                 append(framed(good), framed(good)...),
		"a message and garbage":               append(framed(good), 0xff, 0xff, 0xff),
		"HTTP":                                []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		"a TLS greeting":                      {0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3},
		"a thousand questions and no reading": bytes.Repeat(framed(good), 1000),
	} {
		s.stream(t, what, stream)
	}
	for _, p := range all {
		if len(p.bytes) <= 65535 {
			s.stream(t, p.name, framed(p.bytes))
		}
	}
	s.alive(t, "streams")
}

// stream sends bytes by TCP, and goes without reading all that is said.
func (s *target) stream(t *testing.T, what string, stream []byte) {
	t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	// The server may hang up on us at any moment.
	_, _ = conn.Write(stream)
}

func framed(b []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
}

// mutants sends random variations of good questions as fast as it can.
func (s *target) mutants(t *testing.T) {
	var good [][]byte
	for _, name := range []string{"web.shop.svc.cluster.local.", "_sql._tcp.db.shop.svc.cluster.local.", "1.0.244.10.in-addr.arpa.", "x.pin._zone.db.shop.svc.cluster.local.", "1-2-3-4.shop.pod.cluster.local."} {
		for _, typ := range []uint16{dns.TypeA, dns.TypeSRV, dns.TypePTR, dns.TypeANY} {
			m := new(dns.Msg).SetQuestion(name, typ).SetEdns0(1232, true)
			b, err := m.Pack()
			if err != nil {
				t.Fatal(err)
			}
			good = append(good, b)
		}
	}
	conn, err := net.Dial("udp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	rnd := rand.New(rand.NewPCG(5, 3))
	for range mutants {
		// The socket of a server that is gone refuses; alive tells.
		_, _ = conn.Write(mutant(rnd, good))
	}
	s.alive(t, "mutants")
}

// halfOpen holds many connections open that say nothing, or half a message. The
// server lets go of them by itself.
func (s *target) halfOpen(t *testing.T) {
	conns := make([]net.Conn, 0, idle)
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for i := range idle {
		c, err := net.DialTimeout("tcp", s.addr, 5*time.Second)
		if errors.Is(err, syscall.EMFILE) && i > 500 {
			break // that is how many a process may have here
		}
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		conns = append(conns, c)
		if i%2 == 1 {
			_, _ = c.Write([]byte{0, 100, 1, 2, 3})
		}
	}
	t.Logf("%d connections, %d MiB", len(conns), s.memory(t)>>20)
	s.alive(t, "half-open connections")
	until := time.Now().Add(20 * time.Second)
	for i, c := range conns {
		if err := c.SetReadDeadline(until); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("connection %d is still held after 20s", i)
		}
	}
}

// slowly sends questions a byte at a time on many connections.
func (s *target) slowly(t *testing.T) {
	var wg sync.WaitGroup
	stream := framed(ask("web.shop.svc.cluster.local.", dns.TypeA))
	for range 50 {
		wg.Go(func() {
			conn, err := net.Dial("tcp", s.addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			for i := range stream {
				if _, err := conn.Write(stream[i : i+1]); err != nil {
					return // it lost its patience, as it may
				}
				// Each is a segment of its own, since nothing is held back.
				if err := conn.SetReadDeadline(time.Now().Add(5 * time.Millisecond)); err != nil {
					t.Error(err)
				}
				_, _ = io.ReadFull(conn, make([]byte, 1))
			}
		})
	}
	wg.Wait()
	s.alive(t, "a byte at a time")
}

// flood asks for many names that do not exist: they leave no trace in memory
// and no label in the metrics.
func (s *target) flood(t *testing.T) {
	before := s.series(t)
	conn, err := net.Dial("udp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for i := range flood {
		_, _ = conn.Write(ask(fmt.Sprintf("n%d.ns%d.svc.cluster.local.", i, i%977), dns.TypeA))
	}
	s.alive(t, "a flood")
	if after := s.series(t); after > before+20 {
		t.Errorf("the metrics grew from %d to %d series", before, after)
	}
}

// series counts what the metrics page has.
func (s *target) series(t *testing.T) int {
	t.Helper()
	resp, err := http.Get(s.metrics)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(page, []byte("\n"))
}

// freePort returns a port of 127.0.0.1 that is free over TCP and UDP.
func freePort(t *testing.T) int {
	t.Helper()
	for range 20 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		u, err := net.ListenPacket("udp", l.Addr().String())
		l.Close()
		if err == nil {
			u.Close()
			return l.Addr().(*net.TCPAddr).Port
		}
	}
	t.Fatal("no port is free over both TCP and UDP")
	return 0
}
