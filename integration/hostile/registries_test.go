package hostile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/miekg/dns"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/isthmus-dns/isthmus/integration/servers"
	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
)

const (
	zone     = "/skydns/local/cluster/"
	goods    = 50       // services of each registry that stay right throughout
	large    = 10 << 20 // bytes of one value
	children = 100_000  // records below one name
	patience = 60 * time.Second
)

// registries are a real Consul, etcd and ZooKeeper to which somebody writes what he
// should not, one more of each behind what makes their answers endless, and the programs
// that read all six.
type registries struct {
	consul  *servers.Consul
	etcd    *servers.Etcd
	client  *clientv3.Client // of that etcd
	zk      *servers.ZooKeeper
	znodes  *zk.Conn // of that ZooKeeper
	kube    *servers.Kubernetes
	api     kubernetes.Interface
	endless *endless

	bridge, dns   *program
	admin, server string // addresses
}

// program is one that runs until the end of the test.
type program struct {
	name   string
	cmd    *exec.Cmd
	log    string
	exited chan struct{}
}

func startRegistries(t *testing.T) *registries {
	t.Helper()
	w := &registries{
		// Etcd lets as much in as an answer of it may have here, and Consul what one request is.
		etcd:   serverstest.Etcd(t, servers.Options{Args: []string{"--max-request-bytes=33554432", "--max-txn-ops=1000"}}),
		consul: serverstest.Consul(t, servers.Options{Args: []string{"-hcl", "limits { http_max_conns_per_client = 1000 }"}}),
		kube:   serverstest.Kubernetes(t),
	}
	w.zk = serverstest.ZooKeeper(t, servers.ZooKeeperOptions{Options: servers.Options{Args: []string{"-Xmx1g"}}, MaxBuffer: 32 << 20})
	w.znodes = connect(t, w.zk.Address())
	named(t, w.znodes, "real")
	w.endless = startEndless(t)
	var err error
	if w.client, err = clientv3.New(clientv3.Config{Endpoints: []string{w.etcd.Endpoint()}, MaxCallSendMsgSize: 32 << 20, Logger: zap.NewNop()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.client.Close() })
	to, err := clientcmd.BuildConfigFromFlags("", w.kube.Kubeconfig())
	if err == nil {
		to.QPS = -1
		w.api, err = kubernetes.NewForConfig(to)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, ns := range []string{"hostile", "endless"} {
		if _, err := w.api.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	w.start(t)
	return w
}

// start builds the programs and runs them.
func (w *registries) start(t *testing.T) {
	t.Helper()
	folder := t.TempDir()
	dnsPort, adminPort := freePort(t), freePort(t)
	w.server, w.admin = fmt.Sprintf("127.0.0.1:%d", dnsPort), fmt.Sprintf("127.0.0.1:%d", adminPort)
	origins := fmt.Sprintf(`
    kubernetes prod {
        kubeconfig %s
    }
    consul dc1 %s
    etcd edge %s
    consul endless %s
    etcd forever %s
    zookeeper vms %s
    zookeeper always %s
`, w.kube.Kubeconfig(), w.consul.URL(), w.etcd.Endpoint(), w.endless.consulURL, w.endless.etcdURL, w.zk.Address(), w.endless.zookeeperAddress)
	files := map[string]string{
		"Corefile": fmt.Sprintf("cluster.local:%d {\n    bind 127.0.0.1\n    errors\n    isthmus {%s    }\n}\n", dnsPort, origins),
		"bridge.conf": fmt.Sprintf(`bridge hostile {%s    mirror consul/dc1 kubernetes/prod {
        namespace hostile
    }
    mirror etcd/edge kubernetes/prod {
        namespaces *
        namespace hostile
    }
    mirror consul/endless kubernetes/prod {
        namespace endless
    }
    mirror etcd/forever kubernetes/prod {
        namespaces *
        namespace endless
    }
    mirror zookeeper/vms kubernetes/prod {
        namespace hostile
    }
    mirror zookeeper/always kubernetes/prod {
        namespace endless
        name zk-{service}
    }
    lead none
    admin %s
}
`, origins, w.admin),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.bridge = run(t, folder, "isthmus", "bridge", "-conf", filepath.Join(folder, "bridge.conf"))
	w.dns = run(t, folder, "coredns", "-quiet", "-conf", filepath.Join(folder, "Corefile"))
}

// run builds one of our programs and starts it.
func run(t *testing.T, folder, name string, args ...string) *program {
	t.Helper()
	binary := filepath.Join(folder, name)
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../../build/"+name).CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	p := &program{name: name, cmd: exec.Command(binary, args...), log: filepath.Join(t.ArtifactDir(), name+".log"), exited: make(chan struct{})}
	log, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + folder}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { defer close(p.exited); _ = p.cmd.Wait() }()
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); <-p.exited })
	return p
}

