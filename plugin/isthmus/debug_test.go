package isthmus

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/catalog"
)

// shownPage is a page of one block that holds the world and a refused record.
func shownPage(t *testing.T) *page {
	t.Helper()
	conf := block(t, "kubernetes\nconsul\npods verified")
	c := catalog.New(conf.policy())
	feed := c.Feed("kubernetes/cluster")
	feed.Identify("kubernetes:42")
	conf.registries[0].(fakeConfig).report(t, feed)
	feed.Refuse("shop/bad", errors.New("port 99999 is out of range\n# zones"))
	c.Feed("consul/dc1").Connected(errors.New("connection refused"))
	return &page{all: []*process{{views: handler(conf, c).views}}}
}

func got(t *testing.T, h http.Handler, method, url string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, url, nil))
	return w.Code, w.Body.String()
}

// TestDebugText holds that the text is the catalog's text form, with the rest
// in its comments.
func TestDebugText(t *testing.T) {
	code, text := got(t, shownPage(t), "GET", "http://127.0.0.1:6054/debug/isthmus")
	if code != http.StatusOK {
		t.Fatalf("%d %s", code, text)
	}
	all, err := catalog.ParseText(text)
	if err != nil {
		t.Fatal(err)
	}
	var want, have strings.Builder
	_ = catalog.WriteText(&want, services(t, world))
	_ = catalog.WriteText(&have, all)
	if diff := cmp.Diff(want.String(), have.String()); diff != "" {
		t.Errorf("services (-want +got):\n%s", diff)
	}
	for _, line := range []string{
		"# zones cluster.local. in-addr.arpa. ip6.arpa. serial 1800000000 ready true\n",
		`# origin kubernetes/cluster identity "kubernetes:42" synced true connected true since `,
		fmt.Sprintf(" services %d endpoints %d namespaces 3 pods %d refused 1\n", len(services(t, world)), strings.Count(world, "\tendpoint "), len(pods())),
		"# namespaces empty kube-system shop\n",
		`# refused "shop/bad": "port 99999 is out of range\n# zones"` + "\n",
		`# origin consul/dc1 identity "" synced false connected false since `,
		`# not connected: "connection refused"` + "\n",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("there is no %q in\n%s", line, text)
		}
	}
	if strings.Contains(text, "answered") {
		t.Error("something is answered that nobody asked for")
	}
}

func TestDebugName(t *testing.T) {
	page := shownPage(t)
	_, text := got(t, page, "GET", "http://localhost/debug/isthmus?name=shop/dual")
	const dual = "service shop/dual ClusterIP ttl=30s\n\taddr 10.0.0.81\n\taddr fd00::81\n\tport \"\" TCP 9000\n"
	if !strings.Contains(text, "\n"+dual+"# origin") || !strings.Contains(text, "# answered:\n#\t"+strings.ReplaceAll(strings.TrimSpace(dual), "\n", "\n#\t")+"\n") || strings.Contains(text, "shop/web") {
		t.Errorf("got:\n%s", text)
	}
	if _, text := got(t, page, "GET", "http://[::1]:80/debug/isthmus?name=shop/none"); !strings.Contains(text, "# answered: nothing\n") {
		t.Errorf("got:\n%s", text)
	}
}

