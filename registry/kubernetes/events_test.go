package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// board is an API server that has the Service a/web alone, and takes Events.
type board struct {
	mu      sync.Mutex // guards following
	created []corev1.Event
	patched int
	denied  bool
}

func (b *board) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	code, body := b.answerLocked(r)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}

func (b *board) answerLocked(r *http.Request) (int, any) {
	failure := func(code int, reason metav1.StatusReason) (int, any) {
		return code, metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Reason: reason, Code: int32(code)}
	}
	switch {
	case r.Method == http.MethodGet && r.URL.Path == "/api/v1/namespaces/a/services/web":
		return 200, corev1.Service{TypeMeta: metav1.TypeMeta{Kind: "Service", APIVersion: "v1"}, ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "web", UID: "u1"}}
	case r.Method == http.MethodGet:
		return failure(404, metav1.StatusReasonNotFound)
	case b.denied:
		return failure(403, metav1.StatusReasonForbidden)
	case r.Method == http.MethodPost && r.URL.Path == "/api/v1/namespaces/a/events":
		body, err := io.ReadAll(r.Body)
		e := &corev1.Event{}
		if err == nil {
			_, _, err = scheme.Codecs.UniversalDeserializer().Decode(body, nil, e)
		}
		if err != nil {
			return failure(400, metav1.StatusReasonBadRequest)
		}
		e.TypeMeta = metav1.TypeMeta{Kind: "Event", APIVersion: "v1"}
		b.created = append(b.created, *e)
		return 201, e
	case r.Method == http.MethodPatch && len(b.created) == 0:
		return failure(404, metav1.StatusReasonNotFound)
	case r.Method == http.MethodPatch:
		b.patched++
		e := b.created[0]
		e.Count++
		return 200, e
	}
	return failure(405, metav1.StatusReasonMethodNotAllowed)
}

func (b *board) deny(yes bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.denied = yes
}

func (b *board) counts() (created, patched int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.created), b.patched
}

// telling runs Tell against a board, and returns how to send it notices.
func telling(t *testing.T, b *board, log *slog.Logger) chan<- registry.Notice {
	t.Helper()
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	r, err := (&config{name: "test", endpoint: server.URL, qps: 1000, burst: 1000}).Reader(log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	notices, ended := make(chan registry.Notice), make(chan struct{})
	go func() { defer close(ended); r.(registry.Teller).Tell(ctx, notices) }()
	t.Cleanup(func() {
		cancel()
		<-ended
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return notices
}

func notice(name, text string) registry.Notice {
	return registry.Notice{Key: catalog.Key{Namespace: "a", Name: name}, Reason: registry.NameTaken, Text: text}
}

func TestEvents(t *testing.T) {
	b := &board{}
	notices := telling(t, b, slog.New(slog.DiscardHandler))
	notices <- notice("web", "a native service has the name")
	notices <- notice("gone", "nobody is there")
	notices <- notice("web", "a native service has the name")
	notices <- notice("web", strings.Repeat("ä", 2000))
	poll(t, "two Events and one that is counted up", func() bool { c, p := b.counts(); return c == 2 && p == 1 })
	e := b.created[0]
	want := corev1.ObjectReference{Kind: "Service", APIVersion: "v1", Namespace: "a", Name: "web", UID: types.UID("u1")}
	if e.InvolvedObject != want || e.Reason != "NameTaken" || e.Message != "a native service has the name" || e.Type != "Warning" || e.Source.Component != "isthmus" {
		t.Errorf("event: %+v", e)
	}
	if m := b.created[1].Message; len(m) > maxMessage || !strings.HasSuffix(m, "ä...") {
		t.Errorf("a long message is of %d bytes and ends %q", len(m), m[len(m)-10:])
	}
}

// TestEventsAreFew holds that one Service gets few Events, whatever is told.
func TestEventsAreFew(t *testing.T) {
	b := &board{}
	notices := telling(t, b, slog.New(slog.DiscardHandler))
	for i := range eventsAtOnce - 1 {
		notices <- notice("web", fmt.Sprintf("reason %d", i))
	}
	notices <- notice("gone", "the last is taken once the others were")
	if c, p := b.counts(); c > 10 || c+p > 25 {
		t.Errorf("%d written and %d counted up of %d", c, p, eventsAtOnce)
	}
}

// TestEventsDenied holds that a role without Events is said once, and is in
// nobody's way.
func TestEventsDenied(t *testing.T) {
	b, log := &board{denied: true}, &strings.Builder{}
	notices := telling(t, b, slog.New(slog.NewTextHandler(log, nil)))
	notices <- notice("web", "one")
	notices <- notice("web", "two")
	b.deny(false)
	notices <- notice("web", "three")
	notices <- notice("gone", "the last is taken once the others were")
	for text, n := range map[string]int{"no Events can be written": 1, "Events can be written on Services": 2} {
		if got := strings.Count(log.String(), text); got != n {
			t.Errorf("%q is said %d times, want %d:\n%s", text, got, n, log)
		}
	}
}
