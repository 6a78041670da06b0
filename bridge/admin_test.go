package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

const oneWay = `
bridge prod {
    kubernetes prod
    consul dc1
    mirror kubernetes/prod consul/dc1
    lead none
}
`

// running runs a bridge until the test ends and has it settle.
func running(t *testing.T, text string, all places) *Bridge {
	t.Helper()
	b := opened(t, text, all, t.Output())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, b.Close()); err != nil {
			t.Error(err)
		}
	})
	settle()
	return b
}

func settle() { time.Sleep(time.Second); synctest.Wait() }

// ask sends one request to the pages of the administrator.
func ask(b *Bridge, method, target string, edit func(*http.Request)) (int, string) {
	w, r := httptest.NewRecorder(), httptest.NewRequestWithContext(context.Background(), method, "http://127.0.0.1:8053"+target, nil)
	if edit != nil {
		edit(r)
	}
	b.admin().ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// services is the text of n services with two instances each.
func services(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "service shop/s%02d Headless\n\tendpoint 10.0.0.1 id=a ready\n\tendpoint 10.0.0.2 id=b ready\n", i)
	}
	return text.String()
}

func TestAdminApproves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := newPlaces(t, map[catalog.Origin]string{"kubernetes/prod": services(40), "consul/dc1": ""})
		b := running(t, oneWay, all)
		const page = "/approve?rule=kubernetes/prod:consul/dc1"
		for _, tt := range []struct {
			page, want string
			code       int
		}{
			{page, "rule \"kubernetes/prod:consul/dc1\": no deletion is held by the budget\n", 409},
			{"/approve?rule=kubernetes/prod:etcd/edge", "rule \"kubernetes/prod:etcd/edge\": no such rule\n", 404},
			{"/approve", "rule \"\": no such rule\n", 404},
		} {
			if code, body := ask(b, http.MethodPost, tt.page, nil); code != tt.code || body != tt.want {
				t.Errorf("POST %s: %d %q, want %d %q", tt.page, code, body, tt.code, tt.want)
			}
		}
		for i := range 30 {
			all["kubernetes/prod"].Remove(catalog.Ref{Key: catalog.Key{Namespace: "shop", Name: fmt.Sprintf("s%02d", i)}})
		}
		settle()
		if r := b.Report().Rules[0]; r.Held.Count != 30 || r.Budget == "" || r.Held.List[0].Target != "consul/s00-shop" {
			t.Fatalf("not held: %+v", r)
		}
		refusals(t, b, page)
		settle()
		if r := b.Report().Rules[0]; r.Held.Count != 30 {
			t.Fatalf("a request that is refused approved: %+v", r)
		}
		code, body := ask(b, http.MethodPost, page, nil)
		var got Approval
		if err := json.Unmarshal([]byte(body), &got); err != nil || code != 200 || got != (Approval{"kubernetes/prod:consul/dc1", 30}) {
			t.Errorf("POST: %d %s, %v", code, body, err)
		}
		settle()
		if r := b.Report().Rules[0]; r.Held.Count != 0 || r.Deletes != 30 || r.Same != 10 {
			t.Errorf("approved: %+v", r)
		}
	})
}

// refusals asks for approval as nobody may.
func refusals(t *testing.T, b *Bridge, page string) {
	t.Helper()
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for _, tt := range []struct {
		name, method string
		edit         func(*http.Request)
		want         int
	}{
		{"GET", http.MethodGet, nil, 405},
		{"HEAD", http.MethodHead, nil, 405},
		{"PUT", http.MethodPut, nil, 405},
		{"a web page elsewhere", http.MethodPost, header("Sec-Fetch-Site", "cross-site"), 403},
		{"a web page at another port", http.MethodPost, header("Sec-Fetch-Site", "same-site"), 403},
		{"an old browser", http.MethodPost, header("Origin", "https://example.org"), 403},
		{"a file", http.MethodPost, header("Origin", "null"), 403},
		{"a name that leads here", http.MethodPost, func(r *http.Request) { r.Host = "evil.example.org:8053" }, 403},
		{"a name without a port", http.MethodPost, func(r *http.Request) { r.Host = "evil.example.org" }, 403},
		{"this host's name", http.MethodPost, func(r *http.Request) { r.Host = "192.0.2.1:8053" }, 403},
	} {
		if code, body := ask(b, tt.method, page, tt.edit); code != tt.want {
			t.Errorf("%s: %d %q, want %d", tt.name, code, body, tt.want)
		}
	}
}

