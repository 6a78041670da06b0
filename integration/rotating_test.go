package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/isthmus-dns/isthmus/integration/servers"
	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
)

// newRotation starts the servers, by the old authority.
func newRotation(ctx context.Context, t *testing.T) *rotation {
	r := &rotation{t: t, folder: t.TempDir(), ports: map[string]int{}, w: &world{bin: t.TempDir()}}
	r.w.build(ctx, t, "isthmus", raceFlags()...)
	r.w.build(ctx, t, "coredns")
	var err error
	for _, a := range []**servers.Authority{&r.old, &r.new} {
		if *a, err = servers.NewAuthority("authority"); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"consul", "etcd", "plain", "dns", "admin"} {
		if r.ports[name], err = freePort(); err != nil {
			t.Fatal(err)
		}
	}
	r.write("servers-ca", r.old.PEM())
	r.write("ca", r.old.PEM())
	for _, name := range []string{"server", rotating} {
		r.issue(r.old, name)
	}
	r.startServers(ctx)
	if r.kubeAuthority, err = os.ReadFile(r.kube.CAFile()); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rotation) startServers(ctx context.Context) {
	var err error
	r.consul, err = servers.StartConsul(ctx, servers.Options{Log: progress, Args: []string{"-hcl", fmt.Sprintf(`
		acl { enabled = true, default_policy = "deny", tokens { initial_management = %[1]q, default = %[1]q } }
		ports { https = %[2]d }
		tls { https { ca_file = %[3]q, cert_file = %[4]q, key_file = %[5]q, verify_incoming = true } }`,
		managesConsul, r.ports["consul"], r.file("servers-ca"), r.file("server.crt"), r.file("server.key"))}})
	r.started(err, func() error { return r.consul.Stop() })
	r.askConsul(http.MethodPut, "/v1/agent/token/default", `{"Token": ""}`)
	r.etcd, err = servers.StartEtcd(ctx, servers.Options{Log: progress, Port: r.ports["plain"], Args: []string{
		fmt.Sprintf("--listen-client-urls=http://127.0.0.1:%d,https://127.0.0.1:%d", r.ports["plain"], r.ports["etcd"]),
		"--client-cert-auth", "--trusted-ca-file=" + r.file("servers-ca"), "--cert-file=" + r.file("server.crt"), "--key-file=" + r.file("server.key")}})
	r.started(err, func() error { return r.etcd.Stop() })
	r.kube, err = servers.StartKubernetes(ctx, servers.KubernetesOptions{Options: servers.Options{Log: progress, Args: []string{
		"--client-ca-file=" + r.file("servers-ca")}}})
	r.started(err, func() error { return r.kube.Stop() })
}

func (r *rotation) started(err error, stop func() error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { stopped(r.t, "a server", stop) })
}

func (r *rotation) file(name string) string { return filepath.Join(r.folder, name) }

// write replaces a file as a whole, as kubelet and good agents do.
func (r *rotation) write(name string, text []byte) {
	r.t.Helper()
	err := os.WriteFile(r.file(name)+".new", text, 0o600)
	if err == nil {
		err = os.Rename(r.file(name)+".new", r.file(name))
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rotation) issue(by *servers.Authority, name string) {
	r.t.Helper()
	cert, key, err := by.Issue(name)
	if err != nil {
		r.t.Fatal(err)
	}
	r.write(name+".crt", cert)
	r.write(name+".key", key)
}

func (r *rotation) until(ctx context.Context, what string, ok func() error) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for tick := time.NewTicker(50 * time.Millisecond); ; {
		err := ok()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			r.t.Fatalf("%s: %v\n%s%s", what, err, r.log.String(), r.dnsLog.String())
		}
	}
}

// send is for administrators; it fails the test unless it is done.
func (r *rotation) send(method, url, header, token, kind, body string) []byte {
	r.t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set(header, token)
	req.Header.Set("Content-Type", kind)
	answer, err := client().Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode >= 300 {
		r.t.Fatalf("%s %s: %s %s, %v", method, url, answer.Status, text, err)
	}
	return text
}

func (r *rotation) askConsul(method, path, body string) []byte {
	r.t.Helper()
	return r.send(method, r.consul.URL()+path, "X-Consul-Token", managesConsul, "application/json", body)
}

func (r *rotation) askKube(method, path, kind, body string) []byte {
	r.t.Helper()
	return r.send(method, r.kube.URL()+path, "Authorization", "Bearer "+r.kube.Token(), kind, body)
}

// apply applies an object of which the path is known.
func (r *rotation) apply(path, body string) {
	r.t.Helper()
	r.askKube(http.MethodPatch, path+"?fieldManager=test&force=true", "application/apply-patch+yaml", body)
}

func (r *rotation) etcdctl(args ...string) string {
	r.t.Helper()
	ctl, err := servers.Build(context.Background(), servers.Etcdctl, progress)
	if err != nil {
		r.t.Fatal(err)
	}
	cmd := exec.Command(ctl, args...)
	cmd.Env = []string{"ETCDCTL_ENDPOINTS=" + r.etcd.Endpoint()}
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("etcdctl %s: %v: %s", args, err, out)
	}
	return string(out)
}

// asRoot is etcdctl once rights count.
func (r *rotation) asRoot(args ...string) string {
	r.t.Helper()
	return r.etcdctl(append([]string{"--user=root:root"}, args...)...)
}

