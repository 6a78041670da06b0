package servers_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/isthmus-dns/isthmus/integration/servers"
)

// The processes must not outlive a program that is killed. The program here is this test once more.
func TestServersDieWithTheirParent(t *testing.T) {
	if os.Getenv("SERVERS_TEST_PARENT") != "" {
		beParent(t)
	}
	parent, endpoint := startParent(t)
	send(t, "GET", endpoint+"/health", "")
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	parent.Wait()
	eventually(t, "etcd is gone with its parent", func() bool { return !answers(endpoint) })
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
