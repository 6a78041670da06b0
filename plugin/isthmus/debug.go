package isthmus

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/coredns/coredns/plugin/pkg/reuseport"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

const (
	defaultDebug = "127.0.0.1:6054" // beside *pprof*
	debugPath    = "/debug/isthmus"
)

func setDebug(c *config, s stanza.Stanza) error {
	c.debug = defaultDebug
	if len(s.Args()) == 0 {
		return nil
	}
	addr, err := loopback(s.Args()[0])
	if err != nil {
		return s.Errorf("debug: %w", err)
	}
	c.debug = addr
	return nil
}

// loopback checks that text is an address and a port of this host that no other
// host reaches: what is held is not for everybody.
func loopback(text string) (string, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return "", fmt.Errorf("%q is not an address and a port such as %s", text, defaultDebug)
	}
	if !isLoopback(host) {
		return "", fmt.Errorf("%q is not a loopback address", text)
	}
	if host == "localhost" {
		host = "127.0.0.1" // whatever the name stands for
	}
	return net.JoinHostPort(host, port), nil
}

func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.Unmap().IsLoopback()
}

// page shows over HTTP what the blocks of one server hold that name its address.
// It is served from the first that is added until the last is removed.
type page struct {
	server  *http.Server
	running sync.WaitGroup

	mu  sync.Mutex // guards all
	all []*process
}

// newPage listens on addr, beside the page of a server that is being replaced.
func newPage(addr string) (*page, error) {
	l, err := reuseport.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("debug: %w", err)
	}
	g := new(page)
	g.server = &http.Server{Handler: g, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: time.Minute}
	g.running.Go(func() { _ = g.server.Serve(l) }) // until it is closed
	return g, nil
}

func (g *page) add(p *process) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.all = append(g.all, p)
}

func (g *page) remove(p *process) {
	g.mu.Lock()
	g.all = slices.DeleteFunc(g.all, func(x *process) bool { return x == p })
	left := len(g.all)
	g.mu.Unlock()
	if left == 0 {
		_ = g.server.Close()
		g.running.Wait()
	}
}

// ServeHTTP answers GET /debug/isthmus: text, or JSON with ?o=json; of one
// service alone with ?name=NAMESPACE/NAME. A web page that has its own name
// resolved to this host is no client.
func (g *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	var only *catalog.Key
	switch q := r.URL.Query(); {
	case !isLoopback(host):
		http.Error(w, "not for this host", http.StatusForbidden)
		return
	case r.URL.Path != debugPath:
		http.Error(w, "try "+debugPath, http.StatusNotFound)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		http.Error(w, "only to be read", http.StatusMethodNotAllowed)
		return
	case q.Get("name") != "":
		k, err := catalog.ParseKey(q.Get("name"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		only = &k
	}
	g.mu.Lock()
	all := slices.Clone(g.all)
	g.mu.Unlock()
	var views []*view
	for _, p := range all {
		views = append(views, p.views.newest.Load())
	}
	if r.URL.Query().Get("o") == "json" {
		w.Header().Set("Content-Type", "application/json")
		writeJSON(w, views, only)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	writeText(w, views, only)
}
