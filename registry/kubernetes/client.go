package kubernetes

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/isthmus-dns/isthmus/registry"
)

// open makes the client; it does not connect.
func (c *config) open(owner string, log *slog.Logger) (*server, error) {
	s, _, err := c.dial(owner, log)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", c.Origin(), err)
	}
	return s, nil
}

// dial is open for who makes a further client: it returns, besides, how the
// others speak to the API server.
func (c *config) dial(owner string, log *slog.Logger) (*server, *rest.Config, error) {
	to, err := c.rest()
	if err != nil {
		return nil, nil, err
	}
	s := &server{conf: c, owner: owner, log: log, refused: groups{}, pace: c.pace(owner)}
	to.Wrap(func(next http.RoundTripper) http.RoundTripper { return observer{next, s.heard} })
	to.Wrap(func(next http.RoundTripper) http.RoundTripper { return leased{next, &s.leased} })
	if c.maxInflight > 0 {
		to.Wrap(func(next http.RoundTripper) http.RoundTripper { return newLimiter(next, c.maxInflight) })
	}
	limit := rate.NewLimiter(rate.Limit(c.qps), c.burst)
	to.Wrap(func(next http.RoundTripper) http.RoundTripper { return meter{next, limit, &s.recorder} })
	if s.client, err = kubernetes.NewForConfig(to); err != nil {
		return nil, nil, err
	}
	s.metadata, err = metadata.NewForConfig(to)
	return s, to, err
}

// checkFiles says what is wrong with which file, by the word for it. The client
// reads them again later, and names none then.
func checkFiles(tls rest.TLSClientConfig, ca, cert, key string) error {
	if tls.CAFile != "" {
		if _, err := (registry.PEMFile{Word: ca, Name: tls.CAFile}).Authorities(); err != nil {
			return err
		}
	}
	if tls.CertFile == "" || tls.KeyFile == "" {
		return nil
	}
	_, err := registry.PEMFile{Word: cert, Name: tls.CertFile}.KeyPair(registry.PEMFile{Word: key, Name: tls.KeyFile})
	return err
}

// rest says where the API server is and how to speak to it: by the files as they
// are from time to time.
func (c *config) rest() (*rest.Config, error) {
	by, is, err := newRenewing(c.where, c.kubeconfig)
	if err != nil {
		return nil, err
	}
	to := &rest.Config{Host: is.Host, Transport: capped{by, maxAnswer}, Timeout: is.Timeout, UserAgent: "isthmus"}
	if !strings.Contains(to.Host, "://") && (is.TLSClientConfig.Insecure || is.CAFile != "" || len(is.CAData) > 0 || is.CertFile != "" || len(is.CertData) > 0) {
		to.Host = "https://" + to.Host // as the client library would have it
	}
	to.QPS = -1 // see meter
	to.ContentType = runtime.ContentTypeProtobuf
	to.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	return to, nil
}

func (c *config) where() (*rest.Config, error) {
	switch {
	case len(c.kubeconfig) > 0:
		rules := &clientcmd.ClientConfigLoadingRules{Precedence: c.kubeconfig}
		if len(c.kubeconfig) == 1 {
			rules = &clientcmd.ClientConfigLoadingRules{ExplicitPath: c.kubeconfig[0]}
		}
		over := &clientcmd.ConfigOverrides{CurrentContext: c.context}
		to, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, over).ClientConfig()
		if err != nil {
			return nil, fmt.Errorf("kubeconfig %q: %w", c.kubeconfig, err)
		}
		if err := checkFiles(to.TLSClientConfig, "certificate-authority", "client-certificate", "client-key"); err != nil {
			return nil, fmt.Errorf("kubeconfig %q: %w", c.kubeconfig, err)
		}
		return to, nil
	case c.endpoint != "":
		tls := rest.TLSClientConfig{CertFile: c.cert, KeyFile: c.key, CAFile: c.ca}
		return &rest.Config{Host: c.endpoint, TLSClientConfig: tls}, checkFiles(tls, "tls CACERT", "tls CERT", "tls KEY")
	}
	to, err := rest.InClusterConfig()
	if errors.Is(err, rest.ErrNotInCluster) {
		return nil, errors.New("no kubeconfig and no endpoint is given, and this is no pod of a cluster")
	}
	return to, err
}
