package consul

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/isthmus-dns/isthmus/registry"
)

// client speaks HTTP with one Consul agent or server. It takes the types of
// consul/api and not its client, which reads the environment behind our back,
// keeps a token for ever and hides the status of a failed transaction.
type client struct {
	base       string
	datacenter string
	tenant     tenant
	token      secret
	tokenFile  string
	http       *http.Client
	most       int64         // bytes that an answer may have
	large      chan struct{} // has room for one answer that is large

	mu             sync.Mutex      // guards what follows
	least, leastOf string          // a server's id that stands for its datacenter, which has no authority
	servers        map[string]bool // their nodes' ids, as last asked for
}

// answerTimeout bounds every request that does not block.
const answerTimeout = 30 * time.Second

// maxConns bounds the connections of one client: Consul allows 200 from one
// address, which other programs may share.
const maxConns = 64

func newClient(c *config) (*client, error) {
	conf := &tls.Config{ServerName: c.serverName, InsecureSkipVerify: c.insecure, MinVersion: tls.VersionTLS12}
	if err := loadCA(conf, c.caFile); err != nil {
		return nil, err
	}
	if c.certFile != "" {
		renewed, err := registry.PEMFile{Word: "cert_file", Name: c.certFile}.Renewed(registry.PEMFile{Word: "key_file", Name: c.keyFile})
		if err != nil {
			return nil, fmt.Errorf("consul: %w", err)
		}
		conf.GetClientCertificate = renewed
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: conf, ForceAttemptHTTP2: true,
		MaxConnsPerHost: maxConns, MaxIdleConnsPerHost: maxConns, IdleConnTimeout: 90 * time.Second,
		TLSHandshakeTimeout: handshakeTimeout, DialContext: (&net.Dialer{Timeout: handshakeTimeout}).DialContext,
	}
	if c.caFile != "" {
		transport.DialTLSContext = dialing(conf, c.caFile)
	}
	cl := &client{
		base: strings.TrimSuffix(c.url, "/"), datacenter: c.datacenter, tenant: c.tenant, token: c.token, tokenFile: c.tokenFile,
		http: &http.Client{Transport: transport}, most: maxAnswer, large: make(chan struct{}, 1),
	}
	_, err := cl.secret()
	return cl, err
}

// handshakeTimeout bounds a connection's beginning.
const handshakeTimeout = 10 * time.Second

// dialing returns a way to connect that reads the authorities anew each time,
// so that a renewed file is taken. What goes through a proxy keeps those of the
// start.
func dialing(conf *tls.Config, caFile string) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		fresh := conf.Clone()
		if err := loadCA(fresh, caFile); err != nil {
			return nil, err
		}
		fresh.NextProtos = []string{"h2", "http/1.1"}
		ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
		defer cancel()
		return (&tls.Dialer{Config: fresh}).DialContext(ctx, network, addr)
	}
}

func loadCA(conf *tls.Config, file string) error {
	if file == "" {
		return nil
	}
	pool, err := registry.PEMFile{Word: "ca_file", Name: file}.Authorities()
	if err != nil {
		return fmt.Errorf("consul: %w", err)
	}
	conf.RootCAs = pool
	return nil
}

// secret returns the token, "" if none is configured; a file is read each
// time, since tokens change.
func (c *client) secret() (string, error) {
	if c.tokenFile == "" {
		return string(c.token), nil
	}
	text, err := os.ReadFile(c.tokenFile)
	if err != nil {
		return "", fmt.Errorf("consul: read token_file: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" { // as while a program writes it anew: nothing is asked without the token that was meant
		return "", fmt.Errorf("consul: token_file %q holds no token", c.tokenFile)
	}
	return token, nil
}

// statusError is an answer other than the one hoped for.
type statusError struct {
	code int
	text string
}

// Error returns the code and the first line of what Consul said.
func (e *statusError) Error() string { return fmt.Sprintf("status %d: %s", e.code, e.text) }

// get reads path into out (nil: throws the answer away) and returns its index.
// With wait, it blocks until the index is above index or wait is over.
func (c *client) get(ctx context.Context, path string, q url.Values, out any) (index uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	return c.read(ctx, path, q, out)
}

// block waits until path's index is above index, or wait is over.
func (c *client) block(ctx context.Context, path string, q url.Values, index uint64, wait time.Duration, out any) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, wait+wait/8+answerTimeout) // Consul adds up to 1/16 of its own
	defer cancel()
	q.Set("index", strconv.FormatUint(index, 10))
	q.Set("wait", wait.Round(time.Millisecond).String())
	return c.read(ctx, path, q, out)
}

