package servers_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/isthmus-dns/isthmus/integration/servers"
	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
)

// typed types lines at ZooKeeper's own client.
func typed(tb testing.TB, address string, lines ...string) string {
	tb.Helper()
	out, err := servers.TypeZooKeeper(tb.Context(), address, lines...)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

func TestZooKeeperOptions(t *testing.T) {
	authority, err := servers.NewAuthority("zookeeper test authority")
	if err != nil {
		t.Fatal(err)
	}
	z := serverstest.ZooKeeper(t, servers.ZooKeeperOptions{Super: "secret", MaxBuffer: 4000, Tick: 200 * time.Millisecond,
		MinSession: 300 * time.Millisecond, MaxSession: 3 * time.Second, ContainerCheck: 100 * time.Millisecond, TLS: authority})
	conf, err := z.Ask(t.Context(), "conf")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"tickTime=200\n", "minSessionTimeout=300\n", "maxSessionTimeout=3000\n", "maxClientCnxns=0\n"} {
		if !strings.Contains(conf, want) {
			t.Errorf("the configuration has no %q:\n%s", want, conf)
		}
	}
	testSuper(t, z)
	testContainers(t, z)
	if got := typed(t, z.Address(), "create /big "+strings.Repeat("x", 5000)); !strings.Contains(got, "ConnectionLoss") {
		t.Errorf("a node larger than the buffer was not refused: %s", got)
	}
	testSecure(t, z, authority)
}

func testSuper(t *testing.T, z *servers.ZooKeeper) {
	t.Helper()
	const locked = "create /locked hidden digest:nobody:x:r"
	if got := typed(t, z.Address(), locked, "get /locked"); !strings.Contains(got, "Insufficient permission") {
		t.Errorf("everybody reads what is locked: %s", got)
	}
	if got := typed(t, z.Address(), "addauth digest super:secret", "get /locked"); !strings.Contains(got, "hidden") {
		t.Errorf("super does not read what is locked: %s", got)
	}
	if got := typed(t, z.Address(), "addauth digest super:wrong", "get /locked"); strings.Contains(got, "hidden") {
		t.Errorf("a wrong password reads what is locked: %s", got)
	}
}

func testContainers(t *testing.T, z *servers.ZooKeeper) {
	t.Helper()
	if got := typed(t, z.Address(), "create -c /container", "create /container/node", "delete /container/node", "create /plain"); !strings.Contains(got, "Created /container") {
		t.Fatalf("create: %s", got)
	}
	eventually(t, "an empty container is gone, a plain node stays", func() bool {
		got := typed(t, z.Address(), "ls /")
		return !strings.Contains(got, "container") && strings.Contains(got, "plain")
	})
}

func testSecure(t *testing.T, z *servers.ZooKeeper, authority *servers.Authority) {
	t.Helper()
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(authority.PEM())
	if got, err := askSecurely(z, &tls.Config{RootCAs: trusted}); !strings.Contains(got, "Mode: standalone") {
		t.Errorf("srvr over TLS = %q, %v", got, err)
	}
	if got, err := askSecurely(z, &tls.Config{}); err == nil {
		t.Errorf("the server is trusted without its authority, and says %q", got)
	}
}

func askSecurely(z *servers.ZooKeeper, config *tls.Config) (string, error) {
	c, err := tls.Dial("tcp", z.SecureAddress(), config)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if _, err := io.WriteString(c, "srvr"); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(c)
	return string(answer), err
}

func TestZooKeeperWantsCertificates(t *testing.T) {
	authority, err := servers.NewAuthority("zookeeper test authority")
	if err != nil {
		t.Fatal(err)
	}
	z := serverstest.ZooKeeper(t, servers.ZooKeeperOptions{TLS: authority, ClientCertificates: true})
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	config.RootCAs.AppendCertsFromPEM(authority.PEM())
	if got, err := askSecurely(z, config); err == nil {
		t.Errorf("srvr without a certificate = %q", got)
	}
	cert, key, err := authority.Issue("client")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	config.Certificates = []tls.Certificate{pair}
	if got, err := askSecurely(z, config); !strings.Contains(got, "Mode: standalone") {
		t.Errorf("srvr with a certificate = %q, %v", got, err)
	}
}

func TestZooKeeperEnsemble(t *testing.T) {
	e := serverstest.ZooKeeperEnsemble(t)
	modes := make(map[string]int)
	for _, z := range e.Members() {
		mode, err := z.Mode(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		modes[mode]++
	}
	if modes["leader"] != 1 || modes["follower"] != 2 {
		t.Errorf("modes = %v, want a leader and two followers", modes)
	}
	typed(t, strings.Join(e.Addresses(), ","), "create /key kept")
	first := leader(t, e)
	first.Kill()
	second := leader(t, e)
	if second == first {
		t.Fatal("who was killed leads")
	}
	if got := typed(t, second.Address(), "get /key"); !strings.Contains(got, "kept") {
		t.Errorf("the new leader says %q, want what was put", got)
	}
	if err := first.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if mode, err := first.Mode(t.Context()); mode != "follower" {
		t.Errorf("Mode() of who came back = %q, %v, want follower", mode, err)
	}
	testWithoutQuorum(t, e, first, second)
}

// One of three serves nobody.
func testWithoutQuorum(t *testing.T, e *servers.ZooKeeperEnsemble, left, leader *servers.ZooKeeper) {
	t.Helper()
	for _, z := range e.Members() {
		if z != left {
			if err := z.Halt(); err != nil {
				t.Fatal(err)
			}
		}
	}
	eventually(t, "one of three serves nobody", func() bool { _, err := left.Mode(t.Context()); return err != nil })
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if z, err := e.Leader(ctx); err == nil {
		t.Errorf("Leader() = %s, want that there is none", z.Address())
	}
	if err := leader.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := typed(t, left.Address(), "get /key"); !strings.Contains(got, "kept") {
		t.Errorf("two of three say %q, want what was put", got)
	}
}

func leader(t *testing.T, e *servers.ZooKeeperEnsemble) *servers.ZooKeeper {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	z, err := e.Leader(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestEnsembleUsesItsDirAgain(t *testing.T) {
	o := servers.ZooKeeperOptions{Options: servers.Options{Dir: t.TempDir()}}
	first := serverstest.ZooKeeperEnsemble(t, o)
	typed(t, first.Addresses()[0], "create /key kept")
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	if got := typed(t, serverstest.ZooKeeperEnsemble(t, o).Addresses()[2], "sync /", "get /key"); !strings.Contains(got, "kept") {
		t.Errorf("a second ensemble in the same folder says %q, want what the first was given", got)
	}
}
