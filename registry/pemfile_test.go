package registry

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
)

// TestRenewedPair holds that a pair is read again, and stays what it was while its
// files do not belong together.
func TestRenewedPair(t *testing.T) {
	folder := t.TempDir()
	cert, key := PEMFile{"cert_file", filepath.Join(folder, "tls.crt")}, PEMFile{"key_file", filepath.Join(folder, "tls.key")}
	write := func(f PEMFile, kind string, der []byte) {
		if err := os.WriteFile(f.Name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := cert.Renewed(key); err == nil {
		t.Fatal("a pair of no files is renewed")
	}
	firstCert, firstKey := newPair(t, 1)
	write(cert, "CERTIFICATE", firstCert)
	write(key, "PRIVATE KEY", firstKey)
	renewed, err := cert.Renewed(key)
	if err != nil {
		t.Fatal(err)
	}
	want := func(when string, n int64) {
		t.Helper()
		if pair, err := renewed(nil); err != nil || pair.Leaf.SerialNumber.Int64() != n {
			t.Errorf("%s: certificate %v, %v; want %d", when, pair, err, n)
		}
	}
	want("at first", 1)
	secondCert, secondKey := newPair(t, 2)
	write(cert, "CERTIFICATE", secondCert)
	want("between the two", 1)
	write(key, "PRIVATE KEY", secondKey)
	want("with both", 2)
}

func newPair(t *testing.T, serial int64) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial)}
	if cert, err = x509.CreateCertificate(rand.Reader, template, template, private.Public(), private); err != nil {
		t.Fatal(err)
	}
	if key, err = x509.MarshalPKCS8PrivateKey(private); err != nil {
		t.Fatal(err)
	}
	return cert, key
}
