package servers

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
)

// KubernetesOptions are those of an API server. The zero value is one with new data on free ports, and nothing but it.
type KubernetesOptions struct {
	Options
	// ControllerManager also starts kube-controller-manager, with the controllers that make EndpointSlices of pods, finish
	// deleting namespaces and give namespaces their service account. Without it, nobody does. A pod comes into a slice once it
	// has an address and the Node object that it names exists.
	ControllerManager bool
	// Users are there besides admin, isthmus-dns and isthmus-bridge.
	Users []User
}

// Kubernetes is a running API server with RBAC and dual-stack service addresses (10.96.0.0/16, fd00:10:96::/112), the etcd it
// keeps its data in and, if wanted, a controller manager. There are no nodes: pods are objects, and nothing runs them.
//
// Its methods as a Server are about the API server's process alone, but for Stop.
type Kubernetes struct {
	*Server
	pki     pki
	url     string
	client  *http.Client
	tokens  map[string]string // by user
	etcd    *Etcd
	manager *Server // nil: none
}

// StartKubernetes builds what is needed, starts it and returns when all of it answers. ctx bounds the start.
func StartKubernetes(ctx context.Context, o KubernetesOptions) (*Kubernetes, error) {
	s, plain, err := newServer(ctx, APIServer, o.Options)
	if err != nil {
		return nil, err
	}
	o.Options = plain
	k := &Kubernetes{Server: s, pki: pki(filepath.Join(o.Dir, "pki"))}
	if err := k.start(ctx, o); err != nil {
		return nil, errors.Join(err, k.Stop())
	}
	return k, nil
}

// start leaves what it started to Stop, also when it fails.
func (k *Kubernetes) start(ctx context.Context, o KubernetesOptions) (err error) {
	if err := k.prepare(); err != nil {
		return fmt.Errorf("servers: make keys for kube-apiserver: %w", err)
	}
	k.etcd, err = StartEtcd(ctx, Options{Dir: filepath.Join(o.Dir, "etcd"), Args: []string{"--unsafe-no-fsync"}, Log: o.Log})
	if err != nil {
		return err
	}
	_, err = withPorts(ctx, o.Options, 1, func(ctx context.Context, port []int) (*Kubernetes, error) {
		return k, k.startAPI(ctx, o, port)
	})
	if err != nil || !o.ControllerManager {
		return err
	}
	return k.startManager(ctx, o)
}

// prepare makes keys, certificates and the client that trusts them.
func (k *Kubernetes) prepare() error {
	if err := os.MkdirAll(string(k.pki), 0o700); err != nil {
		return err
	}
	if err := k.pki.write(); err != nil {
		return err
	}
	k.client = &http.Client{Transport: &http.Transport{DialTLSContext: k.dial}}
	return nil
}

// dial trusts who signed the server's certificate by now: a test may renew it.
func (k *Kubernetes) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	ca, err := os.ReadFile(k.pki.caFile())
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return (&tls.Dialer{Config: &tls.Config{RootCAs: roots}}).DialContext(ctx, network, addr)
}

func (k *Kubernetes) startAPI(ctx context.Context, o KubernetesOptions, port []int) (err error) {
	k.url = "https://" + local(port[0])
	if k.tokens, err = k.pki.writeUsers(k.url, append(standardUsers(), o.Users...)); err != nil {
		return fmt.Errorf("servers: make users for kube-apiserver: %w", err)
	}
	return k.begin(ctx, o.Options, port, k.healthy, k.apiArgs(port[0])...)
}

func (k *Kubernetes) apiArgs(port int) []string {
	return []string{
		"--etcd-servers=" + k.etcd.Endpoint(),
		"--bind-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(port),
		// The endpoint of the Service default/kubernetes. A loopback address is refused there, and the address of this host's
		// interface would differ from host to host; nobody is meant to reach this one (RFC 5737).
		"--advertise-address=192.0.2.1",
		"--service-cluster-ip-range=10.96.0.0/16,fd00:10:96::/112",
		"--authorization-mode=RBAC",
		"--token-auth-file=" + k.pki.tokenFile(),
		"--tls-cert-file=" + k.pki.certFile(),
		"--tls-private-key-file=" + k.pki.keyFile(),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + k.pki.servicePubFile(),
		"--service-account-signing-key-file=" + k.pki.serviceKeyFile(),
		"--disable-admission-plugins=ServiceAccount",   // pods need no service account of their namespace
		"--shutdown-watch-termination-grace-period=1s", // without it an open watch holds the end up for a minute
		"--profiling=false",
	}
}

