package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/isthmus-dns/isthmus/integration/servers"
	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
	"github.com/isthmus-dns/isthmus/registry/registrytest/proxy"
)

const (
	natives    = 40 // services of Consul's own users
	management = "11111111-1111-1111-1111-111111111111"
)

// world is a Consul, an etcd, and the bridge that mirrors the cluster into both, and
// Consul's own services into the cluster.
type world struct {
	name    string
	cluster *cluster
	consul  *servers.Consul
	etcd    *servers.Etcd
	folder  string // of the bridge's files
	logs    string // folder of what people may look at afterwards

	inConsul *consulTarget
	inEtcd   *etcdTarget
	inward   *kubeTarget
	watches  []*watch
	removed  names // natives that their users took away

	policy, rules string // Consul's policy of the bridge, and its text
	bridge        *replica
	elects        bool
	replicas      int
	longest       time.Duration // to converge, of all times
	report        report
}

// newWorld starts a world, and not its bridge.
func newWorld(t *testing.T, c *cluster, name string, elects bool) *world {
	t.Helper()
	w := &world{name: name, cluster: c, folder: t.TempDir(), logs: c.logs, elects: elects}
	w.consul = serverstest.Consul(t, servers.Options{Args: []string{"-hcl",
		`acl { enabled = true, default_policy = "deny", tokens { initial_management = "` + management + `", default = "` + management + `" } }`}})
	w.etcd = serverstest.Etcd(t)
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{w.etcd.Endpoint()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.inEtcd.client.Close() }) // not this one: see makeRole
	w.inConsul = &consulTarget{url: w.consul.URL(), owner: name, token: management}
	w.inEtcd = &etcdTarget{client}
	w.inward = &kubeTarget{api: c.api, namespace: "in-" + name}
	if err := w.prepare(t); err != nil {
		t.Fatalf("world %s: %v", name, err)
	}
	w.look(t)
	return w
}

func (w *world) prepare(t *testing.T) error {
	ctx := t.Context()
	if _, err := w.cluster.api.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.inward.namespace}}, metav1.CreateOptions{}); err != nil {
		return err
	}
	for i := range natives {
		if err := w.register(ctx, fmt.Sprintf("in-%02d", i), fmt.Sprintf("10.40.0.%d", i+1)); err != nil {
			return err
		}
	}
	for file, text := range map[string]string{"token": "none-yet", "user": "bridge:secret"} {
		if err := os.WriteFile(filepath.Join(w.folder, file), []byte(text), 0o600); err != nil {
			return err
		}
	}
	var err error
	if w.bridge, err = w.newReplica(t); err != nil {
		return err
	}
	return w.grant(ctx)
}

// newReplica returns a bridge of the world, which is not started. It ends with the
// test.
func (w *world) newReplica(t *testing.T) (*replica, error) {
	w.replicas++
	p := &replica{
		program: w.cluster.program, folder: t.TempDir(), log: filepath.Join(w.logs, fmt.Sprintf("%s-%d.log", w.name, w.replicas)),
		wires: map[string]*wire{}, links: map[string]*proxy.Proxy{},
	}
	for name, url := range map[string]string{"consul": w.consul.URL(), "etcd": w.etcd.Endpoint(), "kubernetes": w.cluster.kube.URL()} {
		before := strings.TrimPrefix(url, "https://")
		if name != "kubernetes" || w.elects {
			wire, stop, err := newWire(name, url, w.cluster.over)
			if err != nil {
				return nil, err
			}
			t.Cleanup(stop)
			p.wires[name], before = wire, wire.addr
		}
		link, err := proxy.New(before)
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { _ = link.Close() })
		p.links[name] = link
	}
	t.Cleanup(func() { _ = p.stop() })
	port, err := w.cluster.freePort()
	if err != nil {
		return nil, err
	}
	p.admin = fmt.Sprintf("127.0.0.1:%d", port)
	kubeconfig, err := os.ReadFile(w.cluster.kube.KubeconfigOf("bridge-" + w.name))
	if err != nil {
		return nil, err
	}
	kubeconfig = bytes.ReplaceAll(kubeconfig, []byte(w.cluster.kube.URL()), []byte("https://"+p.links["kubernetes"].Addr()))
	return p, errors.Join(
		os.WriteFile(filepath.Join(p.folder, "kubeconfig"), kubeconfig, 0o600),
		os.WriteFile(filepath.Join(p.folder, "bridge.conf"), []byte(w.conf(p)), 0o600),
	)
}

