package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/integration/servers"
	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
)

// rotation is a world whose servers speak TLS, know their clients and let them do
// no more than `isthmus rights` prints, in which all of that becomes new while a
// bridge mirrors every way and a DNS server answers.
type rotation struct {
	t      *testing.T
	w      *world
	folder string
	old    *servers.Authority
	new    *servers.Authority

	kube   *servers.Kubernetes
	consul *servers.Consul
	etcd   *servers.Etcd
	ports  map[string]int

	kubeAuthority []byte // that signed the API server's first certificate
	accessor      string // of Consul's token
	tokens        int    // how many of Kubernetes were made
	round         int    // of changes
	log, dnsLog   serverstest.Output
}

const (
	managesConsul = "22222222-2222-2222-2222-222222222222"
	rotating      = "rotating" // the owner, who is a user of the same name everywhere
)

// TestRotation holds that tokens, a password, certificates and authorities are
// replaced in mid-run without a failed read or write, and that connections made
// afterwards are made by the new ones: in the end the servers know no others.
func TestRotation(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	r := newRotation(ctx, t)
	r.start(ctx)
	r.change(ctx, "at first")
	before := r.status()

	r.trust(r.old, r.new)
	r.change(ctx, "with both authorities trusted")
	r.certify(r.new)
	r.change(ctx, "with new certificates")
	r.renewToken()
	r.change(ctx, "with a new token of Consul")
	r.renewPassword()
	r.change(ctx, "with a new password of etcd")
	r.renewServiceToken(ctx)
	r.change(ctx, "with a new token of Kubernetes")
	r.trust(r.new)
	r.change(ctx, "with the new authority alone")
	r.untouched(before)

	for _, s := range []*servers.Server{r.consul.Server, r.etcd.Server, r.kube.Server} {
		if err := s.Restart(ctx); err != nil {
			t.Fatal(err)
		}
	}
	r.change(ctx, "by servers that know nothing old")
}

// trust has bridge, DNS server and servers trust these, and no others. etcd knows
// its clients' authorities from its start.
func (r *rotation) trust(all ...*servers.Authority) {
	var text []byte
	for _, a := range all {
		text = append(text, a.PEM()...)
	}
	r.write("servers-ca", text)
	r.write("ca", text)
	if len(all) > 1 {
		text = append(text, r.kubeAuthority...)
	}
	r.write("kube-ca", text)
	if err := os.WriteFile(r.kube.CAFile(), text, 0o600); err != nil {
		r.t.Fatal(err)
	}
	r.askConsul(http.MethodPut, "/v1/agent/reload", "")
}

// certify gives every server and client a new certificate.
func (r *rotation) certify(by *servers.Authority) {
	r.issue(by, "server")
	r.issue(by, rotating)
	cert, key := r.kube.ServerFiles()
	for from, to := range map[string]string{"server.crt": cert, "server.key": key} {
		text, err := os.ReadFile(r.file(from))
		if err == nil {
			err = os.WriteFile(to, text, 0o600)
		}
		if err != nil {
			r.t.Fatal(err)
		}
	}
	r.askConsul(http.MethodPut, "/v1/agent/reload", "")
}

// renewToken makes a token of Consul, puts it where the bridge reads it, and
// deletes the one before.
func (r *rotation) renewToken() {
	var made struct{ AccessorID, SecretID string }
	text := r.askConsul(http.MethodPut, "/v1/acl/token", `{"Policies": [{"Name": "rotating"}]}`)
	if err := json.Unmarshal(text, &made); err != nil {
		r.t.Fatal(err)
	}
	r.write("token", []byte(made.SecretID))
	if r.accessor != "" {
		r.askConsul(http.MethodDelete, "/v1/acl/token/"+r.accessor, "")
	}
	r.accessor = made.AccessorID
}

// renewPassword has etcd know the user by another one, once it is in the file.
func (r *rotation) renewPassword() {
	r.write("user", []byte("rotating:second"))
	ctl, err := servers.Build(context.Background(), servers.Etcdctl, progress)
	if err != nil {
		r.t.Fatal(err)
	}
	cmd := exec.Command(ctl, "--user=root:root", "user", "passwd", "rotating", "--interactive=false")
	cmd.Env = []string{"ETCDCTL_ENDPOINTS=" + r.etcd.Endpoint()}
	cmd.Stdin = strings.NewReader("second\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("%v: %s", err, out)
	}
}

