package registry

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"strings"
	"sync"
)

// PEMFile is a file of certificates or of a private key, and the word of the
// stanza that names it. Errors about one begin with both, and hold nothing that
// stands in it.
type PEMFile struct{ Word, Name string }

// Authorities reads the certificates of those that are trusted.
func (f PEMFile) Authorities() (*x509.CertPool, error) {
	text, err := f.read()
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s %q holds no certificate", f.Word, f.Name)
	}
	return pool, nil
}

// KeyPair reads the certificate in f and its private key in key. An error names
// the file that is to be mended: of two that do not belong together the key's,
// and the other as well.
func (f PEMFile) KeyPair(key PEMFile) (*tls.Certificate, error) {
	cert, err := f.read()
	if err != nil {
		return nil, err
	}
	if err := f.checkLeaf(cert); err != nil {
		return nil, err
	}
	private, err := key.read()
	if err != nil {
		return nil, err
	}
	if firstBlock(private, func(kind string) bool { return strings.HasSuffix(kind, "PRIVATE KEY") }) == nil {
		return nil, fmt.Errorf("%s %q holds no private key", key.Word, key.Name)
	}
	pair, err := tls.X509KeyPair(cert, private)
	if err != nil {
		return nil, fmt.Errorf("%s %q, for %s %q: %w", key.Word, key.Name, f.Word, f.Name, err)
	}
	return &pair, nil
}

// Renewed returns what a connection asks for its certificate: the pair in f and key,
// read again each time, so that a renewed one is taken. While what they hold is no
// pair, as between the writing of the one and of the other, it is what it was. An
// error is that of KeyPair at the first reading.
func (f PEMFile) Renewed(key PEMFile) (func(*tls.CertificateRequestInfo) (*tls.Certificate, error), error) {
	last, err := f.KeyPair(key)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex // guards last
	return func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		mu.Lock()
		defer mu.Unlock()
		if pair, err := f.KeyPair(key); err == nil {
			last = pair
		}
		return last, nil
	}, nil
}

func (f PEMFile) read() ([]byte, error) {
	text, err := os.ReadFile(f.Name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Word, err)
	}
	return text, nil
}

// checkLeaf looks at the first certificate, so that what is wrong with it is not
// said of the key.
func (f PEMFile) checkLeaf(text []byte) error {
	leaf := firstBlock(text, func(kind string) bool { return kind == "CERTIFICATE" })
	if leaf == nil {
		return fmt.Errorf("%s %q holds no certificate", f.Word, f.Name)
	}
	if _, err := x509.ParseCertificate(leaf.Bytes); err != nil {
		return fmt.Errorf("%s %q: %w", f.Word, f.Name, err)
	}
	return nil
}

func firstBlock(text []byte, is func(kind string) bool) *pem.Block {
	for {
		block, rest := pem.Decode(text)
		if block == nil || is(block.Type) {
			return block
		}
		text = rest
	}
}
