package consul

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/hashicorp/consul/api"
	"golang.org/x/sync/errgroup"
)

// failingStates are the states of checks that do not pass. Consul finds the checks of
// a state by an index, so that asking for them costs what they are, and a query
// that blocks on them wakes for no others.
func failingStates() []string { return []string{api.HealthCritical, api.HealthWarning} }

// checkPause is how long what failed is left to itself after a change, so that
// many are read at once.
const checkPause = 10 * time.Millisecond

// state is the checks in one state, and the names of what they judge.
type state struct {
	name   string
	index  uint64
	checks map[check]bool
}

// states reads all states of failing checks.
func (w *watch) states(ctx context.Context) ([]*state, error) {
	var all []*state
	for _, name := range failingStates() {
		s := &state{name: name}
		if _, err := w.see(ctx, s, 0); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// see reads s, with an index not before it differs, and returns the checks that
// came or went.
func (w *watch) see(ctx context.Context, s *state, index uint64) (differ []judged, err error) {
	var list []seenCheck
	q := waker{"/v1/health/state/" + s.name, ""}
	wait := w.every - rand.N(w.every/10)
	if s.index, err = w.client.block(ctx, q.path, q.query(), index, wait, &list); err != nil {
		return nil, err
	}
	checks := make(map[check]bool, len(list))
	for _, c := range list {
		checks[check{c.Node, c.CheckID, c.ServiceID, c.ServiceName}] = true
	}
	for _, pair := range [][2]map[check]bool{{s.checks, checks}, {checks, s.checks}} {
		for c := range pair[0] {
			if !pair[1][c] {
				differ = append(differ, judged{c.node, c.name})
			}
		}
	}
	s.checks = checks
	return differ, nil
}

// judged is what a check judges: instances of a service on a node, or with an
// empty name all on the node.
type judged struct{ node, name string }

// attend blocks on one state and hands what changes to the rounds' goroutine,
// which reads it between two rounds: health is news that nobody should wait
// for, and no reason to ask for everything else.
func (w *watch) attend(ctx context.Context, s *state) error {
	for {
		before := s.index
		differ, err := w.see(ctx, s, before)
		if err != nil {
			return ended(ctx, err)
		}
		if s.index < before {
			w.relist.Store(true)
			offer(w.wake)
			s.index = 1
		}
		if len(differ) == 0 {
			if err := w.rest(ctx); err != nil {
				return err
			}
			continue
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case w.checked <- differ:
		}
		if err := sleep(ctx, checkPause); err != nil {
			return err
		}
	}
}

// rest waits a little while this process writes: where few checks fail, Consul
// ends the query for every check that is written.
func (w *watch) rest(ctx context.Context) error {
	if !w.view.wroteWithin(checkedRest) {
		return nil
	}
	return sleep(ctx, checkedRest)
}

// await returns when a round is due. Until then it reads what checks judge
// otherwise than before.
func (w *watch) await(ctx context.Context) error {
	start := time.Now()
	var due <-chan time.Time
	wake := func() {
		if due == nil {
			due = time.After(w.pause() - time.Since(start))
		}
	}
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-due:
			return nil
		case differ := <-w.checked:
			if err := w.readChecked(ctx, differ); err != nil {
				return ended(ctx, err)
			}
		case <-w.wake:
			wake()
		case <-w.kick:
			wake()
		case <-w.spare.end(time.Now()):
			wake()
		}
	}
}

// readChecked reads the names that are judged on nodes of users. What bridges
// wrote, and what a node's own check judges, is for the next round.
func (w *watch) readChecked(ctx context.Context, differ []judged) error {
	token, err := w.client.secret()
	if err != nil {
		return err
	}
	names := map[string]bool{}
	for _, j := range differ {
		if _, owned := w.last.nodes[j.node]; owned || j.name == "" || token != w.token || w.relist.Load() {
			offer(w.wake)
			continue
		}
		if name := keyName(j.name); name != self || w.layout.directory {
			names[name] = true
		}
	}
	if len(names) == 0 {
		return nil
	}
	read, err := w.read(ctx, keys(names))
	if err != nil {
		return err
	}
	w.view.apply(read)
	return nil
}

// follow starts a goroutine for each state.
func (w *watch) follow(ctx context.Context, group *errgroup.Group, states []*state) {
	for _, s := range states {
		group.Go(func() error { return w.attend(ctx, s) })
	}
}
