package zookeeper

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/isthmus-dns/isthmus/registry"
)

const (
	dialTime  = 3 * time.Second // for one server to give a session
	probeTime = 2 * time.Second // to answer the least question
	writeTime = 5 * time.Second // to answer a transaction

	maxRequest = 1 << 20 // bytes of one request, which is what a server takes unless it was told otherwise
)

// credentials are what a connection needs beside the address of a server.
type credentials struct {
	tls  *tls.Config // nil: plain
	user []byte      // user:password; nil: nobody
}

// dialing reads the files of the stanza.
func (c *config) dialing() (cred credentials, err error) {
	if cred.user, err = c.user(); err != nil {
		return cred, fmt.Errorf("zookeeper %q: auth_file: %w", c.name, err)
	}
	if cred.tls, err = c.tlsConfig(); err != nil {
		return cred, fmt.Errorf("zookeeper %q: TLS: %w", c.name, err)
	}
	return cred, nil
}

var errUser = errors.New("want user:password")

func (c *config) user() ([]byte, error) {
	if c.authFile == "" {
		return nil, nil
	}
	text, err := os.ReadFile(c.authFile)
	if err != nil {
		return nil, err
	}
	text = bytes.TrimSpace(text)
	user, password, ok := bytes.Cut(text, []byte(":"))
	if !ok || len(user) == 0 || len(password) == 0 || bytes.ContainsAny(text, "\r\n") {
		return nil, errUser
	}
	return text, nil
}

// tlsConfig returns nil where the stanza has nothing of TLS.
func (c *config) tlsConfig() (t *tls.Config, err error) {
	if !c.secure() {
		return nil, nil
	}
	t = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.serverName}
	if c.caFile != "" {
		if t.RootCAs, err = (registry.PEMFile{Word: "ca_file", Name: c.caFile}).Authorities(); err != nil {
			return nil, err
		}
	}
	if c.certFile != "" {
		t.GetClientCertificate, err = registry.PEMFile{Word: "cert_file", Name: c.certFile}.Renewed(registry.PEMFile{Word: "key_file", Name: c.keyFile})
	}
	return t, err
}

// dial returns a session with one of the servers, whichever takes it. The files of
// the stanza are read anew for it. The caller closes it.
func (c *config) dial(ctx context.Context) (*session, error) {
	cred, err := c.dialing()
	if err != nil {
		return nil, err
	}
	failed := make([]error, len(c.servers))
	for _, i := range rand.Perm(len(c.servers)) {
		s, err := c.dialServer(ctx, c.servers[i], cred)
		if err == nil {
			return s, nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("connect: %w", ctx.Err())
		}
		failed[i] = fmt.Errorf("connect to %q: %w", c.servers[i], err)
	}
	for _, next := range failed[1:] {
		failed[0] = fmt.Errorf("%w; %w", failed[0], next)
	}
	return nil, failed[0]
}

func (c *config) dialServer(ctx context.Context, server string, cred credentials) (*session, error) {
	opening, cancel := context.WithTimeoutCause(ctx, dialTime, errSlow)
	defer cancel()
	raw, err := connect(opening, server, cred.tls)
	if err != nil {
		return nil, err
	}
	s, err := newSession(server, raw, c.timeout)
	if err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	if err := s.opened(opening, cred.user); err != nil {
		s.end(err)
		s.close()
		return nil, err
	}
	return s, nil
}

// connect makes a connection, secured if it is to be.
func connect(ctx context.Context, server string, secured *tls.Config) (net.Conn, error) {
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", server)
	if err != nil || secured == nil {
		return raw, err
	}
	t := secured.Clone()
	if t.ServerName == "" {
		t.ServerName, _, _ = net.SplitHostPort(server)
	}
	conn := tls.Client(raw, t)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return conn, nil
}

// only is the one server of a session; it implements zk.HostProvider.
type only struct {
	server string
	asked  bool
	lost   chan<- struct{} // closed when the library asks for a server again
}

// Init takes servers from nobody.
func (*only) Init([]string) error { return nil }

// Len returns 1.
func (*only) Len() int { return 1 }

// Next returns the server, which is no other the second time.
func (o *only) Next() (server string, again bool) {
	if o.asked && o.lost != nil {
		close(o.lost)
		o.lost = nil
	}
	again, o.asked = o.asked, true
	return o.server, again
}

// Connected is told of a connection.
func (*only) Connected() {}

var _ zk.HostProvider = (*only)(nil)
