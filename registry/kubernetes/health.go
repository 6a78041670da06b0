package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
)

// health gathers how the connection and each of the watches are doing, and
// tells the feed what they make together: connected, or why not.
type health struct {
	feed *catalog.Feed

	mu   sync.Mutex // guards what follows
	errs map[string]error
}

func newHealth(feed *catalog.Feed) *health {
	return &health{feed: feed, errs: map[string]error{}}
}

// connection is the name of what all watches go through.
const connection = ""

// set notes how a watch, or the connection, is doing.
func (h *health) set(watch string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	was := len(h.errs)
	if err == nil {
		delete(h.errs, watch)
	} else {
		h.errs[watch] = err
	}
	if was+len(h.errs) > 0 {
		h.feed.Connected(h.errLocked())
	}
}

// delivered notes that a watch brought something: so the server is reached,
// whatever became of another request.
func (h *health) delivered() { h.set(connection, nil) }

// cut reports whether the server was not reached, when last tried.
func (h *health) cut() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.errs[connection] != nil
}

// tell repeats what is wrong after a report, which by itself says that the
// registry could be read.
func (h *health) tell() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.errs) > 0 {
		h.feed.Connected(h.errLocked())
	}
}

// errLocked returns what is wrong with the connection, or else with each of
// the watches, in the order of their names.
func (h *health) errLocked() error {
	if err := h.errs[connection]; err != nil {
		return err
	}
	var all []error
	seen := map[string]bool{}
	for _, watch := range slices.Sorted(maps.Keys(h.errs)) {
		if text := h.errs[watch].Error(); !seen[text] {
			seen[text] = true
			all = append(all, h.errs[watch])
		}
	}
	return errors.Join(all...)
}

// observer sees each request's fate. The client library above it hides broken
// connections for a while: it tries again, or says that a watch was empty.
type observer struct {
	next http.RoundTripper
	tell func(error)
}

// RoundTrip tells whether there was an answer, whatever it says.
func (o observer) RoundTrip(req *http.Request) (*http.Response, error) {
	answer, err := o.next.RoundTrip(req)
	if err == nil || req.Context().Err() == nil {
		o.tell(err)
	}
	return answer, err
}

// WrappedRoundTripper lets the client library find the transport.
func (o observer) WrappedRoundTripper() http.RoundTripper { return o.next }

// How often a server that is not reached is asked, and for how long.
const (
	probeEvery   = time.Second
	probeTimeout = 5 * time.Second
)

// probe asks the API server for nothing as long as it is not reached. Others
// may wait for that before they ask: watches that stand, and a bridge that
// writes nothing to what is not connected. What comes of it the observer tells.
func (s *server) probe(ctx context.Context, h *health) {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if h.cut() {
			s.ask(ctx)
		}
	}
}

// ask wants an answer, whatever it is.
func (s *server) ask(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	_ = s.client.Discovery().RESTClient().Get().AbsPath("/readyz").MaxRetries(0).Do(ctx).Error()
}

// heard takes up what an observer tells.
func (s *server) heard(err error) {
	if err != nil {
		err = fmt.Errorf("ask the API server: %w", cause(err))
	}
	s.withView(func(v *view) { v.health.set(connection, err) })
}