// startManager starts the controller manager, whose certificate is that of the API server.
func (k *Kubernetes) startManager(ctx context.Context, o KubernetesOptions) error {
	s, plain, err := newServer(ctx, ControllerManager, Options{Dir: filepath.Join(o.Dir, "controller-manager"), Log: o.Log})
	if err != nil {
		return err
	}
	k.manager, err = withPorts(ctx, plain, 1, func(ctx context.Context, port []int) (*Server, error) {
		healthy := func(ctx context.Context) error {
			_, err := get(ctx, k.client, "https://"+local(port[0])+"/healthz", "")
			return err
		}
		return s, s.begin(ctx, plain, port, healthy, k.managerArgs(port[0])...)
	})
	return err
}

func (k *Kubernetes) managerArgs(port int) []string {
	return []string{
		"--kubeconfig=" + k.Kubeconfig(),
		"--authentication-kubeconfig=" + k.Kubeconfig(),
		"--authorization-kubeconfig=" + k.Kubeconfig(),
		"--controllers=endpointslice-controller,namespace-controller,serviceaccount-controller",
		"--leader-elect=false",
		"--bind-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(port),
		"--tls-cert-file=" + k.pki.certFile(),
		"--tls-private-key-file=" + k.pki.keyFile(),
		"--kube-api-qps=500",
		"--kube-api-burst=1000",
		"--profiling=false",
	}
}

// healthy asks for what the API server itself counts as ready, its first objects and its connection to etcd included.
func (k *Kubernetes) healthy(ctx context.Context) error {
	if _, err := get(ctx, k.client, k.url+"/readyz", k.Token()); err != nil {
		return err
	}
	_, err := get(ctx, k.client, k.url+"/api/v1/namespaces/default", k.Token())
	return err
}

// URL returns the address of the API server.
func (k *Kubernetes) URL() string { return k.url }

// CAFile returns the path of the certificate that signed the API server's.
func (k *Kubernetes) CAFile() string { return k.pki.caFile() }

// ServerFiles returns the paths of the server's certificate and key, which hold for every server on this host.
func (k *Kubernetes) ServerFiles() (cert, key string) { return k.pki.certFile(), k.pki.keyFile() }

// Token returns the bearer token of Admin.
func (k *Kubernetes) Token() string { return k.tokens[Admin] }

// Kubeconfig returns the path of a kubeconfig with the authority and the token of Admin.
func (k *Kubernetes) Kubeconfig() string { return k.pki.kubeconfig(Admin) }

// TokenOf returns the bearer token of a user: a standard one or one of KubernetesOptions.Users. It is empty for others.
func (k *Kubernetes) TokenOf(user string) string { return k.tokens[user] }

// KubeconfigOf returns the path of the kubeconfig of a user for whom TokenOf has a token.
func (k *Kubernetes) KubeconfigOf(user string) string { return k.pki.kubeconfig(user) }

// Etcd returns the etcd behind the API server, which Stop stops.
func (k *Kubernetes) Etcd() *Etcd { return k.etcd }

// ControllerManager returns the controller manager's process, which Stop stops, or nil if none was asked for.
func (k *Kubernetes) ControllerManager() *Server { return k.manager }

// Stop ends all processes for good and waits for them, the one that needs the others first, and removes the data folder if
// that is temporary. Stopping twice does no harm.
func (k *Kubernetes) Stop() error {
	var errs []error
	if k.manager != nil {
		errs = append(errs, k.manager.Halt())
	}
	errs = append(errs, k.Halt())
	if k.etcd != nil {
		errs = append(errs, k.etcd.Halt())
	}
	if k.client != nil {
		k.client.CloseIdleConnections()
	}
	return errors.Join(append(errs, k.discard())...)
}
