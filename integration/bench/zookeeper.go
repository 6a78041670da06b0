package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/isthmus-dns/isthmus/integration/servers"
)

// znodes is a running ZooKeeper and a session with it.
type znodes struct {
	server *servers.ZooKeeper
	conn   *zk.Conn
}

// startZooKeeper starts an empty one. The caller stops it.
func (b *bench) startZooKeeper(ctx context.Context) (*znodes, error) {
	server, err := servers.StartZooKeeper(ctx, servers.ZooKeeperOptions{Options: servers.Options{Log: b.log}})
	if err != nil {
		return nil, err
	}
	conn, _, err := zk.Connect([]string{server.Address()}, 10*time.Second, zk.WithLogInfo(false))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("connect to ZooKeeper: %w", err), server.Stop())
	}
	return &znodes{server, conn}, nil
}

func (z *znodes) stop() error {
	z.conn.Close()
	return z.server.Stop()
}

// intoZooKeeper measures a bridge that mirrors the world into a ZooKeeper of its
// own, with rights of its own there: the first sync, and changes after it. All of
// them use both cores as the scheduler pleases.
func intoZooKeeper(ctx context.Context, b *bench) (all []figure, err error) {
	if err := b.spread(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.moveAside()) }()
	z, err := b.startZooKeeper(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, z.stop()) }()
	auth := filepath.Join(b.tmp, "zookeeper-user")
	if err := os.WriteFile(auth, []byte("isthmus:bench\n"), 0o600); err != nil {
		return nil, err
	}
	o := &outwardRun{bench: b}
	err = o.firstInto(ctx, z, mirroring{kubeconfig: b.world.kube.Kubeconfig(), zookeeper: z.server.Address(), auth: auth})
	return o.figures, err
}

// firstInto times the first sync of the world into ZooKeeper, and changes after it.
func (o *outwardRun) firstInto(ctx context.Context, z *znodes, into mirroring) error {
	m, err := o.startBridge(ctx, into)
	if err != nil {
		return err
	}
	defer m.stop()
	taken, err := m.settled(ctx, "first sync into ZooKeeper", o.world.shape.size())
	if err != nil {
		return err
	}
	nodes, err := z.held(ctx)
	if err != nil {
		return err
	}
	if nodes < o.world.shape.Namespaces*o.world.shape.Endpoints {
		return fmt.Errorf("first sync into ZooKeeper: %d znodes, too few", nodes)
	}
	mem, err := memoryOf(m.pid)
	if err != nil {
		return err
	}
	f := single(rowZooKeeper, "first sync", "s", taken.Seconds(), 30)
	f.Note = o.rate(taken, fmt.Sprintf("%d znodes, peak of memory %.0f MiB", nodes, mem.peak))
	o.add(f)
	o.log(fmt.Sprintf("%s: %d changes of each kind, idle", rowZooKeeper, o.bridge.changes))
	t := timing{watches: map[string]watch{rowZooKeeper: inZooKeeper(z.conn)}, changes: o.change, number: o.bridge.changes, limit: changesLimit}
	idle, err := t.run(ctx)
	o.add(idle.figures(rowZooKeeper, endpoint(), "idle", limits{15, 100})...)
	return err
}

// held returns how many znodes there are, as the server counts them.
func (z *znodes) held(ctx context.Context) (n int, err error) {
	text, err := z.server.Ask(ctx, "mntr")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		if count, found := strings.CutPrefix(line, "zk_znode_count"); found {
			_, err = fmt.Sscan(count, &n)
			return n, err
		}
	}
	return 0, fmt.Errorf("ask ZooKeeper for its znodes: %q", text)
}
