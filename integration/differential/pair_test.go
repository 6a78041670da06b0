package differential

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// pair is the two sides: one CoreDNS with the stock plugin, one with ours.
type pair struct{ stock, ours *side }

// side is one CoreDNS with a port for each variant.
type side struct {
	word  string
	ports []string
	log   string
}

func (s *side) addr(v *variant) string {
	for i, other := range variants() {
		if other.name == v.name {
			return net.JoinHostPort("127.0.0.1", s.ports[i])
		}
	}
	return ""
}

// startPair builds CoreDNS, which has both plugins, and starts it twice.
func startPair(t *testing.T, kubeconfig string) pair {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "coredns")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "../../build/coredns").CombinedOutput(); err != nil {
		t.Fatalf("build coredns: %v\n%s", err, out)
	}
	n := len(variants())
	ports, err := freePorts(2*n + 1)
	if err != nil {
		t.Fatal(err)
	}
	up, err := startUpstream(ports[2*n])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(up.stop)
	target := net.JoinHostPort("127.0.0.1", ports[2*n])
	p := pair{&side{word: "kubernetes", ports: ports[:n]}, &side{word: "isthmus", ports: ports[n : 2*n]}}
	for _, s := range []*side{p.stock, p.ours} {
		s.start(t, bin, corefile(s.word, s.ports, kubeconfig, target))
	}
	return p
}

func (s *side) start(t *testing.T, bin, conf string) {
	t.Helper()
	dir := t.TempDir()
	s.log = filepath.Join(dir, "log")
	log, err := os.Create(s.log)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "Corefile")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, bin, "-conf", file)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = cmd.Wait() // it was told to end
		log.Close()
		if t.Failed() {
			text, _ := os.ReadFile(s.log)
			t.Logf("end of the log of %s:\n%s", s.word, text[max(0, len(text)-4000):])
		}
	})
}

// freePorts returns n ports on which nobody listens over UDP and TCP. They are
// below those from which systems choose for outgoing connections.
func freePorts(n int) ([]string, error) {
	var ports []string
	for range 1000 {
		port := strconv.Itoa(10000 + rand.IntN(20000))
		l, err := net.Listen("tcp", ":"+port)
		if err != nil {
			continue
		}
		defer l.Close() // after the loop: none is found twice
		u, err := net.ListenPacket("udp", ":"+port)
		if err != nil {
			continue
		}
		u.Close()
		if ports = append(ports, port); len(ports) == n {
			return ports, nil
		}
	}
	return nil, fmt.Errorf("found only %d free ports of %d", len(ports), n)
}
