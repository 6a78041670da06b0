package faults

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"golang.org/x/sync/errgroup"
)

const (
	services = "/services"
	admin    = "admin:secret"
	asked    = 16 // questions that are not answered yet
)

// zooTarget is a ZooKeeper, of one server or several, as who may do everything sees it.
type zooTarget struct {
	called string
	at     []string
	owner  string
	given  sessions // to bridges
	conn   *zk.Conn

	mu     sync.Mutex // guards folder
	folder map[string]folder
}

// folder is what is known of the instances of one name.
type folder struct {
	czxid, pzxid int64 // of the node above them: while it has these, they are the same ones
	oldest       int64 // czxid of the oldest of ours; 0: there is none
}

func newZooTarget(t *testing.T, called, owner string, at []string) *zooTarget {
	z := &zooTarget{called: called, owner: owner, at: at, folder: map[string]folder{}}
	z.conn = zooUser(t, at, 3*time.Second)
	return z
}

// zooUser is a connection of who may do everything, which finds its servers again
// whenever they are there. It ends with the test.
func zooUser(t *testing.T, at []string, session time.Duration) *zk.Conn {
	conn, _, err := zk.Connect(at, session, zk.WithLogInfo(false), zk.WithLogger(silent{}), zk.WithDialer(
		func(network, address string, limit time.Duration) (net.Conn, error) {
			conn, err := net.DialTimeout(network, address, limit)
			return impatient{conn, session * 2 / 3}, err
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	if err := conn.AddAuth("digest", []byte(admin)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// impatient is a connection on which an answer comes within a time, or never. By
// default a server that is paused may take ten times as long to give a session.
type impatient struct {
	net.Conn
	within time.Duration
}

// SetReadDeadline sets one that is no later than that.
func (c impatient) SetReadDeadline(t time.Time) error {
	if latest := time.Now().Add(c.within); t.After(latest) {
		t = latest
	}
	return c.Conn.SetReadDeadline(t)
}

// silent is a log that nobody reads.
type silent struct{}

// Printf implements zk.Logger.
func (silent) Printf(string, ...any) {}

// ask waits for an answer no longer than ctx lasts. What nobody waits for any more ends
// with the connection at the latest.
func (z *zooTarget) ask(ctx context.Context, question func() error) error {
	if z.conn.State() != zk.StateHasSession {
		return fmt.Errorf("%s: not connected", z.called)
	}
	answered := make(chan error, 1)
	go func() { answered <- question() }()
	select {
	case err := <-answered:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", z.called, ctx.Err())
	}
}

// list returns what is below a node, in order; nothing if that is not there.
func (z *zooTarget) list(ctx context.Context, path string) (names []string, stat *zk.Stat, err error) {
	type answer struct {
		names []string
		stat  *zk.Stat
	}
	var a answer
	got := make(chan answer, 1)
	err = z.ask(ctx, func() error {
		names, stat, err := z.conn.Children(path)
		got <- answer{names, stat}
		return err
	})
	if errors.Is(err, zk.ErrNoNode) {
		return nil, nil, nil
	}
	if err == nil {
		a = <-got
	}
	slices.Sort(a.names)
	return a.names, a.stat, err
}

// get returns what a node holds; nil if it is not there.
func (z *zooTarget) get(ctx context.Context, path string) (data []byte, stat *zk.Stat, err error) {
	type answer struct {
		data []byte
		stat *zk.Stat
	}
	var a answer
	got := make(chan answer, 1)
	err = z.ask(ctx, func() error {
		data, stat, err := z.conn.Get(path)
		got <- answer{data, stat}
		return err
	})
	if errors.Is(err, zk.ErrNoNode) {
		return nil, nil, nil
	}
	if err == nil {
		a = <-got
	}
	return a.data, a.stat, err
}

// each calls f for what is below /services, several at a time, once the server has all
// that its ensemble agreed on.
func (z *zooTarget) each(ctx context.Context, f func(ctx context.Context, name string) error) error {
	if err := z.ask(ctx, func() error { _, err := z.conn.Sync(services); return err }); err != nil {
		return err
	}
	names, _, err := z.list(ctx, services)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(asked)
	for _, name := range names {
		g.Go(func() error { return f(ctx, name) })
	}
	return g.Wait()
}

// ours reports whether an instance is a mirror's of the bridge.
func (z *zooTarget) ours(id string) bool { return strings.HasPrefix(id, "isthmus-"+z.owner+"-") }

// births are those of the oldest instance of each name.
func (z *zooTarget) births(ctx context.Context) (map[string]string, error) {
	var mu sync.Mutex
	all := map[string]string{}
	err := z.each(ctx, func(ctx context.Context, name string) error {
		plain, mirrored := strings.CutSuffix(name, "-"+space)
		if !mirrored {
			return nil
		}
		born, err := z.oldest(ctx, name)
		if err != nil || born == 0 {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		all[plain] = fmt.Sprintf("0x%x", born)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// oldest returns when the oldest instance of ours was made. The node above them says
// whether any of them went or came since that was read.
func (z *zooTarget) oldest(ctx context.Context, name string) (int64, error) {
	ids, above, err := z.list(ctx, services+"/"+name)
	if err != nil || above == nil {
		return 0, err
	}
	z.mu.Lock()
	f, known := z.folder[name]
	z.mu.Unlock()
	if known && f.czxid == above.Czxid && f.pzxid == above.Pzxid {
		return f.oldest, nil
	}
	f = folder{czxid: above.Czxid, pzxid: above.Pzxid}
	for _, id := range ids {
		if !z.ours(id) {
			continue
		}
		_, stat, err := z.get(ctx, services+"/"+name+"/"+id)
		if err != nil {
			return 0, err
		}
		if stat != nil && (f.oldest == 0 || stat.Czxid < f.oldest) {
			f.oldest = stat.Czxid
		}
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	z.folder[name] = f
	return f.oldest, nil
}

func (z *zooTarget) held(ctx context.Context) (map[string][]string, error) {
	return z.instances(ctx, func(name, id string) (string, bool) {
		plain, mirrored := strings.CutSuffix(name, "-"+space)
		return plain, mirrored && z.ours(id)
	})
}

func (z *zooTarget) natives(ctx context.Context) (map[string][]string, error) {
	return z.instances(ctx, func(name, id string) (string, bool) { return name, !strings.HasPrefix(id, "isthmus-") })
}

// instances returns the addresses of those that is chosen, by the name that says.
func (z *zooTarget) instances(ctx context.Context, chosen func(name, id string) (string, bool)) (map[string][]string, error) {
	var mu sync.Mutex
	all := map[string][]string{}
	err := z.each(ctx, func(ctx context.Context, name string) error {
		ids, _, err := z.list(ctx, services+"/"+name)
		if err != nil {
			return err
		}
		for _, id := range ids {
			plain, is := chosen(name, id)
			if !is {
				continue
			}
			address, err := z.address(ctx, services+"/"+name+"/"+id)
			if err != nil {
				return err
			}
			if address != "" {
				mu.Lock()
				all[plain] = append(all[plain], address)
				mu.Unlock()
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return sortAll(all), nil
}

// address is that of an instance; "" if it is gone.
func (z *zooTarget) address(ctx context.Context, path string) (string, error) {
	data, stat, err := z.get(ctx, path)
	if err != nil || stat == nil {
		return "", err
	}
	var instance struct{ Address string }
	if err := json.Unmarshal(data, &instance); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return instance.Address, nil
}

// version is a digest of when each node was made, changed, and had nodes made or
// removed below it: each write changes one of these, and what is no write does not, as
// the end of a session would change ZooKeeper's own count of what was done. The server
// itself removes containers in which nothing is left, which is waited for.
func (z *zooTarget) version(ctx context.Context) (string, error) {
	var all []string
	err := until(ctx, 10*time.Second, z.called+" removes what nothing is in", func() (err error) {
		all = nil
		for _, root := range []string{services, "/isthmus"} {
			below, err := z.nodes(ctx, root)
			if err != nil {
				return err
			}
			all = append(all, below...)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d nodes, %x", len(all), sha256.Sum256([]byte(strings.Join(all, "\n")))), nil
}

var errEmpty = errors.New("nothing is in it any more")

// nodes are a node and all below it.
func (z *zooTarget) nodes(ctx context.Context, path string) ([]string, error) {
	names, stat, err := z.list(ctx, path)
	if err != nil || stat == nil {
		return nil, err
	}
	if len(names) == 0 && stat.Cversion > 0 && strings.HasPrefix(path, services+"/") { // all such are containers
		return nil, fmt.Errorf("%s: %w", path, errEmpty)
	}
	below := make([][]string, len(names))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(asked)
	for i, name := range names {
		g.Go(func() (err error) { below[i], err = z.nodes(ctx, path+"/"+name); return err })
	}
	err = g.Wait()
	return slices.Concat(append(below, []string{fmt.Sprintf("%s %x %x %x", path, stat.Czxid, stat.Mzxid, stat.Pzxid)})...), err
}
