package kubernetes

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// guardedAPI is a server that knows one token.
type guardedAPI struct {
	*httptest.Server
	token atomic.Pointer[string]
	asked atomic.Pointer[func()] // while a request is under way
	wrong atomic.Int64           // requests by any other
	body  atomic.Pointer[string] // of the last request that was let in
}

func newGuardedAPI(t *testing.T, token string) *guardedAPI {
	t.Helper()
	g := &guardedAPI{}
	g.token.Store(&token)
	g.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if during := g.asked.Swap(nil); during != nil {
			(*during)()
		}
		if r.Header.Get("Authorization") != "Bearer "+*g.token.Load() {
			g.wrong.Add(1)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		text, _ := io.ReadAll(r.Body)
		body := string(text)
		g.body.Store(&body)
	}))
	t.Cleanup(g.Close)
	return g
}

// authority is the certificate by which the server is known.
func (g *guardedAPI) authority() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: g.Certificate().Raw}))
}

// kubeconfig is one for the server, with further lines about cluster and user.
func kubeconfigText(server, cluster, user string) string {
	return "apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster: {server: \"" + server + "\", " + cluster + "}\n" +
		"users:\n- name: u\n  user: {" + user + "}\ncontexts:\n- name: x\n  context: {cluster: c, user: u}\ncurrent-context: x\n"
}

// renewal writes files of one folder, and asks by a kubeconfig in it.
type renewal struct {
	folder string
	client *http.Client
	to     string
}

func (r *renewal) write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(r.folder, name)
	if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil { // as who replaces a file does
		t.Fatal(err)
	}
	return file
}

func (r *renewal) open(t *testing.T) {
	t.Helper()
	c := &config{kubeconfig: []string{filepath.Join(r.folder, "kubeconfig")}}
	to, err := c.rest()
	if err != nil {
		t.Fatal(err)
	}
	r.client, r.to = &http.Client{Transport: to.Transport}, to.Host
}

// ask posts a text and returns the status, or why there is none.
func (r *renewal) ask() string {
	answer, err := r.client.Post(r.to, "text/plain", strings.NewReader("hello"))
	if err != nil {
		return err.Error()
	}
	_ = answer.Body.Close()
	return answer.Status
}

// TestRenewed holds that every file is read again when it changes, that a request
// which the server did not know any more is sent again by what is new, and that
// what cannot be used changes nothing.
func TestRenewed(t *testing.T) {
	api := newGuardedAPI(t, "one")
	r := &renewal{folder: t.TempDir()}
	token, ca := r.write(t, "token", "one\n"), r.write(t, "ca.crt", api.authority())
	r.write(t, "kubeconfig", kubeconfigText(api.URL, `certificate-authority: "`+ca+`"`, `tokenFile: "`+token+`"`))
	r.open(t)
	known := func(name string) {
		t.Helper()
		if got := r.ask(); got != "200 OK" {
			t.Errorf("%s: %s", name, got)
		}
	}
	serve := func(token string) { api.token.Store(&token) }
	known("at first")
	r.write(t, "token", "two")
	serve("two")
	known("by the new token")
	if n := api.wrong.Load(); n != 0 {
		t.Errorf("asked %d times by the old token", n)
	}
	during := func() { r.write(t, "token", "three"); serve("three") }
	api.asked.Store(&during)
	known("by a token that came while asking")
	if n := api.wrong.Load(); n != 1 || *api.body.Load() != "hello" {
		t.Errorf("asked %d times by an old token, want once; sent %q", n, *api.body.Load())
	}
	r.write(t, "token", "")
	known("with an empty file")
	r.write(t, "ca.crt", "none")
	known("with a broken authority")
	serve("four")
	if got := r.ask(); !strings.HasPrefix(got, "401") {
		t.Errorf("by a token that is no more: %s", got)
	}
	inline := base64.StdEncoding.EncodeToString([]byte(api.authority()))
	r.write(t, "kubeconfig", kubeconfigText(api.URL, "certificate-authority-data: "+inline, "token: four"))
	known("by another kubeconfig")
}

// otherAuthority is a certificate that nobody's is signed by.
func otherAuthority(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// TestRenewedAuthority holds that requests by a file of authorities which holds no
// longer the server's fail, and go on once it does.
func TestRenewedAuthority(t *testing.T) {
	api := newGuardedAPI(t, "one")
	r := &renewal{folder: t.TempDir()}
	cert := otherAuthority(t)
	ca := r.write(t, "ca.crt", api.authority())
	r.write(t, "kubeconfig", kubeconfigText(api.URL, `certificate-authority: "`+ca+`"`, "token: one"))
	r.open(t)
	for _, step := range []struct{ ca, want string }{{api.authority(), "200 OK"}, {cert, "unknown authority"}, {cert + api.authority(), "200 OK"}} {
		r.write(t, "ca.crt", step.ca)
		if got := r.ask(); !strings.Contains(got, step.want) {
			t.Errorf("%s, want %q", got, step.want)
		}
	}
}
