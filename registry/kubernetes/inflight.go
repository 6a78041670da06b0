package kubernetes

import (
	"io"
	"net/http"
	"sync"
)

// limiter lets only so many requests be under way at a time; the others wait.
// A request is under way until its answer was read. A watch is, until it is
// answered at all: watches stay open for good, and would keep all others out.
type limiter struct {
	next  http.RoundTripper
	slots chan struct{} // as many as are free have room
}

func newLimiter(next http.RoundTripper, most int) http.RoundTripper {
	return limiter{next, make(chan struct{}, most)}
}

// RoundTrip waits for its turn, or until the request is given up.
func (l limiter) RoundTrip(req *http.Request) (*http.Response, error) {
	select {
	case l.slots <- struct{}{}:
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
	leave := sync.OnceFunc(func() { <-l.slots })
	answer, err := l.next.RoundTrip(req)
	if err != nil || isWatch(req) {
		leave()
		return answer, err
	}
	answer.Body = leavingBody{answer.Body, leave}
	return answer, nil
}

// WrappedRoundTripper lets the client library find the transport.
func (l limiter) WrappedRoundTripper() http.RoundTripper { return l.next }

func isWatch(req *http.Request) bool {
	switch req.URL.Query().Get("watch") {
	case "", "0", "false":
		return false
	}
	return true
}

// leavingBody is an answer's body that says when it is closed.
type leavingBody struct {
	io.ReadCloser
	leave func()
}

// Close closes the body.
func (b leavingBody) Close() error {
	defer b.leave()
	return b.ReadCloser.Close()
}
