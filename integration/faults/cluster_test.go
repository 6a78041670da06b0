package faults

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/isthmus-dns/isthmus/integration/servers"
	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
)

// cluster is what all worlds mirror, and the program that does it.
type cluster struct {
	t       *testing.T // of everything
	kube    *servers.Kubernetes
	api     kubernetes.Interface
	users   *users
	program string
	etcdctl string
	over    *tls.Config // what a server in the API server's place has
	logs    string
	port    int // given last
}

// names is a set that goroutines share.
type names struct {
	mu  sync.Mutex // guards all
	all map[string]bool
}

func (n *names) add(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.all == nil {
		n.all = map[string]bool{}
	}
	n.all[name] = true
}

func (n *names) has(name string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.all[name]
}

// newCluster builds the program and starts an API server that knows a user for the
// bridge of each world.
func newCluster(t *testing.T, seed uint64, worlds ...string) *cluster {
	t.Helper()
	c := &cluster{t: t, program: filepath.Join(t.TempDir(), "isthmus"), logs: t.ArtifactDir()}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", c.program, "../../build/isthmus").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	var err error
	if c.etcdctl, err = servers.Build(t.Context(), servers.Etcdctl, func(line string) { t.Log(line) }); err != nil {
		t.Fatal(err)
	}
	var known []servers.User
	for _, w := range worlds {
		known = append(known, servers.User{Name: "bridge-" + w})
	}
	c.kube = serverstest.Kubernetes(t, servers.KubernetesOptions{Users: known})
	to, err := clientcmd.BuildConfigFromFlags("", c.kube.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	to.QPS = -1
	if c.api, err = kubernetes.NewForConfig(to); err != nil {
		t.Fatal(err)
	}
	if c.over, err = rest.TLSConfigFor(&rest.Config{TLSClientConfig: to.TLSClientConfig}); err != nil {
		t.Fatal(err)
	}
	cert, err := tls.LoadX509KeyPair(c.kube.ServerFiles())
	if err != nil {
		t.Fatal(err)
	}
	c.over.Certificates = []tls.Certificate{cert}
	for _, ns := range []string{space, "isthmus"} {
		if _, err := c.api.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	c.users = newUsers(c.api, rand.New(rand.NewPCG(seed, 0)))
	if err := c.users.fill(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// bind makes the roles of a text and gives them to a user.
func (c *cluster) bind(ctx context.Context, user, text string) error {
	rbac, opts := c.api.RbacV1(), metav1.CreateOptions{}
	who := []rbacv1.Subject{{Kind: "User", APIGroup: rbacv1.GroupName, Name: user}}
	for doc := range strings.SplitSeq(text, "---\n") {
		var role rbacv1.Role
		if err := yaml.UnmarshalStrict([]byte(doc), &role); err != nil {
			return err
		}
		name := metav1.ObjectMeta{Name: role.Name, Namespace: role.Namespace}
		to := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: role.Kind, Name: role.Name}
		var err error
		if role.Kind == "ClusterRole" {
			if _, err = rbac.ClusterRoles().Create(ctx, &rbacv1.ClusterRole{ObjectMeta: name, Rules: role.Rules}, opts); err == nil {
				_, err = rbac.ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{ObjectMeta: name, Subjects: who, RoleRef: to}, opts)
			}
		} else if _, err = rbac.Roles(role.Namespace).Create(ctx, &role, opts); err == nil {
			_, err = rbac.RoleBindings(role.Namespace).Create(ctx, &rbacv1.RoleBinding{ObjectMeta: name, Subjects: who, RoleRef: to}, opts)
		}
		if err != nil {
			return err
		}
		for _, r := range role.Rules {
			if err := c.inForce(ctx, user, role.Namespace, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// inForce waits until the server has taken a rule up, which it does by a watch.
func (c *cluster) inForce(ctx context.Context, user, ns string, r rbacv1.PolicyRule) error {
	what := &authorizationv1.ResourceAttributes{Namespace: ns, Group: r.APIGroups[0], Resource: r.Resources[0], Verb: r.Verbs[0]}
	if len(r.ResourceNames) > 0 {
		what.Name = r.ResourceNames[0]
	}
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: user, ResourceAttributes: what}}
	return until(ctx, 30*time.Second, "rights", func() error {
		answer, err := c.api.AuthorizationV1().SubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
		if err == nil && !answer.Status.Allowed {
			err = fmt.Errorf("%s may not yet %s %s", user, what.Verb, what.Resource)
		}
		return err
	})
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
