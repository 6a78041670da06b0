package etcd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

const (
	probeTime = 2 * time.Second  // to answer the least question
	pageTime  = 10 * time.Second // to answer a page of a list
	writeTime = 5 * time.Second  // to answer a transaction

	maxAnswer = 64 << 20 // bytes of one answer; a value has 1.5 MB at most unless the server was told otherwise
)

// etcd is one opened registry; it implements registry.Writer. A Watch has a
// client of its own, so that nothing of it is left when it returns.
type etcd struct {
	config *config
	layout layout
	owner  string // "" for a reader
	table  *table

	doubtful sync.Once  // warns of the identity
	claiming sync.Mutex // held while a Claim is under way
	writes   writeState
}

// writeState is what writing needs.
type writeState struct {
	mu     sync.Mutex // guards what follows
	client *clientv3.Client
	fence  *fence // nil: not claimed, or lost
}

// dialing reads the files of the stanza into what a client needs.
func (c *config) dialing() (clientv3.Config, error) {
	cfg := clientv3.Config{
		Endpoints:            c.endpoints,
		DialTimeout:          probeTime,
		DialKeepAliveTime:    10 * time.Second,
		DialKeepAliveTimeout: 3 * time.Second,
		MaxUnaryRetries:      3,
		MaxCallRecvMsgSize:   maxAnswer,
		Logger:               zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
			MinConnectTimeout: probeTime,
		})},
	}
	var err error
	if cfg.Username, cfg.Password, err = c.credentials(); err != nil {
		return cfg, fmt.Errorf("etcd %q: user: %w", c.name, err)
	}
	if cfg.TLS, err = c.tls(); err != nil {
		return cfg, fmt.Errorf("etcd %q: TLS: %w", c.name, err)
	}
	cfg.DialOptions = append(cfg.DialOptions, c.renewed(cfg.TLS)...)
	return cfg, nil
}

var errUser = errors.New("want user:password")

func (c *config) credentials() (user, password string, err error) {
	var text string
	switch {
	case c.userFile != "":
		b, err := os.ReadFile(c.userFile)
		if err != nil {
			return "", "", err
		}
		text = strings.TrimSpace(string(b))
	case c.user != nil:
		text = c.user()
	default:
		return "", "", nil
	}
	user, password, ok := strings.Cut(text, ":")
	if !ok || user == "" || password == "" {
		return "", "", errUser
	}
	return user, password, nil
}

// dial returns a client. With a user it asks the server for a token, hence ctx.
func (c *config) dial(ctx context.Context) (*clientv3.Client, error) {
	cfg, err := c.dialing()
	if err != nil {
		return nil, err
	}
	cfg.Context = ctx
	client, err := clientv3.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("etcd %q: connect: %w", c.name, err)
	}
	return client, nil
}

// client is the one for writes; it lives until Close.
func (e *etcd) client() (*clientv3.Client, error) {
	e.writes.mu.Lock()
	defer e.writes.mu.Unlock()
	if e.writes.client != nil {
		return e.writes.client, nil
	}
	client, err := e.config.dial(context.Background())
	e.writes.client = client
	return client, err
}

// unknown reports whether an error may come from a server that does not take a
// client's token. One that was restored from a backup does not say so: it keeps
// who comes with a token from after that waiting until it knows as many requests.
func (e *etcd) unknown(err error) bool {
	return unauthenticated(err) || errors.Is(err, context.DeadlineExceeded) && (e.config.userFile != "" || e.config.user != nil)
}

// dropClient gives up a client that the server no longer knows, so that the
// next write reads the user's file again. Another write under way by it, which
// the server would refuse as well, ends with its outcome unknown.
func (e *etcd) dropClient(client *clientv3.Client) {
	e.writes.mu.Lock()
	defer e.writes.mu.Unlock()
	if e.writes.client == client {
		_ = client.Close()
		e.writes.client = nil
	}
}

// forgetClient gives up the client for writes, whatever is under way by it: the server
// is of another history than the one that gave it its token, and may keep it waiting.
func (e *etcd) forgetClient() {
	e.writes.mu.Lock()
	client := e.writes.client
	e.writes.mu.Unlock()
	if client != nil {
		e.dropClient(client)
	}
}

// Close gives up the connection.
func (e *etcd) Close() error {
	e.writes.mu.Lock()
	defer e.writes.mu.Unlock()
	if e.writes.client == nil {
		return nil
	}
	err := e.writes.client.Close()
	e.writes.client = nil
	return err
}
