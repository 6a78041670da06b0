package kubernetes

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// slow answers after a second, unless the path says that it fails.
type slow struct {
	mu        sync.Mutex // guards what follows
	now, most int
}

func (s *slow) count(by int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now += by
	s.most = max(s.most, s.now)
}

func (s *slow) RoundTrip(req *http.Request) (*http.Response, error) {
	s.count(1)
	time.Sleep(time.Second)
	s.count(-1)
	if req.URL.Path == "/fail" {
		return nil, errors.New("no route")
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("x"))}, nil
}

func request(t *testing.T, ctx context.Context, path string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://k"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// TestLimiter holds that no more requests than said are under way, that one is
// until its body is closed, and that failures and watches give way.
func TestLimiter(t *testing.T) {
	for _, tt := range []struct {
		path  string
		took  time.Duration // for five, two at a time
		close bool
	}{
		{"/list", 3 * time.Second, true},
		{"/fail", 3 * time.Second, false},
		{"/list?watch=true", 3 * time.Second, false},
		{"/list?watch=1", 3 * time.Second, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			var s slow
			l := newLimiter(&s, 2)
			began, done := time.Now(), make(chan struct{})
			for range 5 {
				go func() {
					answer, err := l.RoundTrip(request(t, t.Context(), tt.path))
					if tt.close && err == nil {
						answer.Body.Close()
						answer.Body.Close()
					}
					done <- struct{}{}
				}()
			}
			for range 5 {
				<-done
			}
			if took := time.Since(began); took != tt.took || s.most != 2 {
				t.Errorf("%s: took %v with %d at a time, want %v with 2", tt.path, took, s.most, tt.took)
			}
		})
	}
}

// TestLimiterOpenBody holds that an answer that is being read counts, and that
// whoever waits can give up.
func TestLimiterOpenBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(new(slow), 1)
		if _, err := l.RoundTrip(request(t, t.Context(), "/list")); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := l.RoundTrip(request(t, ctx, "/list")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("RoundTrip = %v, want %v", err, context.DeadlineExceeded)
		}
	})
}
