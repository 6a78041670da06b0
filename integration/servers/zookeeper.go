package servers

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ZooKeeperOptions say what a ZooKeeper server is like. The zero value serves plain connections, and nothing about it is special but
// for its tick of half a second, by which sessions may be as short as one second.
//
// Args are flags of its Java virtual machine: `-Dzookeeper.NAME=VALUE` sets what has no field here.
type ZooKeeperOptions struct {
	Options
	// Super is the password of the user super, of the scheme digest, to whom no ACL applies. Empty: nobody is super.
	Super string
	// MaxBuffer is how many bytes a request, an answer and a node may have (jute.maxbuffer). 0: 1 MiB less one byte.
	MaxBuffer int
	// Tick is ZooKeeper's unit of time: sessions end late by up to a tick. 0: half a second.
	Tick time.Duration
	// MinSession and MaxSession bound the sessions that clients ask for. 0: two ticks; one minute.
	MinSession, MaxSession time.Duration
	// ContainerCheck is how often empty containers are looked for, to be removed. 0: a minute.
	ContainerCheck time.Duration
	// TLS has another port speak TLS, by a certificate that this authority signs for the server. Nil: there is none.
	TLS *Authority
	// ClientCertificates has the TLS port want of clients a certificate of the same authority's.
	ClientCertificates bool
}

// ZooKeeper is a running ZooKeeper server: one by itself, or a member of a ZooKeeperEnsemble.
type ZooKeeper struct {
	*Server
	address, secure string
}

// StartZooKeeper starts a ZooKeeper of one server and returns when it answers. What FindJava finds or fetches runs it. ctx
// bounds the start.
func StartZooKeeper(ctx context.Context, o ZooKeeperOptions) (*ZooKeeper, error) {
	j, o, temp, err := o.withJava(ctx)
	if err != nil {
		return nil, err
	}
	s := j.zooKeeper(o.Dir, temp)
	z, err := withPorts(ctx, o.Options, 2, func(ctx context.Context, port []int) (*ZooKeeper, error) {
		z := newZooKeeper(s, o, port[0], port[1])
		return z, z.start(ctx, j, o, port, nil)
	})
	if err != nil {
		return nil, errors.Join(err, s.discard())
	}
	return z, nil
}

// withJava returns what runs servers, and the options with a folder, which is theirs to remove if it is temporary.
func (o ZooKeeperOptions) withJava(ctx context.Context) (j *Java, _ ZooKeeperOptions, temp bool, err error) {
	if j, err = FindJava(ctx, o.Log); err == nil {
		o.Options, temp, err = o.prepare("zookeeper")
	}
	return j, o, temp, err
}

// zooKeeper returns the process of a server that is not started yet.
func (j *Java) zooKeeper(dir string, temp bool) *Server {
	return &Server{name: "zookeeper", path: j.program, dir: dir, temp: temp}
}

func newZooKeeper(s *Server, o ZooKeeperOptions, plain, secure int) *ZooKeeper {
	z := &ZooKeeper{Server: s, address: local(plain)}
	if o.TLS != nil {
		z.secure = local(secure)
	}
	return z
}

// start begins the server's first life. ensemble are further lines of its configuration.
func (z *ZooKeeper) start(ctx context.Context, j *Java, o ZooKeeperOptions, ports []int, ensemble []string) error {
	config, err := z.configure(o, ensemble)
	if err != nil {
		return fmt.Errorf("servers: configure zookeeper: %w", err)
	}
	args := append(j.flags(), o.properties()...)
	args = append(args, o.Args...)
	o.Options.Args = nil // those of the virtual machine stand before the class
	return z.begin(ctx, o.Options, ports, z.healthy, append(args, "org.apache.zookeeper.server.quorum.QuorumPeerMain", config)...)
}

// properties are what the server reads of its virtual machine rather than of its configuration.
func (o ZooKeeperOptions) properties() []string {
	var all []string
	if o.Super != "" {
		all = append(all, "-Dzookeeper.DigestAuthenticationProvider.superDigest="+digest("super", o.Super))
	}
	if o.MaxBuffer != 0 {
		all = append(all, fmt.Sprintf("-Djute.maxbuffer=%d", o.MaxBuffer))
	}
	if o.ContainerCheck != 0 {
		all = append(all, fmt.Sprintf("-Dznode.container.checkIntervalMs=%d", o.ContainerCheck.Milliseconds()))
	}
	return all
}

