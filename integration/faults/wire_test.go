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
// API server is asked. It counts requests that write, and can keep them where they are.
type wire struct {
	name string
	addr string

	mu     sync.Mutex // guards what follows
	frozen chan struct{}
	late   bool // what the server does not have yet when the ice melts still gets there
	open   map[*write]bool
	trap   int           // the wire freezes at so many writes from now; 0: never
	sprung chan struct{} // closed then
	counts map[string]*tally
}

// tally counts writes of one kind.
type tally struct{ tried, taken int }

// The kinds of writes: any by a transaction of Consul or etcd, an object that is made
// in a cluster, and one that is changed or deleted there.
const (
	transaction = "transaction"
	creation    = "creation"
	alteration  = "alteration"
)

// write is a request that writes and is not answered yet.
type write struct {
	forwarded, caught bool
	of                *tally // that counts it
}

// newWire listens on a free port and forwards to a URL until what it returns is
// called. Before a server with TLS it speaks that, over what both sides have of it.
func newWire(name, to string, over *tls.Config) (*wire, func(), error) {
	u, err := url.Parse(to)
	if err != nil {
		return nil, nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, fmt.Errorf("before %s: %w", name, err)
	}
	w := &wire{name: name, addr: l.Addr().String(), open: map[*write]bool{}, counts: map[string]*tally{}}
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
		w.mu.Lock()
		defer w.mu.Unlock()
		wr.of.taken++
	}
}

// count returns how many writes of a kind came since hold, or ever, and how many of
// these the server took.
func (w *wire) count(kind string) tally {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t := w.counts[kind]; t != nil {
		return *t
	}
	return tally{}
}

// unanswered is how many writes are under way.
func (w *wire) unanswered() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.open)
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

// enter notes a write, which may spring the trap.
func (w *wire) enter(kind string) *write {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.counts[kind] == nil {
		w.counts[kind] = &tally{}
	}
	wr := &write{of: w.counts[kind]}
	w.open[wr] = true
	wr.of.tried++
	if w.trap > 0 {
		if w.trap--; w.trap == 0 {
			w.freezeLocked()
			close(w.sprung)
		}
	}
	return wr
}

func (w *wire) leave(wr *write) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.open, wr)
}

// mayForward waits while the wire is frozen, and reports whether the server is to
// have the request. One that was caught by a kill goes as that says.
func (w *wire) mayForward(wr *write) bool {
	w.wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	wr.forwarded = !wr.caught || w.late
	return wr.forwarded
}

func (w *wire) wait() {
	w.mu.Lock()
	frozen := w.frozen
	w.mu.Unlock()
	if frozen != nil {
		<-frozen
	}
}

// set arms the trap: the wire freezes with the n-th write from now.
func (w *wire) set(n int) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trap, w.sprung = n, make(chan struct{})
	return w.sprung
}

// freeze keeps writes and their answers where they are.
func (w *wire) freeze() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trap = 0
	w.freezeLocked()
}

// hold freezes the wire and counts from then on.
func (w *wire) hold() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.freezeLocked()
	w.counts = map[string]*tally{}
}

func (w *wire) freezeLocked() {
	if w.frozen == nil {
		w.frozen = make(chan struct{})
	}
}

// caught counts the writes that are under way, of a writer that is dead: those that
// the server has or had, and those that it has not.
func (w *wire) caught() (there, here int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for wr := range w.open {
		wr.caught = true
		if wr.forwarded {
			there++
		} else {
			here++
		}
	}
	return there, here
}

// thaw lets go on what stands: with late, also what the server does not have yet.
func (w *wire) thaw(late bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.late, w.trap = late, 0
	if w.frozen != nil {
		close(w.frozen)
		w.frozen = nil
	}
}
