package registrytest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// prompt is how long something may take that must not wait for anybody.
const prompt = 5 * time.Second

// lifeCases: how Watch and Close begin and end.
func lifeCases() []Case {
	return []Case{
		{"Watch ends with ctx and says so", nil, func(t T, p Place) {
			r := opened(t, p)
			ctx, cancel := context.WithCancel(t.Context())
			w, ended := watchOnce(ctx, t, r)
			w.sync()
			cancel()
			wantCanceled(t, ended)
		}},
		{"Watch with an ended ctx returns", nil, func(t T, p Place) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, ended := watchOnce(ctx, t, opened(t, p))
			wantCanceled(t, ended)
		}},
		{"Watch can be called again", nil, func(t T, p Place) {
			a := native(p.Key(t, "shop", "web"), 1)
			p.Register(t, a)
			r := opened(t, p)
			for range 3 {
				ctx, cancel := context.WithCancel(t.Context())
				w, ended := watchOnce(ctx, t, r)
				wantSeen(t, p, w.sync(), a)
				cancel()
				wantCanceled(t, ended)
			}
		}},
		{"after Watch returned its feed is left alone", nil, func(t T, p Place) {
			r := opened(t, p)
			ctx, cancel := context.WithCancel(t.Context())
			w, ended := watchOnce(ctx, t, r)
			w.sync()
			cancel()
			wantCanceled(t, ended)
			before := w.catalog.Snapshot()
			other := synced(t, p)
			p.Register(t, native(p.Key(t, "shop", "web"), 1))
			other.awaitSeen(p, native(p.Key(t, "shop", "web"), 1))
			<-time.After(100 * time.Millisecond) // what must not come has that long to come
			if w.catalog.Snapshot() != before {
				t.Errorf("the feed of a Watch that returned was used again")
			}
		}},
		{"Close without a Watch is no error", nil, func(t T, p Place) {
			if err := p.Reader(t).Close(); err != nil {
				t.Errorf("Close() = %v, want nil", err)
			}
		}},
		{"Close after a Watch is no error", nil, func(t T, p Place) {
			r := p.Reader(t)
			w := rewatch(t, r)
			w.sync()
			w.stop()
			if err := r.Close(); err != nil {
				t.Errorf("Close() = %v, want nil", err)
			}
		}},
		{"no goroutine is left", nil, noGoroutineLeft},
	}
}

// opened returns a Reader that is closed when the case ends.
func opened(t T, p Place) registry.Registry {
	t.Helper()
	r := p.Reader(t)
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	return r
}

// watchOnce calls Watch once. The channel has room for its error.
func watchOnce(ctx context.Context, t T, r registry.Registry) (*watched, <-chan error) {
	w := &watched{t: t, catalog: catalog.New(catalog.Policy{Origins: []catalog.OriginPolicy{{Origin: origin}}})}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	left := make(chan struct{})
	go func() {
		defer close(left)
		ended <- r.Watch(ctx, w.catalog.Feed(origin))
	}()
	w.stop = func() { cancel(); <-left }
	t.Cleanup(w.stop)
	return w, ended
}

func wantCanceled(t T, ended <-chan error) {
	t.Helper()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Watch = %v, want an error that wraps %v", err, context.Canceled)
		}
	case <-time.After(prompt):
		t.Fatalf("Watch still runs %v after ctx ended", prompt)
	}
}

// noGoroutineLeft opens, watches and closes again and again; what is left once
// for good (a connection that is kept, a sink of logs) does not grow.
func noGoroutineLeft(t T, p Place) {
	const rounds = 5
	round := func(i int) {
		r := p.Reader(t)
		w := rewatch(t, r)
		w.sync()
		a := native(p.Key(t, "shop", fmt.Sprint("web-", i)), 1)
		p.Register(t, a)
		w.awaitSeen(p, a)
		w.stop()
		if err := r.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	}
	round(0)
	before, _ := ours()
	for i := range rounds {
		round(i + 1)
	}
	after, stacks := ours()
	for end := time.Now().Add(prompt); after >= before+rounds && time.Now().Before(end); after, stacks = ours() {
		<-time.After(10 * time.Millisecond)
	}
	if after >= before+rounds {
		t.Errorf("%d goroutines after %d rounds, %d before:\n%s", after, rounds, before, strings.Join(stacks, "\n\n"))
	}
}

// ours returns the goroutines that run code of a registry or of the client
// libraries that registries use.
func ours() (int, []string) {
	buf := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	var found []string
	for _, stack := range strings.Split(string(buf), "\n\n") {
		for _, code := range []string{"isthmus/registry/", "k8s.io/client-go/", "etcd/client/", "google.golang.org/grpc", "net/http.(*persistConn)"} {
			if strings.Contains(stack, code) {
				found = append(found, stack)
				break
			}
		}
	}
	return len(found), found
}