// configure writes the server's configuration, and its certificates if it has any.
func (z *ZooKeeper) configure(o ZooKeeperOptions, ensemble []string) (path string, err error) {
	tick := o.Tick
	if tick == 0 {
		tick = 500 * time.Millisecond
	}
	longest := o.MaxSession
	if longest == 0 {
		longest = time.Minute
	}
	lines := append([]string{
		"dataDir=" + filepath.Join(z.dir, "data"),
		"clientPortAddress=127.0.0.1",
		"clientPort=" + portOf(z.address),
		"maxClientCnxns=0", // all clients have one address here
		"admin.enableServer=false",
		"4lw.commands.whitelist=*",
		"preAllocSize=1024",
		fmt.Sprintf("tickTime=%d", tick.Milliseconds()),
		fmt.Sprintf("maxSessionTimeout=%d", longest.Milliseconds()),
	}, ensemble...)
	if o.MinSession != 0 {
		lines = append(lines, fmt.Sprintf("minSessionTimeout=%d", o.MinSession.Milliseconds()))
	}
	if o.TLS != nil {
		secured, err := z.secureLines(o)
		if err != nil {
			return "", err
		}
		lines = append(lines, secured...)
	}
	path = filepath.Join(z.dir, "zoo.cfg")
	return path, os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}

// secureLines writes a certificate and its key, and returns how they are configured.
func (z *ZooKeeper) secureLines(o ZooKeeperOptions) ([]string, error) {
	store, trusted := filepath.Join(z.dir, "server.pem"), filepath.Join(z.dir, "trusted.pem")
	cert, key, err := o.TLS.Issue("zookeeper")
	if err != nil {
		return nil, err
	}
	if key, err = pkcs8(key); err != nil {
		return nil, err
	}
	if err := os.WriteFile(store, append(key, cert...), 0o600); err != nil {
		return nil, err
	}
	if err := os.WriteFile(trusted, o.TLS.PEM(), 0o600); err != nil {
		return nil, err
	}
	clients := "none"
	if o.ClientCertificates {
		clients = "need"
	}
	return []string{
		"secureClientPortAddress=127.0.0.1",
		"secureClientPort=" + portOf(z.secure),
		"serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory", // the one that speaks TLS
		"ssl.keyStore.location=" + store,
		"ssl.trustStore.location=" + trusted,
		"ssl.clientAuth=" + clients,
	}, nil
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

// Address returns HOST:PORT of the plain port.
func (z *ZooKeeper) Address() string { return z.address }

// SecureAddress returns HOST:PORT of the TLS port, or nothing if there is none.
func (z *ZooKeeper) SecureAddress() string { return z.secure }

// Mode returns what the server says it is: standalone, leader, follower; an error while it serves nobody.
func (z *ZooKeeper) Mode(ctx context.Context) (string, error) {
	answer, err := z.Ask(ctx, "srvr")
	if err != nil {
		return "", err
	}
	_, after, found := strings.Cut(answer, "\nMode: ")
	if !found {
		return "", fmt.Errorf("servers: ask zookeeper what it is: %s", strings.TrimSpace(answer))
	}
	mode, _, _ := strings.Cut(after, "\n")
	return mode, nil
}

func (z *ZooKeeper) healthy(ctx context.Context) error {
	_, err := z.Mode(ctx)
	return err
}

// Ask sends one of ZooKeeper's four-letter words, all of which are allowed (`mntr`, `cons`, `wchs`), and returns the answer.
func (z *ZooKeeper) Ask(ctx context.Context, word string) (string, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", z.address)
	if err != nil {
		return "", fmt.Errorf("servers: ask zookeeper %q: %w", word, err)
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	if _, err := io.WriteString(c, word); err != nil {
		return "", fmt.Errorf("servers: ask zookeeper %q: %w", word, err)
	}
	answer, err := io.ReadAll(io.LimitReader(c, 1<<20))
	if err != nil {
		return "", fmt.Errorf("servers: ask zookeeper %q: %w", word, errors.Join(err, context.Cause(ctx)))
	}
	return string(answer), nil
}

// digest returns how ZooKeeper writes a user of the scheme digest.
func digest(user, password string) string {
	sum := sha1.Sum([]byte(user + ":" + password))
	return user + ":" + base64.StdEncoding.EncodeToString(sum[:])
}