// newServiceToken makes a token of Kubernetes that lives as long as a secret does,
// and puts it where the bridge reads it.
func (r *rotation) newServiceToken() {
	r.tokens++
	name := fmt.Sprintf("token-%d", r.tokens)
	r.apply("/api/v1/namespaces/isthmus/secrets/"+name, "apiVersion: v1\nkind: Secret\nmetadata: {name: "+name+"}\n")
	text := r.askKube(http.MethodPost, "/api/v1/namespaces/isthmus/serviceaccounts/rotating/token", "application/json",
		`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{"boundObjectRef":{"apiVersion":"v1","kind":"Secret","name":"`+name+`"}}}`)
	var made struct{ Status struct{ Token string } }
	if err := json.Unmarshal(text, &made); err != nil {
		r.t.Fatal(err)
	}
	r.write("kube-token", []byte(made.Status.Token))
}

// renewServiceToken replaces it, and returns once the server knows the old one no
// more.
func (r *rotation) renewServiceToken(ctx context.Context) {
	old, err := os.ReadFile(r.file("kube-token"))
	if err != nil {
		r.t.Fatal(err)
	}
	gone := fmt.Sprintf("token-%d", r.tokens)
	r.newServiceToken()
	r.askKube(http.MethodDelete, "/api/v1/namespaces/isthmus/secrets/"+gone, "application/json", "")
	r.until(ctx, "the old token is gone", func() error {
		_, err := request(http.MethodGet, r.kube.URL()+"/api/v1/namespaces/shop/services?limit=1", string(old), "", nil)
		if err == nil || !strings.Contains(err.Error(), "401") {
			return fmt.Errorf("asking by it: %v", err)
		}
		return nil
	})
}

// change changes a service on each side and waits until that is mirrored.
func (r *rotation) change(ctx context.Context, when string) {
	r.t.Helper()
	begun := time.Now()
	r.round++
	inside, outside := fmt.Sprintf("10.244.7.%d", r.round), fmt.Sprintf("10.20.0.%d", r.round)
	r.apply("/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices/web-1", `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080, protocol: TCP}]
endpoints: [{addresses: [`+inside+`], conditions: {ready: true}}]
`)
	r.askConsul(http.MethodPut, "/v1/catalog/register", `{"Node":"vm","Address":"10.0.0.9","Service":{"Service":"db","Port":5432,"Address":"`+outside+`"}}`)
	look := map[string]func() string{
		inside + " in Consul": func() string { return string(r.askConsul(http.MethodGet, "/v1/health/service/k8s-web", "")) },
		inside + " in etcd":   func() string { return r.asRoot("get", "--prefix", "/skydns/local/cluster/svc/shop/web") },
		outside + " in Kubernetes": func() string {
			return string(r.askKube(http.MethodGet, "/apis/discovery.k8s.io/v1/namespaces/in/endpointslices", "application/json", ""))
		},
		inside + " in DNS": func() string {
			out, _ := exec.Command(filepath.Join(r.w.bin, "isthmus"), "query", "web.shop.svc.cluster.local", "A", fmt.Sprintf("@127.0.0.1:%d", r.ports["dns"])).Output()
			return string(out)
		},
	}
	for what, ask := range look {
		address, _, _ := strings.Cut(what, " ")
		r.until(ctx, when+": "+what, func() error {
			if out := ask(); !strings.Contains(out, address) {
				return errors.New(out)
			}
			return nil
		})
	}
	r.t.Logf("%s: after %v", when, time.Since(begun).Round(time.Millisecond))
}

// report is what is compared of a bridge's status.
type report struct {
	Origins []struct {
		Origin    string
		Connected bool
		Since     time.Time
		Missed    int
	}
	Rules []struct {
		Rule   string
		Failed struct{ Count int }
		Error  any `json:"last_error"`
	}
}

func (r *rotation) status() (s report) {
	r.t.Helper()
	text, err := request(http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/status", r.ports["admin"]), "", "", nil)
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil || len(s.Origins) != 3 || len(s.Rules) != 3 {
		r.t.Fatalf("status: %v: %s", err, text)
	}
	return s
}

// untouched demands that since before no registry was lost, no write or claim
// failed, and nothing was said that is worth a warning.
func (r *rotation) untouched(before report) {
	r.t.Helper()
	now := r.status()
	if diff := cmp.Diff(before, now); diff != "" {
		r.t.Errorf("connections and failures:\n%s", diff)
	}
	for _, rule := range now.Rules {
		if rule.Error != nil || rule.Failed.Count > 0 {
			r.t.Errorf("rule %s: %v, %d failed", rule.Rule, rule.Error, rule.Failed.Count)
		}
	}
	if warned := regexp.MustCompile(`(?m)^.*(level=(WARN|ERROR)|\[(WARNING|ERROR)\]).*$`).FindString(r.log.String() + r.dnsLog.String()); warned != "" {
		r.t.Errorf("said: %s", warned)
	}
}
