// Package integration tests the programs from outside, against a real
// kube-apiserver, Consul and etcd.
//
// The stories in testdata are txtar scripts. Each has a Consul and an etcd of
// its own and shares the API server; it names its own namespaces.
package integration

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/isthmus-dns/isthmus/integration/servers"
)

// world is what all stories share.
type world struct {
	bin  string // folder of the programs
	mcs  string // folder of the Multi-Cluster Services API's resource definitions
	kube *servers.Kubernetes
	kept string // folder of what people may look at afterwards
}

// newWorld builds the programs and starts the API server.
func newWorld(t *testing.T) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Minute)
	defer cancel()
	w := &world{bin: t.TempDir(), kept: t.ArtifactDir()}
	w.build(ctx, t, "isthmus", raceFlags()...)
	w.build(ctx, t, "coredns") // with every stock plugin; ours runs under the race detector in its own tests
	mcs, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/mcs-api").Output()
	if err != nil {
		t.Fatal(err)
	}
	w.mcs = filepath.Join(strings.TrimSpace(string(mcs)), "config", "crd")
	ctl, err := servers.Build(ctx, servers.Etcdctl, progress)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(ctl, filepath.Join(w.bin, "etcdctl")); err != nil {
		t.Fatal(err)
	}
	w.kube, err = servers.StartKubernetes(ctx, servers.KubernetesOptions{Options: servers.Options{Log: progress}, ControllerManager: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopped(t, "kube-apiserver", w.kube.Stop) })
	return w
}

func (w *world) build(ctx context.Context, t *testing.T, program string, flags ...string) {
	t.Helper()
	args := append([]string{"build", "-o", filepath.Join(w.bin, program)}, flags...)
	if out, err := exec.CommandContext(ctx, "go", append(args, "../build/"+program)...).CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", program, err, out)
	}
}

// progress shows people what takes minutes, before the test ends.
func progress(line string) { fmt.Fprintln(os.Stderr, line) }

func stopped(t interface{ Errorf(string, ...any) }, what string, stop func() error) {
	if err := stop(); err != nil {
		t.Errorf("stop %s: %v", what, err)
	}
}

// story is what one story has for itself, found in its environment by key.
type story struct {
	consul *servers.Consul
	etcd   *servers.Etcd
	kube   *servers.Kubernetes // everybody's
	gate   *gate               // before it

	zookeeper    *servers.ZooKeeper          // nil until it is started
	znodes       znodes                      // of it
	applications map[string]*servers.Curator // that run, by name
}

type storyKey struct{}

// setup starts what one story needs and names it in the story's environment.
func (w *world) setup(env *testscript.Env) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	s := &story{kube: w.kube, applications: map[string]*servers.Curator{}}
	var err error
	if s.consul, err = servers.StartConsul(ctx, servers.Options{Log: progress}); err != nil {
		return err
	}
	env.Defer(func() { _ = s.consul.Stop() })
	if s.etcd, err = servers.StartEtcd(ctx, servers.Options{Log: progress}); err != nil {
		return err
	}
	env.Defer(func() { _ = s.etcd.Stop() })
	if s.gate, err = newGate(w.kube.URL()); err != nil {
		return err
	}
	env.Defer(func() { _ = s.gate.Halt() })
	gated := filepath.Join(env.WorkDir, "gated.kubeconfig")
	if err := s.gate.kubeconfig(gated, w.kube.Kubeconfig(), w.kube.URL()); err != nil {
		return err
	}
	env.Setenv("GATED", gated)
	env.Values[storyKey{}] = s
	env.Setenv("BIN", w.bin)
	env.Setenv("PATH", w.bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	env.Setenv("HOME", env.WorkDir)
	env.Setenv("ARTIFACTS", w.kept)
	env.Setenv("MCS", w.mcs)
	env.Setenv("KUBE", w.kube.URL())
	env.Setenv("KUBE_TOKEN", w.kube.Token())
	env.Setenv("KUBECONFIG", w.kube.Kubeconfig())
	env.Setenv("CONSUL", s.consul.URL())
	env.Setenv("ETCD", s.etcd.Endpoint())
	env.Setenv("ETCDCTL_ENDPOINTS", s.etcd.Endpoint())
	return setPorts(env)
}

// setPorts names free ports for the servers that a story starts itself.
func setPorts(env *testscript.Env) error {
	for _, name := range []string{"DNS", "STOCK", "READY", "METRICS", "DEBUG", "ADMIN"} {
		port, err := freePort()
		if err != nil {
			return err
		}
		env.Setenv(name+"PORT", strconv.Itoa(port))
		env.Setenv(name, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	}
	return nil
}

// freePort returns a port of 127.0.0.1 that is free over TCP and UDP.
func freePort() (int, error) {
	for range 20 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return 0, err
		}
		u, err := net.ListenPacket("udp", l.Addr().String())
		l.Close()
		if err == nil {
			u.Close()
			return l.Addr().(*net.TCPAddr).Port, nil
		}
	}
	return 0, fmt.Errorf("no port is free over both TCP and UDP")
}

// TestStories runs every story in testdata.
func TestStories(t *testing.T) {
	w := newWorld(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		Setup:               w.setup,
		Cmds:                scriptCommands(),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}
