package servers_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/isthmus-dns/isthmus/integration/servers"
	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
)

// apiClient talks to an API server as one user.
type apiClient struct {
	url, token string
	client     *http.Client
}

func newAPIClient(tb testing.TB, k *servers.Kubernetes, token string) apiClient {
	tb.Helper()
	ca, err := os.ReadFile(k.CAFile())
	if err != nil {
		tb.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return apiClient{k.URL(), token, &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{RootCAs: roots},
	}}}
}

// do returns the status code and the object of an answer.
func (c apiClient) do(tb testing.TB, method, path, body string) (int, map[string]any) {
	tb.Helper()
	r, err := http.NewRequestWithContext(tb.Context(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	r.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		r.Header.Set("Content-Type", "application/merge-patch+json")
	}
	answer, err := c.client.Do(r)
	if err != nil {
		tb.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		tb.Fatal(err)
	}
	var object map[string]any
	if err := json.Unmarshal(b, &object); err != nil {
		tb.Fatalf("%s %q: %v: %s", method, path, err, b)
	}
	return answer.StatusCode, object
}

// must is do for what has to succeed.
func (c apiClient) must(tb testing.TB, method, path, body string) map[string]any {
	tb.Helper()
	code, object := c.do(tb, method, path, body)
	if code/100 != 2 {
		tb.Fatalf("%s %q = %d: %v", method, path, code, object["message"])
	}
	return object
}

// openWatch starts a watch that is open until the end of the test.
func openWatch(tb testing.TB, c apiClient) {
	tb.Helper()
	r, err := http.NewRequestWithContext(tb.Context(), "GET", c.url+"/api/v1/services?watch=1", nil)
	if err != nil {
		tb.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	answer, err := c.client.Do(r)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { answer.Body.Close() })
}

const webService = `{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
	"spec": {"selector": {"app": "web"}, "ipFamilyPolicy": "RequireDualStack", "ports": [{"name": "http", "port": 80}]}}`

const webPod = `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-0", "labels": {"app": "web"}},
	"spec": {"nodeName": "node-1", "containers": [{"name": "web", "image": "web"}]}}`

const webPodReady = `{"status": {"phase": "Running", "podIP": "10.0.0.7", "podIPs": [{"ip": "10.0.0.7"}, {"ip": "fd00::7"}],
	"conditions": [{"type": "Ready", "status": "True"}]}}`

func TestKubernetes(t *testing.T) {
	k := serverstest.Kubernetes(t, servers.KubernetesOptions{
		ControllerManager: true,
		Users:             []servers.User{{Name: "reader", Groups: []string{"readers", "system:masters"}}},
	})
	pids := []int{k.PID(), k.Etcd().PID(), k.ControllerManager().PID()}
	t.Run("users", func(t *testing.T) { testUsers(t, k) })
	t.Run("kubeconfig", func(t *testing.T) { testKubeconfig(t, k) })
	t.Run("slices of pods", func(t *testing.T) { testSlices(t, k) })
	t.Run("kill keeps data", func(t *testing.T) {
		k.Kill()
		if err := k.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		newAPIClient(t, k, k.Token()).must(t, "GET", "/api/v1/namespaces/shop/services/web", "")
		pids = append(pids, k.PID())
	})
	t.Run("manager works after that", func(t *testing.T) { testNamespaceEnds(t, k) })
	openWatch(t, newAPIClient(t, k, k.Token()))
	if err := k.Stop(); err != nil {
		t.Errorf("Stop() with an open watch = %v", err)
	}
	for _, pid := range pids {
		if !gone(pid) {
			t.Errorf("process %d is still there after Stop", pid)
		}
	}
	if _, err := os.Stat(k.Dir()); !os.IsNotExist(err) {
		t.Errorf("temporary folder is still there after Stop: %v", err)
	}
}

func testUsers(t *testing.T, k *servers.Kubernetes) {
	for _, c := range []struct {
		user string
		want int
	}{
		{servers.Admin, http.StatusOK},
		{"reader", http.StatusOK},
		{"isthmus-dns", http.StatusForbidden},
		{"isthmus-bridge", http.StatusForbidden},
		{"nobody", http.StatusForbidden}, // has no token: anonymous
	} {
		api := newAPIClient(t, k, k.TokenOf(c.user))
		if got, _ := api.do(t, "GET", "/api/v1/services", ""); got != c.want {
			t.Errorf("%s lists services: %d, want %d", c.user, got, c.want)
		}
	}
	version := newAPIClient(t, k, k.Token()).must(t, "GET", "/version", "")
	if version["major"] != "1" || !strings.HasPrefix(version["gitVersion"].(string), "v1.") {
		t.Errorf("GET /version = %v, want the pinned version", version)
	}
}

func testKubeconfig(t *testing.T, k *servers.Kubernetes) {
	for _, user := range []string{servers.Admin, "isthmus-dns", "isthmus-bridge", "reader"} {
		text, err := os.ReadFile(k.KubeconfigOf(user))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(text, []byte(k.TokenOf(user))) || !bytes.Contains(text, []byte(k.URL())) {
			t.Errorf("kubeconfig of %s lacks token or address", user)
		}
	}
}

func testSlices(t *testing.T, k *servers.Kubernetes) {
	api := newAPIClient(t, k, k.Token())
	api.must(t, "POST", "/api/v1/nodes", `{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"}}`)
	api.must(t, "POST", "/api/v1/namespaces", `{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}`)
	api.must(t, "POST", "/api/v1/namespaces/shop/services", webService)
	api.must(t, "POST", "/api/v1/namespaces/shop/pods", webPod)
	api.must(t, "PATCH", "/api/v1/namespaces/shop/pods/web-0/status", webPodReady)
	eventually(t, "an EndpointSlice of each family with the pod's address", func() bool {
		list, err := json.Marshal(api.must(t, "GET", "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices", ""))
		return err == nil && bytes.Contains(list, []byte(`"10.0.0.7"`)) && bytes.Contains(list, []byte(`"fd00::7"`))
	})
}

func testNamespaceEnds(t *testing.T, k *servers.Kubernetes) {
	api := newAPIClient(t, k, k.Token())
	api.must(t, "DELETE", "/api/v1/namespaces/shop/pods/web-0?gracePeriodSeconds=0", "")
	api.must(t, "DELETE", "/api/v1/namespaces/shop", "")
	eventually(t, "the namespace is gone", func() bool {
		code, _ := api.do(t, "GET", "/api/v1/namespaces/shop", "")
		return code == http.StatusNotFound
	})
}
