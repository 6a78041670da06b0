package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/isthmus-dns/isthmus/registry/registrytest/proxy"
)

// world is some registries, and the bridge that mirrors the cluster into them, and
// what their own users register into the cluster.
type world struct {
	name    string
	cluster *cluster
	folder  string // of the bridge's secrets
	logs    string // folder of what people may look at afterwards

	registries []mirrored
	inward     *kubeTarget
	watches    []*watch // of the registries, then of inward
	removed    names    // natives that their users took away

	bridge   *replica
	elects   bool
	replicas int
	killed   killing

	mu      sync.Mutex    // guards what follows
	longest time.Duration // to converge, of all times
	report  []string
}

// newWorld prepares a world of registries, and does not start its bridge.
func newWorld(t *testing.T, c *cluster, name string, elects bool, registries ...mirrored) *world {
	t.Helper()
	w := &world{name: name, cluster: c, folder: t.TempDir(), logs: c.logs, elects: elects, registries: registries}
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
	var err error
	if w.bridge, err = w.newReplica(t); err != nil {
		return err
	}
	if err := w.grant(ctx); err != nil {
		return err
	}
	for n, s := range w.sources() {
		for i := range natives {
			if err := s.register(ctx, s.native(fmt.Sprintf("%02d", i)), fmt.Sprintf("10.%d.0.%d", 40+n, i+1)); err != nil {
				return err
			}
		}
	}
	return nil
}

// sources are the registries whose users' services are mirrored into the cluster.
func (w *world) sources() (all []source) {
	for _, r := range w.registries {
		if s, is := r.(source); is {
			all = append(all, s)
		}
	}
	return all
}

// newReplica returns a bridge of the world, which is not started. It ends with the
// test.
func (w *world) newReplica(t *testing.T) (*replica, error) {
	w.replicas++
	p := &replica{
		program: w.cluster.program, folder: t.TempDir(), log: filepath.Join(w.logs, fmt.Sprintf("%s-%d.log", w.name, w.replicas)),
		gates: map[string]*gate{}, links: map[string]links{},
	}
	t.Cleanup(func() { _ = p.stop() })
	for _, r := range w.registries {
		p.gates[r.name()] = newGate()
		for _, server := range r.servers() {
			addr, stop, err := r.before(p.gates[r.name()], server)
			if err != nil {
				return nil, err
			}
			t.Cleanup(stop)
			if err := p.link(t, r.name(), addr); err != nil {
				return nil, err
			}
		}
	}
	if err := w.linkCluster(t, p); err != nil {
		return nil, err
	}
	port, err := w.cluster.freePort()
	if err != nil {
		return nil, err
	}
	p.admin = fmt.Sprintf("127.0.0.1:%d", port)
	return p, os.WriteFile(filepath.Join(p.folder, "bridge.conf"), []byte(w.conf(p)), 0o600)
}

// linkCluster makes the bridge's way to the API server, with a gate where leaders are
// elected.
func (w *world) linkCluster(t *testing.T, p *replica) error {
	url := w.cluster.kube.URL()
	before := strings.TrimPrefix(url, "https://")
	if w.elects {
		p.gates["kubernetes"] = newGate()
		wire, stop, err := newWire(p.gates["kubernetes"], "kubernetes", url, w.cluster.over)
		if err != nil {
			return err
		}
		t.Cleanup(stop)
		before = wire.addr
	}
	if err := p.link(t, "kubernetes", before); err != nil {
		return err
	}
	kubeconfig, err := os.ReadFile(w.cluster.kube.KubeconfigOf("bridge-" + w.name))
	if err != nil {
		return err
	}
	kubeconfig = bytes.ReplaceAll(kubeconfig, []byte(url), []byte("https://"+p.links["kubernetes"].addrs()[0]))
	return os.WriteFile(filepath.Join(p.folder, "kubeconfig"), kubeconfig, 0o600)
}

// link adds a link before a server of a registry.
func (p *replica) link(t *testing.T, registry, server string) error {
	link, err := proxy.New(server)
	if err != nil {
		return err
	}
	t.Cleanup(func() { _ = link.Close() })
	p.links[registry] = append(p.links[registry], link)
	return nil
}

