package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/isthmus-dns/isthmus/integration/servers"
	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
	"github.com/isthmus-dns/isthmus/registry/all"
)

// guarded are real servers where nobody may do anything but their administrators.
type guarded struct {
	kube   *servers.Kubernetes
	admin  kubernetes.Interface
	consul *servers.Consul
	etcd   *clientv3.Client
	conf   string
	folder string
}

const management = "11111111-1111-1111-1111-111111111111"

func startGuarded(t *testing.T) *guarded {
	t.Helper()
	g := &guarded{kube: serverstest.Kubernetes(t), folder: t.TempDir()}
	to, err := clientcmd.BuildConfigFromFlags("", g.kube.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	if g.admin, err = kubernetes.NewForConfig(to); err != nil {
		t.Fatal(err)
	}
	g.consul = serverstest.Consul(t, servers.Options{Args: []string{"-hcl",
		`acl { enabled = true, default_policy = "deny", tokens { initial_management = "` + management + `", default = "` + management + `" } }`}})
	g.ask(t, "/v1/agent/token/default", map[string]string{"Token": ""}, nil) // it was wanted to start
	etcd := serverstest.Etcd(t)
	if g.etcd, err = clientv3.New(clientv3.Config{Endpoints: []string{etcd.Endpoint()}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.etcd.Close() })
	token, user := filepath.Join(g.folder, "token"), filepath.Join(g.folder, "user")
	g.conf = fmt.Sprintf(`bridge prod {
	kubernetes prod {
		kubeconfig %s
		fence_namespace isthmus
	}
	consul dc1 %s {
		token_file %s
	}
	etcd edge %s {
		user_file %s
	}
	mirror kubernetes/prod consul/dc1 {
		name k8s-{service}
	}
	mirror kubernetes/prod etcd/edge {
		namespaces shop
	}
	mirror consul/dc1 kubernetes/prod {
		namespace consul
	}
	lead kubernetes isthmus/bridge
}
`, g.kube.KubeconfigOf("isthmus-bridge"), g.consul.URL(), token, etcd.Endpoint(), user)
	for file, text := range map[string]string{token: "none-yet", user: "prod:secret"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

// grant grants what is printed, as an administrator who reads it would.
func (g *guarded) grant(t *testing.T, c *Config) {
	t.Helper()
	for _, r := range c.Rights() {
		switch r.Origin.Type() {
		case "kubernetes":
			for doc := range strings.SplitSeq(r.Text, "---\n") {
				g.bind(t, doc)
			}
		case "consul":
			g.policy(t, r.Text)
		case "etcd":
			g.role(t, r.Text)
		}
	}
}

// bind makes a role and gives it to the bridge.
func (g *guarded) bind(t *testing.T, text string) {
	t.Helper()
	var role rbacv1.Role
	err := yaml.UnmarshalStrict([]byte(text), &role)
	name := metav1.ObjectMeta{Name: role.Name, Namespace: role.Namespace}
	who := []rbacv1.Subject{{Kind: "User", APIGroup: rbacv1.GroupName, Name: "isthmus-bridge"}}
	to := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: role.Kind, Name: role.Name}
	rbac, ctx, opts := g.admin.RbacV1(), t.Context(), metav1.CreateOptions{}
	if err == nil && role.Kind == "ClusterRole" {
		if _, err = rbac.ClusterRoles().Create(ctx, &rbacv1.ClusterRole{ObjectMeta: name, Rules: role.Rules}, opts); err == nil {
			_, err = rbac.ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{ObjectMeta: name, Subjects: who, RoleRef: to}, opts)
		}
	} else if err == nil {
		if _, err = rbac.Roles(role.Namespace).Create(ctx, &role, opts); err == nil {
			_, err = rbac.RoleBindings(role.Namespace).Create(ctx, &rbacv1.RoleBinding{ObjectMeta: name, Subjects: who, RoleRef: to}, opts)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range role.Rules {
		g.inForce(t, role.Namespace, r)
	}
}

// inForce waits until the server has taken a rule up, which it does by a watch.
func (g *guarded) inForce(t *testing.T, ns string, r rbacv1.PolicyRule) {
	t.Helper()
	what := &authorizationv1.ResourceAttributes{Namespace: ns, Group: r.APIGroups[0], Resource: r.Resources[0], Verb: r.Verbs[0]}
	if len(r.ResourceNames) > 0 {
		what.Name = r.ResourceNames[0]
	}
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: "isthmus-bridge", ResourceAttributes: what}}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for tick := time.NewTicker(50 * time.Millisecond); ; <-tick.C {
		answer, err := g.admin.AuthorizationV1().SubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
		if err != nil {
			t.Fatalf("may not yet %s %s: %v", what.Verb, what.Resource, err)
		}
		if answer.Status.Allowed {
			return
		}
	}
}

// policy makes a token and puts it where the bridge reads it.
func (g *guarded) policy(t *testing.T, rules string) {
	t.Helper()
	var made struct{ ID, SecretID string }
	g.ask(t, "/v1/acl/policy", map[string]any{"Name": "isthmus", "Rules": rules}, &made)
	g.ask(t, "/v1/acl/token", map[string]any{"Policies": []any{map[string]string{"ID": made.ID}}}, &made)
	if err := os.WriteFile(filepath.Join(g.folder, "token"), []byte(made.SecretID), 0o600); err != nil {
		t.Fatal(err)
	}
}

// ask sends a request to Consul with all rights.
func (g *guarded) ask(t *testing.T, path string, in, out any) {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, g.consul.URL()+path, strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Consul-Token", management)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || out != nil && json.Unmarshal(text, out) != nil {
		t.Fatalf("PUT %s: %s %s, %v", path, resp.Status, text, err)
	}
}

