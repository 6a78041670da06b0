package consul

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// mover passes requests on and adds an offset to all indexes, until it is told
// to forget: then they go backwards, as after a restored backup.
type mover struct {
	offset atomic.Uint64
	gate   sync.RWMutex // held for writing while nothing may be seen
	target string       // guarded by gate
	mu     sync.Mutex   // guards cancel
	cancel map[int]context.CancelFunc
	next   int
}

func newMover(target string) *mover {
	m := &mover{target: target, cancel: map[int]context.CancelFunc{}}
	m.offset.Store(1_000_000)
	return m
}

func (m *mover) forget(change func()) {
	m.turn(func() {
		change()
		m.offset.Store(m.offset.Load() / 2)
	})
}

// lead passes requests on to another server, whose indexes are higher.
func (m *mover) lead(target string) {
	m.turn(func() {
		m.target = target
		m.offset.Add(1_000_000)
	})
}

// turn does change while nobody is answered, and has all who wait ask anew.
func (m *mover) turn(change func()) {
	m.gate.Lock()
	defer m.gate.Unlock()
	m.mu.Lock()
	for _, cancel := range m.cancel {
		cancel()
	}
	m.mu.Unlock()
	change()
}

// enter returns a context that ends when everything is forgotten.
func (m *mover) enter(ctx context.Context) (context.Context, func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	id := m.next
	m.next++
	m.cancel[id] = cancel
	return ctx, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		cancel()
		delete(m.cancel, id)
	}
}

func (m *mover) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	for {
		status, header, answer, err := m.ask(r, body)
		if err != nil && r.Context().Err() == nil {
			continue // forgotten: ask again
		}
		if err != nil {
			return
		}
		maps.Copy(w.Header(), header)
		w.WriteHeader(status)
		w.Write(answer)
		return
	}
}

func (m *mover) ask(r *http.Request, body []byte) (int, http.Header, []byte, error) {
	ctx, leave := m.enter(r.Context())
	defer leave()
	m.gate.RLock()
	offset, target := m.offset.Load(), m.target
	m.gate.RUnlock()
	q := r.URL.Query()
	m.moveBack(q, offset)
	req, err := http.NewRequestWithContext(ctx, r.Method, target+r.URL.EscapedPath()+"?"+q.Encode(), strings.NewReader(string(body)))
	if err != nil {
		return 0, nil, nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || m.offset.Load() != offset {
		return 0, nil, nil, fmt.Errorf("overtaken: %w", err)
	}
	header := resp.Header.Clone()
	header.Del("Content-Length")
	if index, err := strconv.ParseUint(header.Get("X-Consul-Index"), 10, 64); err == nil {
		header.Set("X-Consul-Index", strconv.FormatUint(index+offset, 10))
	}
	return resp.StatusCode, header, answer, nil
}

// moveBack makes of the index asked for the server's own. One from before
// everything was forgotten is answered at once, as a restored server does to
// those who wait.
func (m *mover) moveBack(q url.Values, offset uint64) {
	index, err := strconv.ParseUint(q.Get("index"), 10, 64)
	if err != nil {
		return
	}
	switch {
	case index > offset && index < offset+400_000:
		q.Set("index", strconv.FormatUint(index-offset, 10))
	default:
		q.Set("index", "1")
	}
}
