package servers_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/isthmus-dns/isthmus/integration/servers"
	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
)

// send makes a request and returns the body of its answer, which must be a success.
func send(tb testing.TB, method, url, body string) string {
	tb.Helper()
	r, err := http.NewRequestWithContext(tb.Context(), method, url, strings.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	r.Close = true
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		tb.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		tb.Fatal(err)
	}
	if answer.StatusCode/100 != 2 {
		tb.Fatalf("%s %q = %s: %s", method, url, answer.Status, b)
	}
	return string(b)
}

// eventually polls ok until it holds.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			tb.Fatalf("not so within 30 s: %s", what)
		case <-tick.C:
		}
	}
}

func gone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

// keeper writes one value into a server and reads it back.
type keeper struct {
	server interface{ Stop() error }
	*servers.Server
	put func(testing.TB)
	get func(testing.TB) string // contains "kept" after put
}

func keepers() map[string]func(testing.TB, servers.Options) keeper {
	return map[string]func(testing.TB, servers.Options) keeper{
		"etcd": func(tb testing.TB, o servers.Options) keeper {
			e := serverstest.Etcd(tb, o)
			return keeper{e, e.Server, func(tb testing.TB) {
				send(tb, "POST", e.Endpoint()+"/v3/kv/put", `{"key":"a2V5","value":"a2VwdA=="}`)
			}, func(tb testing.TB) string {
				return strings.ReplaceAll(send(tb, "POST", e.Endpoint()+"/v3/kv/range", `{"key":"a2V5"}`), "a2VwdA==", "kept")
			}}
		},
		"consul": func(tb testing.TB, o servers.Options) keeper {
			c := serverstest.Consul(tb, o)
			return keeper{c, c.Server, func(tb testing.TB) {
				send(tb, "PUT", c.URL()+"/v1/kv/key", "kept")
			}, func(tb testing.TB) string { return send(tb, "GET", c.URL()+"/v1/kv/key?raw&consistent", "") }}
		},
		"zookeeper": func(tb testing.TB, o servers.Options) keeper {
			z := serverstest.ZooKeeper(tb, servers.ZooKeeperOptions{Options: o})
			return keeper{z, z.Server, func(tb testing.TB) {
				typed(tb, z.Address(), "create /key kept")
			}, func(tb testing.TB) string { return typed(tb, z.Address(), "get /key") }}
		},
	}
}

func TestLives(t *testing.T) {
	for name, start := range keepers() {
		t.Run(name, func(t *testing.T) {
			k := start(t, servers.Options{})
			k.put(t)
			for _, down := range []struct {
				name string
				do   func() error
			}{
				{"kill", func() error { k.Kill(); return nil }},
				{"halt", k.Halt},
				{"restart at once", func() error { return nil }},
				{"halt while paused", func() error { return errors.Join(k.Pause(), k.Halt()) }},
			} {
				pid := k.PID()
				if err := down.do(); err != nil {
					t.Fatalf("%s: %v", down.name, err)
				}
				if down.name != "restart at once" && !gone(pid) {
					t.Errorf("%s: process %d is still there", down.name, pid)
				}
				if err := k.Restart(t.Context()); err != nil {
					t.Fatalf("%s: %v", down.name, err)
				}
				if got := k.get(t); !strings.Contains(got, "kept") {
					t.Errorf("after %s and restart got %q, want what was put", down.name, got)
				}
			}
			testStop(t, k)
		})
	}
}

func testStop(t *testing.T, k keeper) {
	t.Helper()
	if err := k.server.Stop(); err != nil {
		t.Errorf("Stop() = %v", err)
	}
	if !gone(k.PID()) {
		t.Errorf("process %d is still there after Stop", k.PID())
	}
	if _, err := os.Stat(k.Dir()); !os.IsNotExist(err) {
		t.Errorf("temporary folder is still there after Stop: %v", err)
	}
	if err := k.server.Stop(); err != nil {
		t.Errorf("second Stop() = %v", err)
	}
	if err := k.Pause(); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("Pause() after Stop = %v, want %v", err, os.ErrProcessDone)
	}
}

func TestDirIsKeptAndUsedAgain(t *testing.T) {
	for name, start := range keepers() {
		t.Run(name, func(t *testing.T) {
			o := servers.Options{Dir: t.TempDir()}
			k := start(t, o)
			k.put(t)
			if err := k.server.Stop(); err != nil {
				t.Fatal(err)
			}
			if got := start(t, o).get(t); !strings.Contains(got, "kept") {
				t.Errorf("a second server in the same folder got %q, want what the first was given", got)
			}
		})
	}
}

func TestPause(t *testing.T) {
	e := serverstest.Etcd(t)
	if err := e.Pause(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := e.Ready(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Ready() of a paused server = %v, want %v", err, context.DeadlineExceeded)
	}
	if err := e.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := e.Ready(t.Context()); err != nil {
		t.Errorf("Ready() of a resumed server = %v", err)
	}
}

func TestWait(t *testing.T) {
	e := serverstest.Etcd(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait() with an ended context = %v, want %v", err, context.Canceled)
	}
	e.Kill()
	if err := e.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("Wait() of a killed server = %v, want that it was killed", err)
	}
}

func TestConsulHasItsWebInterface(t *testing.T) {
	c := serverstest.Consul(t)
	if got := send(t, "GET", c.URL()+"/ui/", ""); !strings.Contains(got, "<html") {
		t.Errorf("GET /ui/ = %.80q, want a page", got)
	}
}

func TestStartReportsWhatTheServerSaid(t *testing.T) {
	dir := t.TempDir()
	_, err := servers.StartEtcd(t.Context(), servers.Options{Dir: dir, Args: []string{"--no-such-flag"}})
	if err == nil || !strings.Contains(err.Error(), "no-such-flag") {
		t.Errorf("StartEtcd() with a bad flag = %v, want what etcd wrote", err)
	}
	busy := serverstest.Etcd(t)
	taken := strings.TrimPrefix(busy.Endpoint(), "http://127.0.0.1:")
	if _, err := servers.StartEtcd(t.Context(), servers.Options{Port: atoi(t, taken)}); err == nil {
		t.Errorf("StartEtcd() on the port of another succeeded")
	}
}

func atoi(tb testing.TB, s string) int {
	tb.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

func answers(url string) bool {
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		return false
	}
	c.Close()
	return true
}