// role runs the commands that are printed, with etcdctl, and turns access control on.
func (g *guarded) role(t *testing.T, commands string) {
	t.Helper()
	ctl, err := servers.Build(t.Context(), servers.Etcdctl, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-e", "-c", strings.ReplaceAll(commands, "etcdctl ", `"$ETCDCTL" `))
	cmd.Env = append(os.Environ(), "ETCDCTL="+ctl, "ETCDCTL_ENDPOINTS="+g.etcd.Endpoints()[0])
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, step := range []func() error{
		func() error { _, err := g.etcd.UserAdd(t.Context(), "root", "root"); return err },
		func() error { _, err := g.etcd.UserGrantRole(t.Context(), "root", "root"); return err },
		func() error { _, err := g.etcd.UserAdd(t.Context(), "prod", "secret"); return err },
		func() error { _, err := g.etcd.UserGrantRole(t.Context(), "prod", "isthmus-prod"); return err },
		func() error { _, err := g.etcd.AuthEnable(t.Context()); return err },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRightsPrinted holds that a bridge with no rights but those that are printed
// leads, mirrors every way, tells the owners of Services, and meets no error.
func TestRightsPrinted(t *testing.T) {
	g := startGuarded(t)
	for _, ns := range []string{"isthmus", "shop", "consul"} {
		if _, err := g.admin.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	g.addAlias(t, "shop", "web", "web.example.org")
	g.addAlias(t, "consul", "db", "taken.example.org")
	g.ask(t, "/v1/catalog/register", map[string]any{"Node": "vm", "Address": "10.0.0.9", "Service": map[string]any{"Service": "db", "Port": 5432}}, nil)
	g.ask(t, "/v1/catalog/register", map[string]any{"Node": "vm", "Address": "10.0.0.9", "SkipNodeUpdate": true, "Service": map[string]any{"Service": "cache", "Port": 6379}}, nil)
	c, err := Parse("isthmus.conf", []byte(g.conf), all.Types(), noEnv)
	if err != nil {
		t.Fatal(err)
	}
	g.grant(t, c)
	log := new(serverstest.Output)
	b, err := Open(c, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		_ = b.Close()
	}()
	late := time.After(3 * time.Minute)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !g.done(t, b) {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("after minutes: %+v\n%s", b.Report(), log)
		}
	}
	if text := strings.ToLower(log.String()); strings.Contains(text, "forbidden") || strings.Contains(text, "denied") {
		t.Errorf("said:\n%s", text)
	}
}

func (g *guarded) addAlias(t *testing.T, ns, name, alias string) {
	t.Helper()
	svc := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: alias}}
	if _, err := g.admin.CoreV1().Services(ns).Create(t.Context(), svc, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// done reports whether all is mirrored that should be, and told.
func (g *guarded) done(t *testing.T, b *Bridge) bool {
	t.Helper()
	r := b.Report()
	for _, rule := range r.Rules {
		if rule.Blocked != "" || rule.Pending > 0 || rule.Same == 0 || rule.Failed.Count > 0 {
			return false
		}
	}
	events, err := g.admin.CoreV1().Events("consul").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return r.Lead.Leads && len(events.Items) > 0
}
