package consul

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/isthmus-dns/isthmus/catalog"
)

// Transactions overlap, yet none is refused: of those under way at a time no
// two make the same node, and the parts of one service follow each other.
func TestFlights(t *testing.T) {
	empty(t)
	var refused atomic.Int64
	var mu sync.Mutex // guards what follows
	var under, most int
	count := func(n int) {
		mu.Lock()
		defer mu.Unlock()
		under += n
		most = max(most, under)
	}
	target, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ModifyResponse = func(r *http.Response) error {
		if r.StatusCode != http.StatusOK {
			refused.Add(1)
		}
		return nil
	}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			count(1)
			defer count(-1)
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	w, err := configure(t, front.URL, "nodes 4").Writer("flights", quiet())
	if err != nil {
		t.Fatal(err)
	}
	c := w.(*consul)
	claim(t, c)
	all := []*catalog.Service{mirror("flights", "large", 300)}
	for i := range 60 {
		all = append(all, mirror("flights", fmt.Sprintf("small-%d", i), 10))
	}
	mustPut(t, c, all...)
	if n := refused.Load(); n != 0 {
		t.Errorf("%d refusals", n)
	}
	if most < 2 || most > maxFlights {
		t.Errorf("%d transactions under way at a time, want 2 to %d", most, maxFlights)
	}
	snap := watching(t, open(t, "reader")).Snapshot()
	for _, s := range all {
		if got := get(snap, s.Name, "flights"); got == nil || len(got.Endpoints) != len(s.Endpoints) {
			t.Errorf("%q reads back as %v", s.Name, got)
		}
	}
}
