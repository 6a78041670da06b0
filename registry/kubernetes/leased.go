package kubernetes

import (
	"fmt"
	"net/http"
	"sync/atomic"
)

// leased sends nothing that changes anything unless a check passes, as late as can
// be: after a request has waited for its turn.
type leased struct {
	next  http.RoundTripper
	check *atomic.Pointer[func() error]
}

// Lease has check called before each request that changes something.
func (s *server) Lease(check func() error) { s.leased.Store(&check) }

// RoundTrip sends the request, or says why not.
func (l leased) RoundTrip(req *http.Request) (*http.Response, error) {
	check := l.check.Load()
	if check == nil || req.Method == http.MethodGet {
		return l.next.RoundTrip(req)
	}
	if err := (*check)(); err != nil {
		if req.Body != nil {
			_ = req.Body.Close() // it is not sent
		}
		return nil, fmt.Errorf("not sent: %w", err)
	}
	return l.next.RoundTrip(req)
}

// WrappedRoundTripper lets the client library find the transport.
func (l leased) WrappedRoundTripper() http.RoundTripper { return l.next }
