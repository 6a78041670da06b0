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
// own, with rights of its own there: the first sync, changes after it, and a restart.
// All of them use both cores as the scheduler pleases.
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
	o := &znodesRun{outwardRun{bench: b}, z, mirroring{kubeconfig: b.world.kube.Kubeconfig(), zookeeper: z.server.Address(), auth: auth}}
	if err = o.fill(ctx); err == nil {
		err = o.again(ctx)
	}
	return o.figures, err
}

// znodesRun is the figures on their way.
type znodesRun struct {
	outwardRun
	znodes *znodes
	into   mirroring
}

// fill times the first sync of the world into ZooKeeper, and changes after it.
func (o *znodesRun) fill(ctx context.Context) error {
	m, err := o.startBridge(ctx, o.into)
	if err != nil {
		return err
	}
	defer m.stop()
	count := func(ctx context.Context) (int, error) { return o.znodes.counter(ctx, "zk_znode_count") }
	want, err := o.filled(ctx, m, firstSync{rowZooKeeper, "first sync", 30, "ZooKeeper", "znodes", count})
	if err != nil {
		return err
	}
	asBefore := func(ctx context.Context) error {
		n, err := count(ctx)
		if err == nil && n != want {
			err = fmt.Errorf("%d znodes, want %d", n, want)
		}
		return err
	}
	t := timing{watches: map[string]watch{rowZooKeeper: inZooKeeper(o.znodes.conn)}, changes: o.change, number: o.bridge.changes, limit: changesLimit}
	s := series{timing: t, of: rowZooKeeper, how: "idle", at: limits{15, 100}, churn: o.world.churnAll, lines: linesOf(endpoint(), rowZooKeeper)}
	return errors.Join(o.series(ctx, s), o.undone(ctx, m, asBefore))
}

// again starts a bridge over mirrors that are as they should be, and counts what it
// writes.
func (o *znodesRun) again(ctx context.Context) error {
	before, err := o.znodes.written(ctx)
	if err != nil {
		return err
	}
	more := o.into
	more.compare = o.bridge.compare
	m, err := o.startBridge(ctx, more)
	if err != nil {
		return err
	}
	defer m.stop()
	if err := o.restarted(ctx, m, rowZooKeeper, "ready after a restart", o.world.shape.size()); err != nil {
		return err
	}
	return errors.Join(o.idle(ctx, m), o.wrote(ctx, m, before))
}

// idle lets a bridge settle, and reads what it holds and uses while nothing changes.
func (o *znodesRun) idle(ctx context.Context, m *mirrorer) error {
	busy, mem, err := o.rest(ctx, m, rowZooKeeper, o.settle)
	if err != nil {
		return err
	}
	f := plain(rowZooKeeper, fmt.Sprintf("CPU, comparing every %v, of a core", o.bridge.compare.Round(time.Second)), "%", busy)
	f.Note = fmt.Sprintf("resident %.0f MiB, peak since start %.0f MiB", mem.resident, mem.peak)
	o.add(f)
	return nil
}

// wrote makes lines of what a bridge wrote since before, by itself and by the server.
func (o *znodesRun) wrote(ctx context.Context, m *mirrorer, before map[string]string) error {
	p, err := m.progress(ctx)
	if err != nil {
		return err
	}
	after, err := o.znodes.written(ctx)
	if err != nil {
		return err
	}
	changed := single(rowZooKeeper, "znodes that a restart changed", "znodes", float64(differing(before, after)), 0)
	changed.Note = fmt.Sprintf("of %d", len(before))
	o.add(
		single(rowZooKeeper, "put by a restart", "services", p.puts, 0),
		single(rowZooKeeper, "deleted by a restart", "services", p.deletes, 0),
		changed)
	return nil
}

// counter returns one of the server's own numbers.
func (z *znodes) counter(ctx context.Context, name string) (n int, err error) {
	text, err := z.server.Ask(ctx, "mntr")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		if count, found := strings.CutPrefix(line, name+"\t"); found {
			_, err = fmt.Sscan(count, &n)
			return n, err
		}
	}
	return 0, fmt.Errorf("ask ZooKeeper for %q: %q", name, text)
}