// TestDebugJSON holds that the JSON is whole and tells the same.
func TestDebugJSON(t *testing.T) {
	page := shownPage(t)
	page.all = append(page.all, page.all[0])
	_, text := got(t, page, "GET", "http://127.0.0.1:6054/debug/isthmus?o=json&name=shop/db")
	var all struct {
		Blocks []struct {
			Zones   []string
			Serial  uint32
			Ready   bool
			Origins []struct {
				Held     held
				Services []shownService
			}
			Answered *shownService
		}
	}
	in := json.NewDecoder(strings.NewReader(text))
	in.DisallowUnknownFields()
	if err := in.Decode(&all); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if _, err := in.Token(); err != io.EOF {
		t.Errorf("something follows: %v", err)
	}
	if len(all.Blocks) != 2 || len(all.Blocks[1].Origins) != 2 {
		t.Fatalf("got %+v", all)
	}
	b := all.Blocks[1]
	k, o := b.Origins[0], b.Origins[1]
	if b.Serial != 1_800_000_000 || !b.Ready || len(b.Zones) != 3 || k.Held.Count != len(services(t, world)) || k.Held.Pods != len(pods()) || len(k.Held.Refused) != 1 || o.Held.Error != "connection refused" {
		t.Errorf("got %+v", b)
	}
	want := shownService{
		Service: "shop/db", Type: "Headless", Port: []shownPort{{Name: "sql", Proto: "TCP", Number: 5432}},
		Endpoints: []shownEndpoint{
			{Host: "10.1.0.11", ID: "a", Ready: true, Hostname: "db-0", Pod: "db-x", Port: []shownPort{{Name: "sql", Proto: "TCP", Number: 5432}}},
			{Host: "fd00::1:11", ID: "b", Ready: true, Hostname: "db-0", Port: []shownPort{{Name: "sql", Proto: "TCP", Number: 5432}}},
			{Host: "10.1.0.12", ID: "c", Ready: true, Pod: "db-y", Port: []shownPort{{Name: "metrics", Proto: "TCP", Number: 9100}, {Name: "sql", Proto: "TCP", Number: 5432}}},
			{Host: "10.1.0.13", ID: "d", Serving: true, Terminating: true, Hostname: "db-9", Port: []shownPort{{Name: "sql", Proto: "TCP", Number: 5432}}},
		},
	}
	if diff := cmp.Diff([]shownService{want}, k.Services); diff != "" {
		t.Errorf("services (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(&want, b.Answered); diff != "" {
		t.Errorf("answered (-want +got):\n%s", diff)
	}
	if len(o.Services) != 0 {
		t.Errorf("consul holds %v", o.Services)
	}
}

// TestDebugRefuses has who is not answered.
func TestDebugRefuses(t *testing.T) {
	page := shownPage(t)
	for _, tt := range []struct {
		method, url string
		want        int
	}{
		{"GET", "http://127.0.0.1:6054/debug/isthmus", http.StatusOK},
		{"HEAD", "http://127.0.0.2/debug/isthmus", http.StatusOK},
		{"GET", "http://evil.example.org:6054/debug/isthmus", http.StatusForbidden},
		{"GET", "http://192.0.2.1:6054/debug/isthmus", http.StatusForbidden},
		{"GET", "http://127.0.0.1:6054/", http.StatusNotFound},
		{"POST", "http://127.0.0.1:6054/debug/isthmus", http.StatusMethodNotAllowed},
		{"GET", "http://127.0.0.1:6054/debug/isthmus?name=shop", http.StatusBadRequest},
	} {
		if code, text := got(t, page, tt.method, tt.url); code != tt.want {
			t.Errorf("%s %s: %d %s, want %d", tt.method, tt.url, code, text, tt.want)
		}
	}
}

// TestDebugServer asks a real server, through a reload; its two blocks share
// one page.
func TestDebugServer(t *testing.T) {
	folder := t.TempDir()
	writeManifest(t, folder, manifest)
	port := freeTCP(t)
	inner := " {\n bind 127.0.0.1\n isthmus {\n manifests files " + folder + "\n debug localhost:" + port + "\n }\n}\n"
	server, _ := serve(t, "cluster.local:0"+inner+"second.local:0"+inner)
	for range 2 {
		text := fetched(t, "http://127.0.0.1:"+port+debugPath)
		if n := strings.Count(text, "# zones "); n != 2 || !strings.Contains(text, "service shop/web ClusterIP") {
			t.Errorf("%d blocks:\n%s", n, text)
		}
		var err error
		if server, err = restart(t, server, nil); err != nil {
			t.Fatal(err)
		}
	}
	stopServer(t, server)
	if _, err := http.Get("http://127.0.0.1:" + port + debugPath); err == nil {
		t.Error("the page outlives its server")
	}
}

func fetched(t *testing.T, url string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// freeTCP returns a port of this host that is free.
func freeTCP(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
