package kubernetes

import (
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/isthmus-dns/isthmus/registry"
)

// meter keeps requests to a rate and tells of them.
type meter struct {
	next  http.RoundTripper
	limit *rate.Limiter
	to    *recorder
}

// recorder is whom to tell; nobody, before one was named.
type recorder struct {
	to atomic.Pointer[registry.Recorder]
}

func (r *recorder) tell(what func(registry.Recorder)) {
	if to := r.to.Load(); to != nil {
		what(*to)
	}
}

// Record says whom to tell of requests.
func (s *server) Record(to registry.Recorder) { s.recorder.to.Store(&to) }

// RoundTrip waits for the request's turn, or until it is given up.
func (m meter) RoundTrip(req *http.Request) (*http.Response, error) {
	begun := time.Now()
	if err := m.limit.Wait(req.Context()); err != nil {
		if req.Body != nil {
			_ = req.Body.Close() // the request is given up
		}
		return nil, err
	}
	m.to.tell(func(r registry.Recorder) { r.Waited(req.Method, req.URL.Host, time.Since(begun)) })
	begun = time.Now()
	answer, err := m.next.RoundTrip(req)
	code := "<error>"
	if err == nil {
		code = strconv.Itoa(answer.StatusCode)
	}
	m.to.tell(func(r registry.Recorder) { r.Answered(code, req.Method, req.URL.Host) })
	if err != nil || isWatch(req) {
		return answer, err
	}
	answer.Body = leavingBody{answer.Body, sync.OnceFunc(func() {
		m.to.tell(func(r registry.Recorder) { r.Took(req.Method, req.URL.Host, time.Since(begun)) })
	})}
	return answer, nil
}

// WrappedRoundTripper lets the client library find the transport.
func (m meter) WrappedRoundTripper() http.RoundTripper { return m.next }
