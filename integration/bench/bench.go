package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
)

// bench is a benchmark under way: the world and the programs.
type bench struct {
	options
	log        func(string)
	world      *world
	programs   programs
	tmp        string
	serverCore int
	restCore   int
	targets    targets
}

// benchmark builds, starts and fills everything, measures the selected rows and
// ends everything again.
func benchmark(ctx context.Context, o options, log func(string)) (rep report, err error) {
	b := &bench{options: o, log: log}
	rep = report{World: o.shape.String(), Pairs: o.pairs, Load: loadAverage()}
	if b.serverCore, b.restCore, err = twoCores(); err != nil {
		return rep, err
	}
	if b.tmp, err = os.MkdirTemp("", "isthmus-bench-"); err != nil {
		return rep, fmt.Errorf("make a folder to work in: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.tmp)) }()
	if b.programs, err = buildPrograms(ctx, b.tmp, o.given, log); err != nil {
		return rep, err
	}
	if b.world, err = newWorld(ctx, o.shape, o.dir, log); err != nil {
		return rep, err
	}
	defer func() { err = errors.Join(err, b.targets.stop(), b.world.kube.Stop()) }()
	if err := b.moveAside(); err != nil {
		return rep, err
	}
	for _, c := range []chain{bare, kubeadm} {
		if err := b.inChain(ctx, c, &rep); err != nil {
			return rep, err
		}
	}
	for _, s := range stories() {
		if !slices.ContainsFunc(s.rows, func(row string) bool { return b.only.wants(row, "") }) {
			continue
		}
		figures, err := s.measure(ctx, b)
		if err := rep.add(ctx, s.rows[0], figures, err); err != nil {
			return rep, err
		}
	}
	return rep, nil
}

// story measures rows that no traffic alone can show.
type story struct {
	rows    []string
	measure func(context.Context, *bench) ([]figure, error)
}

// stories returns them in the table's order.
func stories() []story {
	return []story{
		{[]string{"start", "memory"}, startAndMemory},
		{[]string{"relist"}, relist},
		{[]string{"propagation"}, propagation},
		{[]string{rowFirst, rowMemory, rowConsul, rowEtcd, rowRestart, rowQuiet}, outward},
		{[]string{rowInward, rowHealth}, inward},
		{[]string{rowZooKeeper}, intoZooKeeper},
		{[]string{rowZnodeDNS, rowZnodeSlice}, fromZooKeeper},
		{[]string{"consul"}, consulMirrors},
	}
}

// moveAside leaves the servers' core to them: this process, the API server and
// its etcd go to the other one.
func (b *bench) moveAside() error {
	runtime.GOMAXPROCS(1)
	return b.pinAll(b.restCore)
}

// spread lets everything use both cores, as the scheduler pleases: what a bridge
// is asked for is how long the whole takes, and its targets work as hard as it
// does. moveAside ends it.
func (b *bench) spread() error {
	runtime.GOMAXPROCS(2)
	return b.pinAll(b.serverCore, b.restCore)
}

func (b *bench) pinAll(cores ...int) error {
	all := append(b.targets.pids(), os.Getpid(), b.world.kube.PID(), b.world.kube.Etcd().PID())
	for _, pid := range all {
		if err := pin(pid, cores...); err != nil {
			return err
		}
	}
	return nil
}
