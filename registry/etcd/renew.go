package etcd

import (
	"context"
	"crypto/tls"
	"net"
	"strings"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/isthmus-dns/isthmus/registry"
)

// tls returns nil where the stanza names no file.
func (c *config) tls() (*tls.Config, error) {
	if c.caFile == "" && c.certFile == "" {
		return nil, nil
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if err := c.trustIn(t); err != nil || c.certFile == "" {
		return t, err
	}
	var err error
	t.GetClientCertificate, err = registry.PEMFile{Word: "cert_file", Name: c.certFile}.Renewed(registry.PEMFile{Word: "key_file", Name: c.keyFile})
	return t, err
}

// trustIn reads the authorities.
func (c *config) trustIn(t *tls.Config) (err error) {
	if c.caFile != "" {
		t.RootCAs, err = registry.PEMFile{Word: "ca_file", Name: c.caFile}.Authorities()
	}
	return err
}

// renewed are the options by which a client that lives for long reads files anew,
// as the client library does not: for each connection and whenever it says who it
// is, which it does again once the server does not know it any more.
func (c *config) renewed(t *tls.Config) (all []grpc.DialOption) {
	if t != nil && strings.HasPrefix(c.endpoints[0], "https://") {
		all = append(all, grpc.WithTransportCredentials(renewing{credentials.NewTLS(t), c, t}))
	}
	if c.userFile != "" {
		all = append(all, grpc.WithChainUnaryInterceptor(c.authenticate))
	}
	return all
}

// renewing secures each connection by the authorities of the moment.
type renewing struct {
	credentials.TransportCredentials
	config *config
	tls    *tls.Config
}

// ClientHandshake makes a connection secure.
func (r renewing) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	t := r.tls.Clone()
	if err := r.config.trustIn(t); err != nil {
		return nil, nil, err
	}
	return credentials.NewTLS(t).ClientHandshake(ctx, authority, raw)
}

// Clone returns the same: nothing of it changes.
func (r renewing) Clone() credentials.TransportCredentials { return r }

// authenticate asks for a token by the user and the password of the moment. While
// there is none in the file, as when it is written anew, it asks by those before.
func (c *config) authenticate(ctx context.Context, method string, req, reply any, to *grpc.ClientConn, call grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if _, ok := req.(*etcdserverpb.AuthenticateRequest); ok {
		if user, password, err := c.credentials(); err == nil {
			req = &etcdserverpb.AuthenticateRequest{Name: user, Password: password}
		}
	}
	return call(ctx, method, req, reply, to, opts...)
}
