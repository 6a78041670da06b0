package consul

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/integration/servers"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

// server is the one Consul of all tests in this package.
var server *servers.Consul

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	if flag.Lookup("test.fuzz").Value.String() != "" {
		return m.Run() // what is fuzzed needs no server, and every worker would start one
	}
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	var err error
	server, err = servers.StartConsul(ctx, servers.Options{Log: func(line string) { fmt.Println(line) }})
	if err != nil {
		fmt.Println("start consul:", err)
		return 1
	}
	defer server.Stop()
	return m.Run()
}

// configure parses a stanza for the server.
func configure(t testing.TB, url string, options ...string) *config {
	t.Helper()
	text := "consul test " + url + " {\n"
	for _, o := range options {
		text += o + "\n"
	}
	all, err := stanza.Parse("test", []byte(text+"}\n"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := parse(all[0], func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	return c.(*config)
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// watching starts a Watch of r and waits for its first report; it ends with
// the test.
func watching(t *testing.T, r registry.Registry) *catalog.Catalog {
	t.Helper()
	cat := catalog.New(catalog.Policy{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.Watch(ctx, cat.Feed("consul/test")) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err == nil {
			t.Error("Watch returned nil")
		}
	})
	wait(t, cat, "the first report", func(s *catalog.Snapshot) bool { return s.Synced("consul/test") })
	return cat
}

// wait waits until a snapshot satisfies ok.
func wait(t *testing.T, cat *catalog.Catalog, what string, ok func(*catalog.Snapshot) bool) *catalog.Snapshot {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		s := cat.Snapshot()
		if ok(s) {
			return s
		}
		select {
		case <-s.Changed():
		case <-ctx.Done():
			t.Fatalf("no %s; state %+v", what, s.State("consul/test"))
		}
	}
}

// open opens the server for owner.
func open(t *testing.T, owner string, options ...string) *consul {
	t.Helper()
	w, err := configure(t, server.URL(), options...).Writer(owner, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w.(*consul)
}

// call sends a request as a person with curl would.
func call(t testing.TB, method, path string, in, out any) {
	t.Helper()
	send(t, method, server.URL()+path, "", in, out)
}

func send(t testing.TB, method, url, token string, in, out any) {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Consul-Token", token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s: %s", method, url, resp.Status, text)
	}
	if out != nil {
		if err := json.Unmarshal(text, out); err != nil {
			t.Fatalf("%s %s: %v", method, url, err)
		}
	}
}

// register puts one native instance.
func register(t testing.TB, node, id, name, addr string, port int, status string) {
	t.Helper()
	call(t, "PUT", "/v1/catalog/register", api.CatalogRegistration{
		Node: node, Address: "10.255.0.1",
		Service: &api.AgentService{ID: id, Service: name, Address: addr, Port: port},
		Check:   &api.AgentCheck{Node: node, CheckID: "c:" + id, Name: "c", Status: status, ServiceID: id},
	}, nil)
}

// deregister removes one native instance.
func deregister(t testing.TB, node, id string) {
	t.Helper()
	call(t, "PUT", "/v1/catalog/deregister", api.CatalogDeregistration{Node: node, ServiceID: id}, nil)
}

// empty removes every node but the server's.
func empty(t testing.TB) {
	t.Helper()
	var nodes []*api.Node
	call(t, "GET", "/v1/catalog/nodes", nil, &nodes)
	for _, n := range nodes {
		if n.Node != "server" {
			call(t, "PUT", "/v1/catalog/deregister", api.CatalogDeregistration{Node: n.Node}, nil)
		}
	}
}

// stamp returns every record with its index.
func stamp(t testing.TB) string {
	t.Helper()
	all := map[string]uint64{}
	var nodes []*api.Node
	call(t, "GET", "/v1/catalog/nodes", nil, &nodes)
	for _, n := range nodes {
		all["node "+n.Node] = n.ModifyIndex
		var list struct{ Services []*api.AgentService }
		call(t, "GET", "/v1/catalog/node-services/"+n.Node, nil, &list)
		for _, s := range list.Services {
			all["service "+n.Node+" "+s.ID] = s.ModifyIndex
		}
	}
	var checks api.HealthChecks
	call(t, "GET", "/v1/health/state/any", nil, &checks)
	for _, c := range checks {
		if c.Node != "server" {
			all["check "+c.Node+" "+c.CheckID] = c.ModifyIndex
		}
	}
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintln(&b, k, all[k])
	}
	return b.String()
}