// alive holds that it runs.
func (p *program) alive(t *testing.T) {
	t.Helper()
	select {
	case <-p.exited:
		t.Fatalf("%s ended: %v\n%s", p.name, p.cmd.ProcessState, p.tail(t))
	default:
	}
}

func (p *program) tail(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(p.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(text[max(len(text)-4000, 0):])
}

// end stops it as people do, and holds that it ends well and said little.
func (p *program) end(t *testing.T) {
	t.Helper()
	p.alive(t)
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.exited:
	case <-time.After(patience):
		t.Fatalf("%s does not end", p.name)
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("%s ended with %d:\n%s", p.name, code, p.tail(t))
	}
	if text, err := os.ReadFile(p.log); err != nil || bytes.Contains(text, []byte("panic")) || len(text) > 4<<20 {
		t.Errorf("%s: log of %d bytes, %v, or with a panic:\n%s", p.name, len(text), err, p.tail(t))
	}
}

// request asks Consul or the bridge.
func request(ctx context.Context, method, url string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %.300q", method, url, resp.Status, text)
	}
	return text, err
}

func good(registry string, i int) (name, address string) {
	return fmt.Sprintf("good-%s-%d", registry, i), fmt.Sprintf("10.41.%d.%d", len(registry), i+1)
}

// all are the registries that have good services.
func all() []string { return []string{"consul", "etcd", "zookeeper"} }

// registerGood registers what is right in each of them.
func (w *registries) registerGood(ctx context.Context) error {
	for i := range goods {
		name, address := good("consul", i)
		if err := w.register(ctx, "good", map[string]any{"ID": name, "Service": name, "Address": address, "Port": 80}, nil); err != nil {
			return err
		}
		name, address = good("etcd", i)
		if _, err := w.client.Put(ctx, zone+name+"/a", `{"host":"`+address+`","port":80}`); err != nil {
			return err
		}
		name, address = good("zookeeper", i)
		if err := node(w.znodes, "/services/"+name+"/a", instanceAt(address)); err != nil {
			return err
		}
	}
	return nil
}

// register registers an instance in Consul, and may be a check.
func (w *registries) register(ctx context.Context, node string, service, check map[string]any) error {
	all := map[string]any{"Node": node, "Address": "10.42.0.1"}
	if service != nil {
		all["Service"] = service
	}
	if check != nil {
		all["Check"] = check
	}
	body, err := json.Marshal(all)
	if err == nil {
		_, err = request(ctx, http.MethodPut, w.consul.URL()+"/v1/catalog/register", body)
	}
	return err
}

// answered asks for one name over DNS.
func (w *registries) answered(name, registry, address string) error {
	client := dns.Client{Timeout: 5 * time.Second}
	m, _, err := client.Exchange(new(dns.Msg).SetQuestion(name+"."+registry+".svc.cluster.local.", dns.TypeA), w.server)
	if err == nil && (len(m.Answer) != 1 || !strings.HasSuffix(m.Answer[0].String(), "\t"+address)) {
		err = fmt.Errorf("%s in %s is not %s alone: %v", name, registry, address, m)
	}
	return err
}

// askOnce asks for all that is right over DNS, and returns how many answers there
// were.
func (w *registries) askOnce() (asked int, err error) {
	for _, registry := range all() {
		for i := range goods {
			name, address := good(registry, i)
			if err := w.answered(name, registry, address); err != nil {
				return asked, err
			}
			asked++
		}
	}
	return asked, nil
}

// mirrored returns an error if something of what is right is not in Kubernetes.
func (w *registries) mirrored(ctx context.Context) error {
	for _, registry := range all() {
		for i := range goods {
			name, address := good(registry, i)
			if err := w.holds(ctx, "hostile", name, address); err != nil {
				return err
			}
		}
	}
	return nil
}

// holds returns an error if Kubernetes has not one slice with one address of a
// service.
func (w *registries) holds(ctx context.Context, namespace, name, address string) error {
	list, err := w.api.DiscoveryV1().EndpointSlices(namespace).List(ctx, metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + name})
	if err == nil && (len(list.Items) != 1 || len(list.Items[0].Endpoints) != 1 || list.Items[0].Endpoints[0].Addresses[0] != address) {
		err = fmt.Errorf("%s/%s in Kubernetes is not %s alone: %.500v", namespace, name, address, list.Items)
	}
	return err
}

// ask asks for what is right again and again until the function that it returns is
// called, which returns how often. Not one answer may be wrong, and none be lost for
// more than a moment.
func (w *registries) ask(t *testing.T) (stop func() int) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	asked := 0
	wg.Go(func() {
		for ctx.Err() == nil {
			n, err := w.askOnce()
			if asked += n; err != nil {
				t.Errorf("after %d answers: %v", asked, err)
				return
			}
		}
	})
	return func() int {
		cancel()
		wg.Wait()
		return asked
	}
}

// until waits for what becomes true.
func until(ctx context.Context, what string, do func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := do()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%s: %w", what, ctx.Err()), err)
		}
	}
}
