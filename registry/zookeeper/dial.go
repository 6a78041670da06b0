package zookeeper

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/isthmus-dns/isthmus/registry"
)

const (
	dialTime  = 3 * time.Second // for one server to give a session
	dialNext  = time.Second     // for it to do so before another one is asked, too
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
		return cred, fmt.Errorf("auth_file: %w", err)
	}
	if cred.tls, err = c.tlsConfig(); err != nil {
		return cred, fmt.Errorf("TLS: %w", err)
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

// dial returns a session with one of the servers, the first that gives one. They are
// asked in any order, each once the one before refused, or was silent for a while: a
// server that is frozen takes connections and never answers. The files of the stanza
// are read anew for it. The caller closes it.
func (c *config) dial(ctx context.Context) (*session, error) {
	cred, err := c.dialing()
	if err != nil {
		return nil, err
	}
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	answers, asked, failed := make(chan dialed), 0, make([]error, len(c.servers))
	next, tick := rand.Perm(len(c.servers)), time.NewTicker(dialNext)
	defer tick.Stop()
	ask := func() {
		if len(next) > 0 && ctx.Err() == nil {
			i := next[0]
			next, asked = next[1:], asked+1
			go func() { s, err := c.dialServer(asking, c.servers[i], cred); answers <- dialed{i, s, err} }()
		}
	}
	for ask(); asked > 0; {
		select {
		case <-tick.C:
			ask()
		case a := <-answers:
			asked--
			if a.err == nil {
				cancel()
				forgo(answers, asked)
				return a.session, nil
			}
			failed[a.server] = fmt.Errorf("connect to %q: %w", c.servers[a.server], a.err)
			ask()
		}
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("connect: %w", ctx.Err())
	}
	for _, next := range failed[1:] {
		failed[0] = fmt.Errorf("%w; %w", failed[0], next)
	}
	return nil, failed[0]
}

// dialed is what became of asking a server for a session.
type dialed struct {
	server  int
	session *session
	err     error
}

// forgo waits for so many answers, and gives up what sessions they bring.
func forgo(answers <-chan dialed, n int) {
	for range n {
		if a := <-answers; a.err == nil {
			a.session.close()
		}
	}
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
	err = conn.HandshakeContext(ctx)
	if err == nil {
		return conn, nil
	}
	_ = raw.Close()
	if errors.Is(err, io.EOF) {
		err = errPlain
	}
	return nil, fmt.Errorf("TLS: %w", err)
}

var errPlain = errors.New("the server ended the connection, as one does that speaks no TLS there")

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
