package faults

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
)

// TestWireHandsOnRefusals holds that a client hears through the wire what etcd says
// to one that it does not know.
func TestWireHandsOnRefusals(t *testing.T) {
	w, stop, err := newWire(newGate(), "etcd", serverstest.Etcd(t).Endpoint(), nil)
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

// TestWireHolds holds that what came before hold is not counted, and that what came
// then gets to the server afterwards, also when nobody waits for it any more.
func TestWireHolds(t *testing.T) {
	got := make(chan string, 3)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		got <- r.Method
		if r.Method == http.MethodPut {
			rw.WriteHeader(http.StatusConflict)
		}
	}))
	t.Cleanup(server.Close)
	w, stop, err := newWire(newGate(), "kubernetes", server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	ask := func(ctx context.Context, method string) {
		r, err := http.NewRequestWithContext(ctx, method, "http://"+w.addr+"/api/v1/namespaces/in-a/services", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		if answer, err := http.DefaultClient.Do(r); err == nil {
			_ = answer.Body.Close()
		}
	}
	ask(t.Context(), http.MethodPost)
	w.hold()
	for _, method := range []string{http.MethodPost, http.MethodPut} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		ask(ctx, method)
		cancel()
	}
	if n := len(got); n != 1 || w.unanswered() != 2 {
		t.Errorf("the server has %d requests and %d are held, want 1 and 2", n, w.unanswered())
	}
	w.thaw(true)
	err = until(t.Context(), 10*time.Second, "all are answered", func() error {
		if n := w.unanswered(); n > 0 {
			return fmt.Errorf("%d are not", n)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if made, altered := w.count(creation), w.count(alteration); len(got) != 3 || made != (tally{1, 1}) || altered != (tally{1, 0}) {
		t.Errorf("the server has %d requests, creations %v, alterations %v", len(got), made, altered)
	}
}