// start grants what is printed, and starts the bridge and the DNS server.
func (r *rotation) start(ctx context.Context) {
	r.write("kube-ca", r.kubeAuthority)
	r.write("bridge.conf", fmt.Appendf(nil, rotatingConf, r.folder, r.ports["consul"], r.ports["etcd"], r.ports["admin"]))
	r.write("kubeconfig", fmt.Appendf(nil, rotatingKubeconfig, r.kube.URL(), r.folder))
	r.write("Corefile", fmt.Appendf(nil, rotatingCorefile, r.folder, r.ports["dns"], r.kube.URL()))
	for _, ns := range []string{"isthmus", "shop", "in"} {
		r.apply("/api/v1/namespaces/"+ns, "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+ns+"}\n")
	}
	r.apply("/api/v1/namespaces/isthmus/serviceaccounts/rotating", "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: rotating}\n")
	r.apply("/api/v1/namespaces/shop/services/web", "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {clusterIP: None, ports: [{name: http, port: 80}]}\n")
	r.grant(ctx)
	r.renewToken()
	r.newServiceToken()
	r.run("isthmus", &r.log, "bridge", "-conf", r.file("bridge.conf"))
	r.run("coredns", &r.dnsLog, "-conf", r.file("Corefile"))
}

// grant does what who reads the printed rights would.
func (r *rotation) grant(ctx context.Context) {
	out, err := exec.CommandContext(ctx, filepath.Join(r.w.bin, "isthmus"), "rights", "-conf", r.file("bridge.conf"), "-o", "json").Output()
	var rights []struct{ Origin, Text string }
	if err == nil {
		err = json.Unmarshal(out, &rights)
	}
	if err != nil || len(rights) != 3 {
		r.t.Fatalf("rights: %v: %s", err, out)
	}
	for _, at := range rights {
		switch at.Origin {
		case "kubernetes/prod":
			for doc := range strings.SplitSeq(at.Text, "---\n") {
				r.bind(doc)
			}
		case "consul/dc1":
			body, _ := json.Marshal(map[string]string{"Name": rotating, "Rules": at.Text}) // of strings alone
			r.askConsul(http.MethodPut, "/v1/acl/policy", string(body))
		case "etcd/edge":
			for line := range strings.Lines(at.Text) {
				args := strings.Fields(strings.ReplaceAll(line, "'", ""))
				r.etcdctl(args[1:]...)
			}
		}
	}
	for _, line := range []string{"user add root:root", "user grant-role root root", "user add rotating:first", "user grant-role rotating isthmus-rotating", "auth enable"} {
		r.etcdctl(strings.Fields(line)...)
	}
	r.write("user", []byte("rotating:first"))
}

// bind applies a role and binds it to the bridge, and one for all namespaces to the
// DNS server as well.
func (r *rotation) bind(doc string) {
	r.t.Helper()
	var role struct {
		Kind     string
		Metadata struct{ Name, Namespace string }
	}
	if err := yaml.Unmarshal([]byte(doc), &role); err != nil {
		r.t.Fatal(err)
	}
	path := "/apis/rbac.authorization.k8s.io/v1/"
	if role.Metadata.Namespace != "" {
		path += "namespaces/" + role.Metadata.Namespace + "/"
	}
	path += strings.ToLower(role.Kind)
	r.apply(path+"s/"+role.Metadata.Name, doc)
	r.apply(path+"bindings/"+role.Metadata.Name, fmt.Sprintf(`apiVersion: rbac.authorization.k8s.io/v1
kind: %[1]sBinding
metadata: {name: %[2]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: %[1]s, name: %[2]s}
subjects:
- {kind: User, apiGroup: rbac.authorization.k8s.io, name: "system:serviceaccount:isthmus:rotating"}
- {kind: User, apiGroup: rbac.authorization.k8s.io, name: rotating}
`, role.Kind, role.Metadata.Name))
}

// run starts a program, which ends with the test.
func (r *rotation) run(program string, log *serverstest.Output, args ...string) {
	r.t.Helper()
	cmd := exec.Command(filepath.Join(r.w.bin, program), args...)
	cmd.Env = []string{"HOME=" + r.folder, "PATH=" + os.Getenv("PATH")}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			r.t.Errorf("%s: %v\n%s", program, err, log.String())
		}
	})
}

const rotatingConf = `bridge rotating {
	kubernetes prod {
		kubeconfig %[1]s/kubeconfig
		fence_namespace isthmus
	}
	consul dc1 https://127.0.0.1:%[2]d {
		token_file %[1]s/token
		ca_file %[1]s/ca
		cert_file %[1]s/rotating.crt
		key_file %[1]s/rotating.key
	}
	etcd edge https://127.0.0.1:%[3]d {
		user_file %[1]s/user
		ca_file %[1]s/ca
		cert_file %[1]s/rotating.crt
		key_file %[1]s/rotating.key
	}
	mirror kubernetes/prod consul/dc1 {
		namespaces shop
		name k8s-{service}
	}
	mirror kubernetes/prod etcd/edge {
		namespaces shop
	}
	mirror consul/dc1 kubernetes/prod {
		namespace in
	}
	lead kubernetes isthmus/bridge
	admin 127.0.0.1:%[4]d
}
`

const rotatingKubeconfig = `apiVersion: v1
kind: Config
clusters:
- name: c
  cluster: {server: "%[1]s", certificate-authority: "%[2]s/kube-ca"}
users:
- name: u
  user: {tokenFile: "%[2]s/kube-token"}
contexts:
- name: x
  context: {cluster: c, user: u}
current-context: x
`

const rotatingCorefile = `cluster.local:%[2]d {
	bind 127.0.0.1
	isthmus {
		kubernetes prod {
			endpoint %[3]s
			tls %[1]s/rotating.crt %[1]s/rotating.key %[1]s/kube-ca
		}
	}
}
`
