package faults

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
)

// watch looks at one target again and again for services that went although they
// live.
type watch struct {
	name string
	target
	deleted func(name string) bool

	mu     chan struct{}     // holds one token; who has it may use what follows
	last   map[string]string // births
	looks  int
	losses []string
}

func newWatch(name string, t target, deleted func(string) bool) *watch {
	w := &watch{name: name, target: t, deleted: deleted, mu: make(chan struct{}, 1)}
	w.mu <- struct{}{}
	return w
}

// run looks once a second until ctx ends. A server that is away is asked again.
func (w *watch) run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for ctx.Err() == nil {
		_ = w.look(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

func (w *watch) look(ctx context.Context) error {
	<-w.mu
	defer func() { w.mu <- struct{}{} }()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	got, err := w.births(ctx)
	if err != nil {
		return err
	}
	w.judge(got)
	return nil
}

func (w *watch) judge(got map[string]string) {
	for name, born := range w.last {
		if got[name] != born && !w.deleted(name) {
			w.losses = append(w.losses, fmt.Sprintf("%s at %s: %s: made at %s, then at %s",
				w.name, time.Now().UTC().Format(time.TimeOnly), name, born, cmp.Or(got[name], "never")))
		}
	}
	w.last = got
	w.looks++
}

// aside has f do to the server what no bridge does, and goes on from what is there
// afterwards.
func (w *watch) aside(ctx context.Context, f func() error) error {
	if err := w.look(ctx); err != nil {
		return fmt.Errorf("look at %s: %w", w.name, err)
	}
	<-w.mu
	defer func() { w.mu <- struct{}{} }()
	if err := f(); err != nil {
		return err
	}
	return until(ctx, 30*time.Second, "look at "+w.name, func() (err error) {
		w.last, err = w.births(ctx)
		return err
	})
}

// until tries until f succeeds, and returns its last error after limit.
func until(ctx context.Context, limit time.Duration, what string, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: not within %v: %w", what, limit, err)
		}
	}
}

// pause waits, or for ctx's end.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// TestWatch holds that a mirror which was gone for a moment between two looks is
// found, and one that its users deleted, or that only changed, is none.
func TestWatch(t *testing.T) {
	consul := &consulTarget{url: serverstest.Consul(t).URL()}
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{serverstest.Etcd(t).Endpoint()}})
	if err != nil {
		t.Fatal(err)
	}
	etcd := &etcdTarget{client: client}
	t.Cleanup(func() { _ = client.Close() })
	zoo := newZooTarget(t, "lone", "w", []string{serverstest.ZooKeeper(t).Address()})
	for name, tt := range map[string]struct {
		target
		put, remove func(service, address string) error
	}{
		"consul": {consul, func(service, address string) error {
			body := fmt.Sprintf(`{"Node":"n","Address":"10.0.0.9","Service":{"ID":"%[1]s%[2]s","Service":"%[1]s-live"},"Check":{"CheckID":"%[1]s%[2]s","ServiceID":"%[1]s%[2]s","Status":"passing"}}`, service, address)
			_, err := consul.ask(t.Context(), "PUT", "/v1/catalog/register", strings.NewReader(body), nil)
			return err
		}, func(service, address string) error {
			body := fmt.Sprintf(`{"Node":"n","ServiceID":"%s%s"}`, service, address)
			_, err := consul.ask(t.Context(), "PUT", "/v1/catalog/deregister", strings.NewReader(body), nil)
			return err
		}},
		"etcd": {etcd, func(service, address string) error {
			_, err := client.Put(t.Context(), inZone+service+"/"+address, `{}`)
			return err
		}, func(service, address string) error {
			_, err := client.Delete(t.Context(), inZone+service+"/"+address)
			return err
		}},
		"zookeeper": {zoo, func(service, address string) error {
			for _, path := range []string{services, services + "/" + service + "-live", services + "/" + service + "-live/isthmus-w-00000000000" + address} {
				_, err := zoo.conn.Create(path, []byte("{}"), zk.FlagPersistent, zk.WorldACL(zk.PermAll))
				if errors.Is(err, zk.ErrNodeExists) {
					_, err = zoo.conn.Set(path, []byte("{}"), -1)
				}
				if err != nil {
					return err
				}
			}
			return nil
		}, func(service, address string) error {
			return zoo.conn.Delete(services+"/"+service+"-live/isthmus-w-00000000000"+address, -1)
		}},
	} {
		var gone names
		w := newWatch(name, tt.target, gone.has)
		do := func(what func(service, address string) error, service, address string) {
			t.Helper()
			if err := what(service, address); err != nil {
				t.Fatal(err)
			}
		}
		look := func(want int) {
			t.Helper()
			if err := w.look(t.Context()); err != nil || len(w.losses) != want {
				t.Errorf("%s: losses %v, %v; want %d", name, w.losses, err, want)
			}
		}
		for _, service := range []string{"a", "b", "c"} {
			do(tt.put, service, "1")
			do(tt.put, service, "2")
		}
		look(0)
		do(tt.remove, "a", "2")
		do(tt.put, "a", "3")
		do(tt.put, "a", "1")
		look(0)
		gone.add("b")
		do(tt.remove, "b", "1")
		do(tt.remove, "b", "2")
		look(0)
		do(tt.remove, "c", "1")
		do(tt.remove, "c", "2")
		look(1)
		do(tt.remove, "a", "1")
		do(tt.remove, "a", "3")
		do(tt.put, "a", "1")
		look(2)
	}
}