// conf is a bridge's file.
func (w *world) conf(p *replica) string {
	var b strings.Builder
	fmt.Fprintf(&b, `bridge %s {
    kubernetes prod {
        kubeconfig %s/kubeconfig
        fence_namespace isthmus
        compare 20s
    }
`, w.name, p.folder)
	for _, r := range w.registries {
		fmt.Fprintf(&b, "    %s\n", r.stanza(p.links[r.name()].addrs(), w.folder))
	}
	for _, r := range w.registries {
		fmt.Fprintf(&b, `    mirror kubernetes/prod %s {
        namespaces %s
        delete_hold 20s
    }
`, r.origin(), space)
	}
	for _, s := range w.sources() {
		fmt.Fprintf(&b, `    mirror %s kubernetes/prod {
        names in-*
        namespace in-%s
        delete_hold 20s
    }
`, s.origin(), w.name)
	}
	lead := "none"
	if w.elects {
		lead = "kubernetes isthmus/" + w.name
	}
	fmt.Fprintf(&b, "    lead %s\n    admin %s\n}\n", lead, p.admin)
	return b.String()
}

// look begins to watch the targets.
func (w *world) look(t *testing.T) {
	for _, r := range w.registries {
		w.watches = append(w.watches, newWatch(w.name+"/"+r.name(), r, w.cluster.users.deleted))
	}
	w.watches = append(w.watches, newWatch(w.name+"/kubernetes", w.inward, w.removed.has))
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

// targets are the names of all.
func (w *world) targets() (all []string) {
	for _, one := range w.watches {
		all = append(all, strings.TrimPrefix(one.name, w.name+"/"))
	}
	return all
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

// deregister has a registry's users take a service of theirs away.
func (w *world) deregister(ctx context.Context, s source, name string) error {
	w.removed.add(name)
	return s.deregister(ctx, name)
}

// converge waits until the targets are as they should be, while users change nothing,
// and returns after how long. "from NAME" is what comes from a registry into the
// cluster.
func (w *world) converge(ctx context.Context, limit time.Duration, targets ...string) (time.Duration, error) {
	w.cluster.users.still.RLock()
	defer w.cluster.users.still.RUnlock()
	begin := time.Now()
	for _, target := range targets {
		err := until(ctx, time.Until(begin.Add(limit)), fmt.Sprintf("world %s: %s is not as it should be", w.name, target), func() error { return w.equal(ctx, target) })
		if err != nil {
			s, _ := w.bridge.status()
			return time.Since(begin), fmt.Errorf("%w\n%v", err, s)
		}
	}
	taken := time.Since(begin)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.longest = max(w.longest, taken)
	return taken, nil
}

// equal returns an error that says what is not as it should be.
func (w *world) equal(ctx context.Context, target string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if target == "kubernetes" {
		return w.equalInward(ctx, w.sources()...)
	}
	for _, s := range w.sources() {
		if target == "from "+s.name() {
			return w.equalInward(ctx, s)
		}
	}
	got, err := w.watchOf(target).held(ctx)
	if err != nil {
		return err
	}
	if text := differences(w.cluster.users.want(), got); text != "" {
		return errors.New(text)
	}
	return nil
}

// equalInward returns an error that says what in the cluster is not as it should be of
// what comes from these registries.
func (w *world) equalInward(ctx context.Context, from ...source) error {
	want, got := map[string][]string{}, map[string][]string{}
	held, err := w.inward.held(ctx)
	if err != nil {
		return err
	}
	for _, s := range from {
		natives, err := s.natives(ctx)
		if err != nil {
			return err
		}
		maps.Copy(want, natives)
		for name, addresses := range held {
			if strings.HasPrefix(name, s.native("")) {
				got[name] = addresses
			}
		}
	}
	if text := differences(want, got); text != "" {
		return errors.New(text)
	}
	return nil
}

// right returns an error unless every target is as it should be.
func (w *world) right(ctx context.Context) error {
	var errs []error
	for _, target := range w.targets() {
		errs = append(errs, w.equal(ctx, target))
	}
	return errors.Join(errs...)
}

// tell adds to the report.
func (w *world) tell(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.report = append(w.report, fmt.Sprintf(format, args...))
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
	printed := map[string]string{}
	for _, r := range all {
		printed[r.Origin] = r.Text
	}
	if err := w.cluster.bind(ctx, "bridge-"+w.name, printed["kubernetes/prod"]); err != nil {
		return fmt.Errorf("grant what is printed for the cluster: %w", err)
	}
	for _, r := range w.registries {
		if err := r.grant(ctx, printed[r.origin()], w.folder); err != nil {
			return fmt.Errorf("grant what is printed for %s: %w", r.origin(), err)
		}
	}
	return nil
}
