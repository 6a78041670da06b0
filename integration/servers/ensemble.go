package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// ZooKeeperEnsemble is a ZooKeeper of three servers, any two of which serve.
type ZooKeeperEnsemble struct {
	members []*ZooKeeper
	dir     string
	temp    bool // dir is ours to remove
}

const ensembleSize = 3

// StartZooKeeperEnsemble starts three servers and returns when they have a leader and all of them answer. Each has a folder of
// its own in o.Dir, named by its number, and what o says besides. o.Port is the first one's. ctx bounds the start.
func StartZooKeeperEnsemble(ctx context.Context, o ZooKeeperOptions) (*ZooKeeperEnsemble, error) {
	j, o, temp, err := o.withJava(ctx)
	if err != nil {
		return nil, err
	}
	e, err := withPorts(ctx, o.Options, 4*ensembleSize, func(ctx context.Context, port []int) (*ZooKeeperEnsemble, error) {
		e := &ZooKeeperEnsemble{dir: o.Dir, temp: temp}
		return e, e.begin(ctx, j, o, port)
	})
	if err != nil {
		return nil, errors.Join(err, e.discard())
	}
	return e, nil
}

// begin starts all members at once: none is ready before two are there. If one fails, none is left.
func (e *ZooKeeperEnsemble) begin(ctx context.Context, j *Java, o ZooKeeperOptions, port []int) error {
	lines := []string{"initLimit=40", "syncLimit=10"}
	for i := range ensembleSize {
		lines = append(lines, fmt.Sprintf("server.%d=127.0.0.1:%d:%d", i+1, port[ensembleSize+2*i], port[ensembleSize+2*i+1]))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, ensembleSize)
	var started sync.WaitGroup
	for i := range ensembleSize {
		member := o
		member.Dir = filepath.Join(o.Dir, strconv.Itoa(i+1))
		own := []int{port[i], port[ensembleSize+2*i], port[ensembleSize+2*i+1], port[3*ensembleSize+i]}
		z := newZooKeeper(j.zooKeeper(member.Dir, false), o, own[0], own[3])
		e.members = append(e.members, z)
		started.Go(func() {
			if errs[i] = z.join(i+1, func() error { return z.start(ctx, j, member, own, lines) }); errs[i] != nil {
				cancel()
			}
		})
	}
	started.Wait()
	if err := errors.Join(errs...); err != nil {
		e.kill()
		return err
	}
	return nil
}

// join writes which member z is, and starts it.
func (z *ZooKeeper) join(id int, start func() error) error {
	data := filepath.Join(z.dir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return fmt.Errorf("servers: configure zookeeper: %w", err)
	}
	if err := os.WriteFile(filepath.Join(data, "myid"), []byte(strconv.Itoa(id)), 0o600); err != nil {
		return fmt.Errorf("servers: configure zookeeper: %w", err)
	}
	return start()
}

func (e *ZooKeeperEnsemble) kill() {
	for _, z := range e.members {
		z.Kill()
	}
}

func (e *ZooKeeperEnsemble) discard() error {
	if !e.temp {
		return nil
	}
	return os.RemoveAll(e.dir)
}

// Members returns the three servers. Each may be halted, killed, paused and started again by itself; Restart waits until the
// member serves, for which another one must run.
func (e *ZooKeeperEnsemble) Members() []*ZooKeeper { return e.members }

// Addresses returns HOST:PORT of the members' plain ports.
func (e *ZooKeeperEnsemble) Addresses() []string {
	var all []string
	for _, z := range e.members {
		all = append(all, z.Address())
	}
	return all
}

// Leader waits until one of the members leads, and returns it.
func (e *ZooKeeperEnsemble) Leader(ctx context.Context) (*ZooKeeper, error) {
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		for _, z := range e.members {
			if mode, err := z.tryMode(ctx); err == nil && mode == "leader" {
				return z, nil
			}
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("servers: wait for a leader: %w", context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// tryMode asks for the mode, and not for long: a paused member never answers.
func (z *ZooKeeper) tryMode(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return z.Mode(ctx)
}

// Stop ends all members for good, as Server.Stop does.
func (e *ZooKeeperEnsemble) Stop() error {
	errs := make([]error, len(e.members))
	var ended sync.WaitGroup
	for i, z := range e.members {
		ended.Go(func() { errs[i] = z.Halt() })
	}
	ended.Wait()
	return errors.Join(errors.Join(errs...), e.discard())
}
