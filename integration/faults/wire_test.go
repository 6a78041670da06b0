package faults

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"
)

// wire stands before a server and knows what it carries: HTTP/1.1, gRPC, and what an
// API server is asked. Its gate keeps requests that write.
type wire struct {
	*gate
	name string
	addr string
}

// newWire listens on a free port and forwards through a gate to a URL until what it
// returns is called. Before a server with TLS it speaks that, over what both sides have of it.
func newWire(g *gate, name, to string, over *tls.Config) (*wire, func(), error) {
	u, err := url.Parse(to)
	if err != nil {
		return nil, nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, fmt.Errorf("before %s: %w", name, err)
	}
	w := &wire{gate: g, name: name, addr: l.Addr().String()}
	both, grpc := new(http.Protocols), new(http.Protocols)
	both.SetHTTP1(true)
	both.SetUnencryptedHTTP2(true)
	grpc.SetUnencryptedHTTP2(true)
	transport := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	if name == "etcd" {
		transport.Protocols = grpc
	}
	secure := u.Scheme == "https"
	if secure {
		both.SetHTTP2(true)
		transport.Protocols, transport.TLSClientConfig = both, &tls.Config{RootCAs: over.RootCAs}
	}
	onward := &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(u) },
		Transport:      transport,
		ModifyResponse: trailing,
		FlushInterval:  -1,
		ErrorLog:       log.New(io.Discard, "", 0),
		ErrorHandler:   func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	s := &http.Server{Handler: w.handler(onward), Protocols: both, ErrorLog: onward.ErrorLog, TLSConfig: over.Clone()}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if secure {
			_ = s.ServeTLS(l, "", "")
		} else {
			_ = s.Serve(l)
		}
	}()
	return w, func() {
		w.thaw(false)
		_ = s.Close()
		transport.CloseIdleConnections()
		<-ended
	}, nil
}

// trailing has the status of a gRPC call follow its answer, also where nothing else
// is in it and it came at the head: what is handed on in pieces has its end apart.
func trailing(r *http.Response) error {
	for _, name := range []string{"Grpc-Status", "Grpc-Message", "Grpc-Status-Details-Bin"} {
		if said := r.Header.Values(name); len(said) > 0 {
			if r.Trailer == nil {
				r.Trailer = http.Header{}
			}
			r.Trailer[name] = said
			r.Header.Del(name)
		}
	}
	return nil
}

// kind says how a request changes what the bridge mirrors: Consul's and etcd's by a
// transaction, a cluster's by objects of the namespace that is mirrored to. It is
// empty for what does not.
func kind(r *http.Request) string {
	switch path := r.URL.Path; {
	case r.Method == http.MethodPut && strings.HasPrefix(path, "/v1/txn"), path == "/etcdserverpb.KV/Txn":
		return transaction
	case r.Method == http.MethodGet || !strings.Contains(path, "/namespaces/in-"):
		return ""
	case r.Method == http.MethodPost:
		return creation
	}
	return alteration
}

func (w *wire) handler(onward http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		what := kind(r)
		if what == "" {
			onward.ServeHTTP(rw, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler) // the writer is gone before it had said all
		}
		wr := w.enter(what)
		defer w.leave(wr)
		if !w.mayForward(wr) {
			panic(http.ErrAbortHandler)
		}
		// What was said whole gets there, whatever became of who said it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 30*time.Second)
		defer cancel()
		again := r.Clone(ctx)
		again.Body, again.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		a := &answer{ResponseWriter: rw, wire: w}
		onward.ServeHTTP(a, again)
		w.judge(wr, a)
	})
}

// judge counts a write that the server took. Consul and an API server say so by the
// code of their answer, etcd in its text, which a frame of five bytes precedes.
func (w *wire) judge(wr *write, a *answer) {
	took := a.code/100 == 2
	if w.name == "etcd" {
		var txn etcdserverpb.TxnResponse
		took = a.text.Len() > 5 && proto.Unmarshal(a.text.Bytes()[5:], &txn) == nil && txn.Succeeded
	}
	if took {
		w.took(wr)
	}
}

// answer waits before the first of it is handed back, and keeps it.
type answer struct {
	http.ResponseWriter
	wire *wire
	once sync.Once
	code int
	text bytes.Buffer
}

func (a *answer) WriteHeader(code int) {
	a.code = code
	a.once.Do(a.wire.wait)
	a.ResponseWriter.WriteHeader(code)
}

func (a *answer) Write(b []byte) (int, error) {
	a.once.Do(a.wire.wait)
	a.text.Write(b)
	return a.ResponseWriter.Write(b)
}

// Unwrap lets the proxy flush.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