func TestAdminShows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := newPlaces(t, map[catalog.Origin]string{
			"kubernetes/prod": "service shop/web ClusterIP\n\tendpoint 10.0.0.1 id=a ready\nservice shop/db Headless\n",
			"consul/dc1":      "service consul/db-shop Headless\n",
		})
		b := running(t, oneWay, all)
		all["consul/dc1"].Link().Cut()
		settle()
		code, body := ask(b, http.MethodGet, "/status", nil)
		var got Report
		if err := json.Unmarshal([]byte(body), &got); err != nil || code != 200 {
			t.Fatalf("/status: %d %s, %v", code, body, err)
		}
		if o := got.Origins[0]; !o.Connected || o.Identity != "id:kubernetes/prod" || o.Natives != 2 || o.Services != 2 || o.News.IsZero() {
			t.Errorf("source: %+v", o)
		}
		if o := got.Origins[1]; o.Connected || !o.Synced || o.Error == "" || o.Natives != 1 || o.Mirrors != 1 || o.Since.IsZero() {
			t.Errorf("target: %+v", o)
		}
		want := Findings{1, []Finding{{"shop/db", "consul/db-shop", "a native service has the name"}}}
		r := got.Rules[0]
		if diff := cmp.Diff(want, r.Taken); diff != "" || r.Same != 1 || r.Blocked == "" || r.Puts != 1 {
			t.Errorf("rule: %+v\n%s", r, diff)
		}
		if code, body := ask(b, http.MethodGet, "/status", func(r *http.Request) { r.Host = "evil.example.org" }); code != 403 {
			t.Errorf("/status for another host: %d %s", code, body)
		}
		for target, want := range map[string]string{
			"/plan":        "  ! consul/db-shop  shop/db  taken: a native service has the name\n",
			"/plan?o=text": "nothing to do; 1 not mirrored\n",
			"/plan?o=json": `"action": "taken"`,
		} {
			if code, body := ask(b, http.MethodGet, target, nil); code != 200 || !strings.Contains(body, want) {
				t.Errorf("%s: %d without %q:\n%s", target, code, want, body)
			}
		}
		if code, body := ask(b, http.MethodGet, "/plan?o=xml", nil); code != 400 {
			t.Errorf("/plan?o=xml: %d %s", code, body)
		}
	})
}

// TestReportFailure holds that the last error is told, also once it is over.
func TestReportFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := newPlaces(t, map[catalog.Origin]string{"kubernetes/prod": services(1), "consul/dc1": ""})
		other := all.open("consul/dc1", "prod")
		if err := other.Claim(t.Context(), registry.Fence{Owner: "prod", Sources: []catalog.Identity{"id:another"}}, false); err != nil {
			t.Fatal(err)
		}
		b := running(t, oneWay, all)
		r := b.Report().Rules[0]
		if r.Error == nil || r.Error.Target != "" || !strings.Contains(r.Error.Why, "in use for other sources") || r.Pending != 1 || r.Lag <= 0 {
			t.Errorf("report: %+v, error %+v", r, r.Error)
		}
	})
}

// TestReportIsBounded holds that long lists are counted and cut.
func TestReportIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := strings.ReplaceAll(many(250), "shop/", "consul/")
		all := newPlaces(t, map[catalog.Origin]string{"kubernetes/prod": many(250), "consul/dc1": text})
		b := running(t, strings.Replace(oneWay, "dc1\n    lead", "dc1 {\n name {service}\n }\n    lead", 1), all)
		if r := b.Report().Rules[0]; r.Taken.Count != 250 || len(r.Taken.List) != shown {
			t.Errorf("%d taken, %d shown", r.Taken.Count, len(r.Taken.List))
		}
	})
}

func many(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "service shop/s%03d Headless\n", i)
	}
	return text.String()
}

// TestAdminServed holds that the pages are there while Run is, and that an
// address that cannot be had ends it at once.
func TestAdminServed(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(oneWay, "lead none", "lead none\nadmin "+l.Addr().String(), 1)
	all := newPlaces(t, map[catalog.Origin]string{"kubernetes/prod": "", "consul/dc1": ""})
	b := opened(t, text, all, t.Output())
	if err := b.Run(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "serve admin: ") {
		t.Errorf("Run: %v", err)
	}
	if err := errors.Join(b.Close(), l.Close()); err != nil {
		t.Fatal(err)
	}
	b = opened(t, text, all, t.Output())
	defer b.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	if body := fetched(t, "http://"+l.Addr().String()+"/status"); !strings.Contains(body, `"owner": "prod"`) {
		t.Errorf("/status: %s", body)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}

// fetched waits for an answer.
func fetched(t *testing.T, url string) string {
	t.Helper()
	for {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil && t.Context().Err() == nil {
			continue // not there yet
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err = errors.Join(err, resp.Body.Close()); err != nil || resp.StatusCode != 200 {
			t.Fatalf("%s: %d, %v", url, resp.StatusCode, err)
		}
		return string(body)
	}
}
