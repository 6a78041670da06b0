package consul

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/isthmus-dns/isthmus/catalog"
)

// Health is read by the name that it is of: nothing is listed and nobody else
// is asked for.
func TestHealthAlone(t *testing.T) {
	empty(t)
	register(t, "vm-1", "web-1", "web", "10.2.0.1", 80, "passing")
	register(t, "vm-2", "db-1", "db", "10.2.0.2", 80, "passing")
	var counting atomic.Bool
	var lists, others atomic.Int32
	at := through(t, func(_ http.ResponseWriter, r *http.Request) bool {
		if !counting.Load() {
			return false
		}
		switch {
		case r.URL.Path == "/v1/catalog/services" && r.URL.Query().Get("index") == "":
			lists.Add(1)
		case strings.HasPrefix(r.URL.Path, "/v1/health/service/") && r.URL.Path != "/v1/health/service/web":
			others.Add(1)
		}
		return false
	})
	r, err := configure(t, at).Reader(quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	cat := watching(t, r)
	counting.Store(true)
	for _, status := range []string{"critical", "passing", "warning", "critical", "passing"} {
		register(t, "vm-1", "web-1", "web", "10.2.0.1", 80, status)
		wait(t, cat, status, func(s *catalog.Snapshot) bool {
			for v := range s.From("consul/test") {
				if v.Name == "web" && len(v.Endpoints) == 1 {
					return v.Endpoints[0].Ready == (status != "critical")
				}
			}
			return false
		})
	}
	if lists.Load() > 0 || others.Load() > 0 {
		t.Errorf("five checks that changed took %d lists and %d questions about others", lists.Load(), others.Load())
	}
}
