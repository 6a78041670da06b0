package consul

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/consul/api"

	"github.com/isthmus-dns/isthmus/catalog"
)

// TestWritingAsksForNoList holds that while a bridge writes it has the server
// walk nothing but nodes, and sees what others do all the same: under a name
// that is new, and under the name of a mirror.
func TestWritingAsksForNoList(t *testing.T) {
	empty(t)
	var lists atomic.Int64
	var writer atomic.Pointer[consul]
	at := through(t, func(_ http.ResponseWriter, r *http.Request) bool {
		w := writer.Load() // it may block on a list when it has not written for long, as where the machine is busy
		if w != nil && w.view.wroteWithin(stillWrites) && r.URL.Path == "/v1/catalog/services" && !r.URL.Query().Has("node-meta") {
			lists.Add(1)
		}
		return false
	})
	r, err := configure(t, at).Writer("own", quiet())
	if err != nil {
		t.Fatal(err)
	}
	w := r.(*consul)
	claim(t, w)
	cat := watching(t, w)
	s := mirror("own", "mine", 2)
	mustPut(t, w, s)
	writer.Store(w)
	for i := range 3 {
		s.Endpoints[0].Weight = 2 + i
		mustPut(t, w, s)
		name := fmt.Sprintf("theirs-%d", i)
		register(t, "vm", name, name, "10.2.0.1", 80, "passing")
		wait(t, cat, name, func(s *catalog.Snapshot) bool { return get(s, name, "") != nil })
	}
	s.Endpoints[0].Weight = 9
	mustPut(t, w, s)
	register(t, "vm", "beside", "mine", "10.2.0.1", 80, "passing")
	wait(t, cat, "a native one beside the mirror", func(s *catalog.Snapshot) bool { return get(s, "mine", "") != nil })
	deregister(t, "vm", "beside")
	wait(t, cat, "its end", func(s *catalog.Snapshot) bool { return get(s, "mine", "") == nil })
	if n := lists.Load(); n != 0 {
		t.Errorf("asked for %d lists", n)
	}
	node := w.layout.node("own", "mine")
	call(t, "PUT", "/v1/catalog/deregister", api.CatalogDeregistration{Node: node, ServiceID: w.recordsOf(s)[0]}, nil)
	wait(t, cat, "a record less", func(snap *catalog.Snapshot) bool { return len(get(snap, "mine", "own").Endpoints) == 1 })
}

// recordsOf returns the ids of a mirror's records.
func (c *consul) recordsOf(s *catalog.Service) (ids []string) {
	entries, _ := c.layout.encode(s)
	for _, e := range entries {
		ids = append(ids, e.Service.ID)
	}
	return ids
}

// TestManyNodesOfUsers holds that what happens is seen where users have more
// nodes than are asked one by one, and once they have fewer again.
func TestManyNodesOfUsers(t *testing.T) {
	empty(t)
	const n = maxUsers + 5
	node := func(i int) string { return fmt.Sprintf("many-vm-%d", i) }
	for i := range n {
		register(t, node(i), "shared", "shared", "10.2.0.1", 80, "passing")
	}
	w := open(t, "own")
	claim(t, w)
	cat := watching(t, w)
	if got := len(get(cat.Snapshot(), "shared", "").Endpoints); got != n {
		t.Fatalf("%d endpoints, want %d", got, n)
	}
	mustPut(t, w, mirror("own", "mine", 1))
	register(t, node(3), "mine", "mine", "10.2.0.1", 80, "passing")
	wait(t, cat, "a native one beside the mirror", func(s *catalog.Snapshot) bool { return get(s, "mine", "") != nil })
	for i := range n - 1 {
		call(t, "PUT", "/v1/catalog/deregister", api.CatalogDeregistration{Node: node(i)}, nil)
	}
	wait(t, cat, "the end of nodes", func(s *catalog.Snapshot) bool {
		return get(s, "mine", "") == nil && len(get(s, "shared", "").Endpoints) == 1
	})
	register(t, node(n-1), "late", "late", "10.2.0.1", 80, "passing")
	wait(t, cat, "a new name", func(s *catalog.Snapshot) bool { return get(s, "late", "") != nil })
}
