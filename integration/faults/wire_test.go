package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
)

// wire stands before Consul or etcd and knows what it carries: HTTP/1.1 and gRPC.
// It counts requests that write, and can keep them where they are.
type wire struct {
	name string
	addr string

	mu     sync.Mutex // guards what follows
	frozen chan struct{}
	late   bool // what the server does not have yet when the ice melts still gets there
	open   map[*write]bool
	trap   int           // the wire freezes at so many writes from now; 0: never
	sprung chan struct{} // closed then
	seen   int           // writes
	taken  int           // those that the server took
}

// write is a request that writes and is not answered yet.
type write struct{ forwarded, caught bool }

// newWire listens on a free port until ctx ends, and forwards to a URL.
func newWire(name, to string) (*wire, func(), error) {
	u, err := url.Parse(to)
	if err != nil {
		return nil, nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, fmt.Errorf("before %s: %w", name, err)
	}
	w := &wire{name: name, addr: l.Addr().String(), open: map[*write]bool{}}
	both, grpc := new(http.Protocols), new(http.Protocols)
	both.SetHTTP1(true)
	both.SetUnencryptedHTTP2(true)
	grpc.SetUnencryptedHTTP2(true)
	transport := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	if name == "etcd" {
		transport.Protocols = grpc
	}
	onward := &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(u) },
		Transport:      transport,
		ModifyResponse: trailing,
		FlushInterval:  -1,
		ErrorLog:       log.New(io.Discard, "", 0),
		ErrorHandler:   func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	s := &http.Server{Handler: w.handler(onward), Protocols: both, ErrorLog: onward.ErrorLog}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.Serve(l) }()
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

// writes reports whether a request changes anything: Consul's by a transaction,
// etcd's likewise.
func writes(r *http.Request) bool {
	return r.Method == http.MethodPut && strings.HasPrefix(r.URL.Path, "/v1/txn") || r.URL.Path == "/etcdserverpb.KV/Txn"
}

func (w *wire) handler(onward http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !writes(r) {
			onward.ServeHTTP(rw, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler) // the writer is gone before it had said all
		}
		wr := w.enter()
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
		w.judge(a)
	})
}

// judge counts a write that the server took. Consul says so by the code of its
// answer, etcd in its text, which a frame of five bytes precedes.
func (w *wire) judge(a *answer) {
	took := a.code == http.StatusOK
	if w.name == "etcd" {
		var txn etcdserverpb.TxnResponse
		took = a.text.Len() > 5 && proto.Unmarshal(a.text.Bytes()[5:], &txn) == nil && txn.Succeeded
	}
	if took {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.taken++
	}
}

// count returns how many writes came, and how many the server took.
func (w *wire) count() (seen, taken int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen, w.taken
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
func (w *wire) enter() *write {
	w.mu.Lock()
	defer w.mu.Unlock()
	wr := &write{}
	w.open[wr] = true
	w.seen++
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

// TestWireHandsOnRefusals holds that a client hears through the wire what etcd says
// to one that it does not know.
func TestWireHandsOnRefusals(t *testing.T) {
	w, stop, err := newWire("etcd", serverstest.Etcd(t).Endpoint())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{w.addr}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := client.Authenticate(ctx, "nobody", "secret"); !errors.Is(err, rpctypes.ErrAuthNotEnabled) {
		t.Errorf("Authenticate = %v, want %v", err, rpctypes.ErrAuthNotEnabled)
	}
	if _, err := client.Put(ctx, "/a", "b"); err != nil {
		t.Error(err)
	}
}