// conf is a bridge's file.
func (w *world) conf(p *replica) string {
	lead := "none"
	if w.elects {
		lead = "kubernetes isthmus/" + w.name
	}
	return fmt.Sprintf(`bridge %[1]s {
    kubernetes prod {
        kubeconfig %[8]s/kubeconfig
        fence_namespace isthmus
        compare 20s
    }
    consul dc1 http://%[3]s {
        token_file %[2]s/token
        nodes 16
        compare 20s
    }
    etcd edge http://%[4]s {
        user_file %[2]s/user
        compare 20s
    }
    mirror kubernetes/prod consul/dc1 {
        namespaces %[5]s
        delete_hold 20s
    }
    mirror kubernetes/prod etcd/edge {
        namespaces %[5]s
        delete_hold 20s
    }
    mirror consul/dc1 kubernetes/prod {
        names in-*
        namespace in-%[1]s
        delete_hold 20s
    }
    lead %[6]s
    admin %[7]s
}
`, w.name, w.folder, p.links["consul"].Addr(), p.links["etcd"].Addr(), space, lead, p.admin, p.folder)
}

// look begins to watch the targets.
func (w *world) look(t *testing.T) {
	w.watches = []*watch{
		newWatch(w.name+"/consul", w.inConsul, w.cluster.users.deleted),
		newWatch(w.name+"/etcd", w.inEtcd, w.cluster.users.deleted),
		newWatch(w.name+"/kubernetes", w.inward, w.removed.has),
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{}, len(w.watches))
	for _, one := range w.watches {
		go func() { one.run(ctx); ended <- struct{}{} }()
	}
	t.Cleanup(func() {
		cancel()
		for range w.watches {
			<-ended
		}
	})
}

func (w *world) watchOf(target string) *watch {
	for _, one := range w.watches {
		if one.name == w.name+"/"+target {
			return one
		}
	}
	return nil
}

// losses are all that went although it lived.
func (w *world) losses() (all []string) {
	for _, one := range w.watches {
		<-one.mu
		all = append(all, one.losses...)
		one.mu <- struct{}{}
	}
	return all
}

// register is done by a user of Consul, on a machine of its own.
func (w *world) register(ctx context.Context, name, address string) error {
	body := fmt.Sprintf(`{"Node":"vm","Address":"10.0.0.9","Service":{"Service":%q,"Address":%q,"Port":5432}}`, name, address)
	_, err := w.inConsul.ask(ctx, "PUT", "/v1/catalog/register", strings.NewReader(body), nil)
	return err
}

func (w *world) deregister(ctx context.Context, name string) error {
	w.removed.add(name)
	_, err := w.inConsul.ask(ctx, "PUT", "/v1/catalog/deregister", strings.NewReader(fmt.Sprintf(`{"Node":"vm","ServiceID":%q}`, name)), nil)
	return err
}

// converge waits until every target is as it should be, while users change nothing,
// and returns after how long.
func (w *world) converge(ctx context.Context, limit time.Duration) (time.Duration, error) {
	w.cluster.users.still.RLock()
	defer w.cluster.users.still.RUnlock()
	begin := time.Now()
	for _, target := range []string{"consul", "etcd", "kubernetes"} {
		err := until(ctx, time.Until(begin.Add(limit)), fmt.Sprintf("world %s: %s is not as it should be", w.name, target), func() error { return w.equal(ctx, target) })
		if err != nil {
			s, _ := w.bridge.status()
			return time.Since(begin), fmt.Errorf("%w\n%v", err, s)
		}
	}
	taken := time.Since(begin)
	w.longest = max(w.longest, taken)
	return taken, nil
}

