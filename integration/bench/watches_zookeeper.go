package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/isthmus-dns/isthmus/integration/servers"
)

// inZooKeeper watches as Curator does: the children of one service, of which it
// reads those that it does not know.
func inZooKeeper(conn *zk.Conn) watch {
	return func(ctx context.Context, want shown) (<-chan sighting, error) {
		w := &curatorWatch{conn: conn, path: "/services/" + want.name + "-" + want.namespace, known: map[string]string{}}
		changed, err := w.read()
		if err != nil {
			return nil, fmt.Errorf("watch ZooKeeper: %w", err)
		}
		seen := make(chan sighting, 1)
		go func() { seen <- w.until(ctx, want, changed) }()
		return seen, nil
	}
}

// curatorWatch is what is known of one service.
type curatorWatch struct {
	conn  *zk.Conn
	path  string
	known map[string]string // addresses by id
}

// until reads whenever something changed, until the service is as wanted.
func (w *curatorWatch) until(ctx context.Context, want shown, changed <-chan zk.Event) sighting {
	for {
		select {
		case <-ctx.Done():
			return sighting{err: context.Cause(ctx)}
		case <-changed:
		}
		var err error
		if changed, err = w.read(); err != nil || w.has(want.address) == want.there {
			return sighting{time.Now(), err}
		}
	}
}

func (w *curatorWatch) has(address string) bool {
	for _, one := range w.known {
		if one == address {
			return true
		}
	}
	return false
}

// read reads what is new, and watches for what changes from then on.
func (w *curatorWatch) read() (<-chan zk.Event, error) {
	ids, _, changed, err := w.conn.ChildrenW(w.path)
	if err != nil {
		return nil, fmt.Errorf("list %q: %w", w.path, err)
	}
	for id := range w.known {
		if !slices.Contains(ids, id) {
			delete(w.known, id)
		}
	}
	for _, id := range ids {
		if _, there := w.known[id]; there {
			continue
		}
		data, _, err := w.conn.Get(w.path + "/" + id)
		if errors.Is(err, zk.ErrNoNode) {
			continue // it went meanwhile
		}
		var instance struct{ Address string }
		if err == nil {
			err = json.Unmarshal(data, &instance)
		}
		if err != nil {
			return nil, fmt.Errorf("read %q: %w", w.path+"/"+id, err)
		}
		w.known[id] = instance.Address
	}
	return changed, nil
}

// inCache waits in a Java program for a ServiceCache of Curator's, one a service.
func inCache(java *servers.Curator) watch {
	watched := map[string]bool{}
	return func(ctx context.Context, want shown) (<-chan sighting, error) {
		if !watched[want.name] {
			if _, err := java.Do(ctx, "watch", "name="+want.name); err != nil {
				return nil, err
			}
			watched[want.name] = true
		}
		seen := make(chan sighting, 1)
		go func() {
			_, err := java.Do(ctx, "await", "name="+want.name, "address="+want.address, fmt.Sprintf("there=%t", want.there))
			seen <- sighting{time.Now(), err}
		}()
		return seen, nil
	}
}
