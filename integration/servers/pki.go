package servers

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// pki is the folder of an API server's keys and certificates. They are made anew with every StartKubernetes.
type pki string

func (p pki) file(name string) string { return filepath.Join(string(p), name) }

func (p pki) caFile() string                { return p.file("ca.crt") }
func (p pki) certFile() string              { return p.file("server.crt") }
func (p pki) keyFile() string               { return p.file("server.key") }
func (p pki) serviceKeyFile() string        { return p.file("service-account.key") }
func (p pki) servicePubFile() string        { return p.file("service-account.pub") }
func (p pki) tokenFile() string             { return p.file("tokens.csv") }
func (p pki) kubeconfig(user string) string { return p.file(user + ".kubeconfig") }

// write makes an authority, a certificate of it for servers on this host, and the key that signs service account tokens.
func (p pki) write() error {
	caKey, err := newKey()
	if err != nil {
		return err
	}
	ca := certificate("isthmus test authority")
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	if err := p.writeCertificate(p.caFile(), ca, ca, caKey.Public(), caKey); err != nil {
		return err
	}
	key, err := newKey()
	if err != nil {
		return err
	}
	server := certificate("kube-apiserver")
	server.KeyUsage, server.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	server.DNSNames = []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}
	server.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback, net.IPv4(10, 96, 0, 1)}
	if err := p.writeCertificate(p.certFile(), server, ca, key.Public(), caKey); err != nil {
		return err
	}
	if err := p.writePrivate(p.keyFile(), key); err != nil {
		return err
	}
	return p.writeServiceAccountKey()
}

func (p pki) writeServiceAccountKey() error {
	key, err := newKey()
	if err != nil {
		return err
	}
	if err := p.writePrivate(p.serviceKeyFile(), key); err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return fmt.Errorf("encode key: %w", err)
	}
	return writePEM(p.servicePubFile(), "PUBLIC KEY", der)
}

func newKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	return key, nil
}

func certificate(name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.AddDate(1, 0, 0),
	}
}

func (p pki) writeCertificate(path string, c, parent *x509.Certificate, key crypto.PublicKey, signer crypto.Signer) error {
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key, signer)
	if err != nil {
		return fmt.Errorf("sign certificate %q: %w", c.Subject.CommonName, err)
	}
	return writePEM(path, "CERTIFICATE", der)
}

func (p pki) writePrivate(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode key: %w", err)
	}
	return writePEM(path, "EC PRIVATE KEY", der)
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