func (c *client) read(ctx context.Context, path string, q url.Values, out any) (uint64, error) {
	resp, err := c.do(ctx, http.MethodGet, path, q, nil)
	if err != nil {
		return 0, fmt.Errorf("consul: read %q: %w", path, err)
	}
	defer resp.Body.Close()
	if err := c.take(resp, out); err != nil {
		return 0, fmt.Errorf("consul: read %q: %w", path, err)
	}
	index, err := strconv.ParseUint(resp.Header.Get("X-Consul-Index"), 10, 64)
	if err != nil && resp.Header.Get("X-Consul-Index") != "" {
		return 0, fmt.Errorf("consul: read %q: index: %w", path, err)
	}
	return max(index, 1), nil
}

// take reads an answer to a read.
func (c *client) take(resp *http.Response, out any) error {
	if resp.StatusCode != http.StatusOK {
		return fail(resp)
	}
	if isFiltered(resp) {
		return errFiltered
	}
	if out == nil {
		_, err := io.Copy(io.Discard, resp.Body)
		return err
	}
	body := c.bound(resp)
	defer body.done()
	if err := receive(body, out); err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	_, err := io.Copy(io.Discard, body) // so that the connection can be used again
	return err
}

func fail(resp *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	return &statusError{resp.StatusCode, strconv.Quote(line)}
}

// do sends a request. One that Consul refuses by a token which the file holds no
// longer is sent again by the one that it holds: nothing was done by it. It is
// answered at once then, since what was to be waited for may have come.
func (c *client) do(ctx context.Context, method, path string, q url.Values, body []byte) (*http.Response, error) {
	token, err := c.secret()
	if err != nil {
		return nil, err
	}
	resp, err := c.send(ctx, token, method, c.address(path, q), body)
	if err != nil || !refused(resp) {
		return resp, err
	}
	renewed, err := c.secret()
	if err != nil || renewed == token {
		return resp, nil
	}
	_ = resp.Body.Close()
	q.Del("index")
	q.Del("wait")
	return c.send(ctx, renewed, method, c.address(path, q), body)
}

// refused reports whether the token's rights may be why an answer is not the one
// hoped for.
func refused(resp *http.Response) bool {
	return resp.StatusCode == http.StatusForbidden || isFiltered(resp)
}

func isFiltered(resp *http.Response) bool {
	return resp.Header.Get("X-Consul-Results-Filtered-By-ACLs") == "true"
}

// address is the URL of a question.
func (c *client) address(path string, q url.Values) string {
	all := url.Values{}
	maps.Copy(all, q)
	if c.datacenter != "" {
		all.Set("dc", c.datacenter)
	}
	c.tenant.ask(all)
	return c.base + path + "?" + all.Encode()
}

func (c *client) send(ctx context.Context, token, method, address string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if token != "" {
		req.Header.Set("X-Consul-Token", token)
	}
	resp, err := c.http.Do(req)
	var ue *url.Error
	if errors.As(err, &ue) { // its text repeats the whole URL
		err = ue.Err
	}
	return resp, err
}

// txnAnswer is what a transaction's answer says that is of use: of what was
// written the new indexes, not all that it was written with.
type txnAnswer struct {
	Results []txnResult
	Errors  api.TxnErrors
}

type txnResult struct{ Node, Service, Check *written }

type written struct {
	ID, CheckID string
	ModifyIndex uint64
}

// txn runs one transaction: ok, or what Consul says of single operations. An
// error with a *statusError means that nothing was written; after any other
// it may have been.
func (c *client) txn(ctx context.Context, ops api.TxnOps) (ok bool, out txnAnswer, err error) {
	c.tenant.own(ops)
	body, err := encodeOps(ops)
	if err != nil {
		return false, out, fmt.Errorf("consul: encode transaction: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	resp, err := c.do(ctx, http.MethodPut, "/v1/txn", nil, body)
	if err != nil {
		return false, out, fmt.Errorf("consul: write: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusConflict {
		return false, out, fmt.Errorf("consul: write: %w", fail(resp))
	}
	answer := c.bound(resp)
	defer answer.done()
	if err := receive(answer, &out); err != nil {
		return false, out, fmt.Errorf("consul: decode answer to a write: %w", err)
	}
	return resp.StatusCode == http.StatusOK, out, nil
}

// service reads all instances of one name with their checks.
func (c *client) service(ctx context.Context, name string) (all []*api.ServiceEntry, index uint64, err error) {
	var list []seenEntry
	index, err = c.get(ctx, "/v1/health/service/"+url.PathEscape(name), nil, &list)
	return plainEntries(list), index, err
}
