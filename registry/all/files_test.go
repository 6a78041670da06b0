package all

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

// pemPair makes a certificate and its key.
func pemPair(t *testing.T) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

// tlsStanzas are registries with files, in the order authorities, certificate and
// key, and the words that name them.
var tlsStanzas = []struct {
	text  string
	words [3]string
}{
	{"kubernetes k {\nendpoint https://127.0.0.1:1\ntls CERT KEY CA\n}", [3]string{"tls CACERT", "tls CERT", "tls KEY"}},
	{"consul c https://127.0.0.1:1 {\nca_file CA\ncert_file CERT\nkey_file KEY\n}", [3]string{"ca_file", "cert_file", "key_file"}},
	{"etcd e https://127.0.0.1:1 {\nca_file CA\ncert_file CERT\nkey_file KEY\n}", [3]string{"ca_file", "cert_file", "key_file"}},
	{"zookeeper z 127.0.0.1:1 {\nca_file CA\ncert_file CERT\nkey_file KEY\n}", [3]string{"ca_file", "cert_file", "key_file"}},
}

// TestBrokenFiles holds that a registry with a file of certificates or of a key that
// is broken is not opened, and that the error names the word and the file which
// are wrong, and nothing that stands in it.
func TestBrokenFiles(t *testing.T) {
	cert, key := pemPair(t)
	_, otherKey := pemPair(t)
	const secret = "hunter2"
	noDER := func(kind string) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: []byte(secret)}) }
	tests := []struct {
		name  string
		which int // of CA, CERT and KEY; -1: all are right
		text  []byte
		want  string
	}{
		{"all are right", -1, nil, ""},
		{"no authorities", 0, nil, "no such file"},
		{"empty authorities", 0, []byte{}, "holds no certificate"},
		{"a key for authorities", 0, key, "holds no certificate"},
		{"no certificate", 1, nil, "no such file"},
		{"an empty certificate", 1, []byte{}, "holds no certificate"},
		{"a key for a certificate", 1, key, "holds no certificate"},
		{"a certificate that is none", 1, noDER("CERTIFICATE"), "x509: "},
		{"no key", 2, nil, "no such file"},
		{"an empty key", 2, []byte{}, "holds no private key"},
		{"words for a key", 2, []byte(secret), "holds no private key"},
		{"a certificate for a key", 2, cert, "holds no private key"},
		{"a key that is none", 2, noDER("EC PRIVATE KEY"), "failed to parse private key"},
		{"another's key", 2, otherKey, "private key does not match public key"},
	}
	for _, s := range tlsStanzas {
		kind, _, _ := strings.Cut(s.text, " ")
		for _, tt := range tests {
			t.Run(kind+"/"+tt.name, func(t *testing.T) {
				files := [3]string{}
				for i, text := range [3][]byte{cert, cert, key} {
					if i == tt.which {
						text = tt.text
					}
					files[i] = filepath.Join(t.TempDir(), "file")
					write(t, files[i], text)
				}
				err := opened(t, strings.NewReplacer(" CERT", " "+files[1], " KEY", " "+files[2], " CA", " "+files[0]).Replace(s.text))
				if tt.which < 0 {
					if err != nil {
						t.Errorf("Reader: %v", err)
					}
					return
				}
				if err == nil {
					t.Fatal("Reader opened")
				}
				for _, want := range []string{tt.want, s.words[tt.which], files[tt.which]} {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("Reader: %v, want %q", err, want)
					}
				}
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%v: it holds what stands in the file", err)
				}
			})
		}
	}
}

// TestBrokenKubeconfig holds that what is wrong with the files that a kubeconfig
// names is said with its own name.
func TestBrokenKubeconfig(t *testing.T) {
	dir := t.TempDir()
	cert, _ := pemPair(t)
	_, otherKey := pemPair(t)
	write(t, filepath.Join(dir, "cert"), cert)
	write(t, filepath.Join(dir, "key"), otherKey)
	file := filepath.Join(dir, "kubeconfig")
	write(t, file, []byte(`{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}],
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}], users: [{name: u, user: {client-certificate: cert, client-key: key}}]}`))
	err := opened(t, "kubernetes k {\nkubeconfig "+file+"\n}")
	for _, want := range []string{file, "client-key", filepath.Join(dir, "key")} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Reader: %v, want %q", err, want)
		}
	}
}

// write makes a file; nil is none.
func write(t *testing.T, name string, text []byte) {
	t.Helper()
	if text == nil {
		return
	}
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// opened returns what opening the registry of a stanza for reading fails with.
func opened(t *testing.T, text string) error {
	t.Helper()
	stanzas, err := stanza.Parse("f", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, typ := range Types() {
		if typ.Name != stanzas[0].Name() {
			continue
		}
		c, err := typ.Parse(stanzas[0], func(string) string { return "" })
		if err != nil {
			t.Fatal(err)
		}
		r, err := c.Reader(slog.New(slog.DiscardHandler))
		if w, ok := r.(registry.Writer); ok && err == nil {
			_ = w.Close()
		}
		return err
	}
	t.Fatalf("no registry in %q", text)
	return nil
}