// equal returns an error that says what is not as it should be.
func (w *world) equal(ctx context.Context, target string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	want, watch := w.cluster.users.want(), w.watchOf(target)
	if target == "kubernetes" {
		var err error
		if want, err = w.inConsul.instances(ctx, `Node == "vm"`); err != nil {
			return err
		}
	}
	got, err := watch.held(ctx)
	if err != nil {
		return err
	}
	if text := differences(want, got); text != "" {
		return errors.New(text)
	}
	return nil
}

// grant gives the bridge the rights that its program prints.
func (w *world) grant(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, w.cluster.program, "rights", "-conf", filepath.Join(w.bridge.folder, "bridge.conf"), "-o", "json").Output()
	if err != nil {
		return fmt.Errorf("print rights: %w", err)
	}
	var all []struct{ Origin, Text string }
	if err := json.Unmarshal(out, &all); err != nil {
		return err
	}
	for _, r := range all {
		switch kind, _, _ := strings.Cut(r.Origin, "/"); kind {
		case "kubernetes":
			err = w.cluster.bind(ctx, "bridge-"+w.name, r.Text)
		case "consul":
			err = w.makeToken(ctx, r.Text)
		case "etcd":
			err = w.makeRole(ctx, r.Text)
		}
		if err != nil {
			return fmt.Errorf("grant what is printed for %s: %w", r.Origin, err)
		}
	}
	return nil
}

func (w *world) makeToken(ctx context.Context, rules string) error {
	put := func(path string, in any) (out struct{ ID, SecretID string }, err error) {
		body, err := json.Marshal(in)
		if err == nil {
			_, err = w.inConsul.ask(ctx, "PUT", path, bytes.NewReader(body), &out)
		}
		return out, err
	}
	policy, err := put("/v1/acl/policy", map[string]string{"Name": "isthmus", "Rules": rules})
	if err != nil {
		return err
	}
	w.policy, w.rules = policy.ID, rules
	token, err := put("/v1/acl/token", map[string]any{"Policies": []any{map[string]string{"ID": policy.ID}}})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(w.folder, "token"), []byte(token.SecretID), 0o600)
}

// allow changes what Consul lets the bridge do.
func (w *world) allow(ctx context.Context, rules string) error {
	body, err := json.Marshal(map[string]string{"Name": "isthmus", "Rules": rules})
	if err == nil {
		_, err = w.inConsul.ask(ctx, "PUT", "/v1/acl/policy/"+w.policy, bytes.NewReader(body), nil)
	}
	return err
}

// makeRole runs the commands that are printed, makes users, and turns access control
// on. From then on the target is asked as root.
func (w *world) makeRole(ctx context.Context, commands string) error {
	cmd := exec.CommandContext(ctx, "sh", "-e", "-c", strings.ReplaceAll(commands, "etcdctl ", `"$ETCDCTL" `))
	cmd.Env = append(os.Environ(), "ETCDCTL="+w.cluster.etcdctl, "ETCDCTL_ENDPOINTS="+w.etcd.Endpoint())
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	e := w.inEtcd.client
	for _, step := range []func() error{
		func() error { _, err := e.UserAdd(ctx, "root", "root"); return err },
		func() error { _, err := e.UserGrantRole(ctx, "root", "root"); return err },
		func() error { _, err := e.UserAdd(ctx, "bridge", "secret"); return err },
		func() error { _, err := e.UserGrantRole(ctx, "bridge", "isthmus-"+w.name); return err },
		func() error { _, err := e.AuthEnable(ctx); return err },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return w.inEtcd.renew(w.etcd.Endpoint())
}

// freePort returns a port of 127.0.0.1 that is free now, below those of outgoing
// connections, and is given once.
func (c *cluster) freePort() (int, error) {
	for c.port = max(c.port, 30000) + 1; c.port < 32768; c.port++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", c.port))
		if err == nil {
			_ = l.Close()
			return c.port, nil
		}
	}
	return 0, errors.New("no free port")
}
