package servers_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/isthmus-dns/isthmus/integration/servers"
)

func linux() bool { return runtime.GOOS == "linux" }

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

// beParent starts an etcd, says where, and waits to be killed. Threads come and go meanwhile, as they do in real programs.
func beParent(t *testing.T) {
	e, err := servers.StartEtcd(t.Context(), servers.Options{Dir: os.Getenv("SERVERS_TEST_PARENT")})
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		ended := make(chan struct{})
		go func() {
			runtime.LockOSThread() // and never unlocks: its thread ends with it
			close(ended)
		}()
		<-ended
	}
	if err := e.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("endpoint %s\n", e.Endpoint())
	e.Wait(t.Context())
}

func startParent(t *testing.T) (cmd *exec.Cmd, endpoint string) {
	t.Helper()
	cmd = exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "SERVERS_TEST_PARENT="+t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if endpoint, found := strings.CutPrefix(lines.Text(), "endpoint "); found {
			return cmd, endpoint
		}
		t.Log(lines.Text())
	}
	t.Fatalf("the parent ended: %v", cmd.Wait())
	return nil, ""
}
