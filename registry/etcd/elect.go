package etcd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"

	"github.com/isthmus-dns/isthmus/registry"
)

// election is that of the oldest key below one, each with a lease.
type election struct {
	config *config
	key    string
	times  registry.LeaseTimes
}

// Election opens the election below a key, which has to be apart from all records.
func (c *config) Election(_, place string, times registry.LeaseTimes, _ *slog.Logger) (registry.Election, error) {
	key := "/" + strings.Trim(place, "/")
	switch within := key + "/"; {
	case key == "/" || strings.Contains(key, "//"):
		return nil, fmt.Errorf("key %q: want one as /isthmus/lead/OWNER", place)
	case strings.HasPrefix(within, "/"+c.path+"/"), strings.HasPrefix("/"+c.path+"/", within):
		return nil, fmt.Errorf("key %q: services are below %q", place, "/"+c.path)
	case strings.HasPrefix(within, idKey+"/"), strings.HasPrefix(within, fenceRoot), strings.HasPrefix(fenceRoot, within):
		return nil, fmt.Errorf("key %q: the bridges' own state is there", place)
	}
	if _, err := c.dialing(); err != nil {
		return nil, err
	}
	return &election{c, key, times}, nil
}

// String names the key.
func (e *election) String() string { return fmt.Sprintf("etcd %s %s", e.config.name, e.key) }

// Close does nothing: each Elect has a connection of its own.
func (e *election) Close() error { return nil }

// Elect takes part by the client library's election. Whoever led or waited is gone
// from the line with its lease.
func (e *election) Elect(ctx context.Context, c registry.Candidate) error {
	connected, giveUp := context.WithCancel(context.WithoutCancel(ctx)) // it is wanted to release the lease, too
	defer giveUp()
	client, err := e.config.dial(connected)
	if err == nil {
		defer client.Close()
		err = e.elect(ctx, client, c, giveUp)
	}
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("elect at %s: %w", e, err)
	}
	return ctx.Err()
}

func (e *election) elect(ctx context.Context, client *clientv3.Client, c registry.Candidate, giveUp func()) error {
	session, err := e.session(ctx, client)
	if err != nil {
		return fmt.Errorf("take a lease: %w", err)
	}
	defer e.release(ctx, session)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(session.Ctx(), func() { cancel(errLease) })()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel(nil)
	line := concurrency.NewElection(session, e.key)
	wg.Go(func() { e.observe(ctx, line, c.Seen) })
	if err := e.campaign(ctx, line, c.Name, giveUp); err != nil {
		return err
	}
	return c.Serve(ctx, e.times, func(ctx context.Context) error { return renew(ctx, client, line, session.Lease()) })
}

var (
	errLease   = fmt.Errorf("the lease ended: %w", registry.ErrNotLeading)
	errRemoved = fmt.Errorf("somebody removed the key of who leads: %w", registry.ErrNotLeading)
)

// renew keeps the lease, if the key that the election was won by still stands: with
// another's, the next in the line is elected, whatever becomes of the lease.
func renew(ctx context.Context, client *clientv3.Client, line *concurrency.Election, lease clientv3.LeaseID) error {
	if _, err := client.KeepAliveOnce(ctx, lease); errors.Is(err, rpctypes.ErrLeaseNotFound) {
		return errLease
	} else if err != nil {
		return err
	}
	key, err := client.Get(ctx, line.Key(), clientv3.WithKeysOnly())
	switch {
	case err != nil:
		return err
	case len(key.Kvs) == 0 || key.Kvs[0].CreateRevision != line.Rev():
		return errRemoved
	}
	return nil
}

// session takes a lease, which is kept from then on.
func (e *election) session(ctx context.Context, client *clientv3.Client) (*concurrency.Session, error) {
	limited, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	lease, err := client.Grant(limited, int64(e.times.Lease/time.Second))
	if err != nil {
		return nil, err
	}
	return concurrency.NewSession(client, concurrency.WithLease(lease.ID))
}

// release gives up the lease, and with it the place in the line.
func (e *election) release(ctx context.Context, s *concurrency.Session) {
	s.Orphan()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeTime)
	defer cancel()
	_, _ = s.Client().Revoke(ctx, s.Lease()) // else it ends by itself
}

// campaign waits to be elected. Who gives up says so to the server, and does not
// wait for its answer for long.
func (e *election) campaign(ctx context.Context, line *concurrency.Election, name string, giveUp func()) error {
	waiting, enough := context.WithCancel(ctx)
	over := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer enough()
	defer close(over)
	wg.Go(func() {
		<-waiting.Done()
		patience := time.NewTimer(probeTime)
		defer patience.Stop()
		select {
		case <-over:
		case <-patience.C:
			giveUp()
		}
	})
	err := line.Campaign(clientv3.WithRequireLeader(waiting), name)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// observe tells who leads until ctx ends.
func (e *election) observe(ctx context.Context, line *concurrency.Election, seen func(string)) {
	last := ""
	for ctx.Err() == nil {
		for resp := range line.Observe(ctx) {
			if who := string(resp.Kvs[0].Value); who != last {
				last = who
				seen(who)
			}
		}
		timer := time.NewTimer(e.times.Retry)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}
