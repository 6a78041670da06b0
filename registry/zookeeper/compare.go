package zookeeper

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/go-zookeeper/zk"
	"golang.org/x/sync/errgroup"

	"github.com/isthmus-dns/isthmus/registry"
)

const (
	compareEvery = 5 * time.Minute // on average, how often what is known is compared with all nodes, unless the stanza says it
	compareGrace = 2 * time.Second // for a watch to tell what a comparison showed
	compareAsked = 8               // questions of a comparison that are not answered yet
)

// compare compares what the watches told with what the server holds, again and again.
// It ends with ctx or the session. Nodes that may not be read are tried again, too,
// since no watch tells that they may be.
func (z *zookeeper) compare(ctx context.Context, w *walk) error {
	every := cmp.Or(z.config.compare, compareEvery)
	for {
		if err := registry.Pause(ctx, every*3/4+rand.N(every/2)); err != nil {
			return err
		}
		if !w.reported.Load() {
			continue
		}
		missed, err := z.compareOnce(ctx, w)
		if err != nil {
			return err
		}
		if missed > 0 {
			w.feed.Missed(missed)
			z.table.log.Warn("the watches had missed changes, read again", "nodes", missed)
		}
	}
}

// compareOnce compares the versions of all nodes and, if the watches do not tell of
// what differs in time, reads that again. It returns how many nodes were missed.
func (z *zookeeper) compareOnce(ctx context.Context, w *walk) (missed int, err error) {
	suspects, err := differing(ctx, w.session, z.table.all())
	if err == nil && len(suspects) > 0 {
		if err = registry.Pause(ctx, compareGrace); err == nil {
			suspects, err = differing(ctx, w.session, z.table.stillKnown(suspects))
		}
	}
	if err != nil {
		return 0, err
	}
	var ask []question
	for _, k := range suspects {
		ask = append(ask, k.questions(z.table.layout)...)
	}
	ask = append(ask, z.table.deniedQuestions()...)
	select {
	case w.suspects <- ask:
		return len(suspects), nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// version is what is known of a node's state; all zero of a root that is not there.
type version struct {
	path                string
	czxid, mzxid, pzxid int64 // 0: not read, and so not compared
}

// same reports whether a node is as it is known. A server tells of one that is not
// there by nil.
func (v version) same(stat *zk.Stat) bool {
	is := func(known, now int64) bool { return known == 0 || known == now }
	if stat == nil {
		return v.czxid == 0 && v.pzxid == 0
	}
	return v != version{path: v.path} && is(v.czxid, stat.Czxid) && is(v.mzxid, stat.Mzxid) && is(v.pzxid, stat.Pzxid)
}

// questions are those that bring what is known of a node up to date.
func (v version) questions(l layout) []question {
	if l.role(v.path) == folder {
		return []question{{v.path, true}}
	}
	if v.pzxid == 0 {
		return []question{{v.path, false}}
	}
	return []question{{v.path, false}, {v.path, true}}
}

// differing returns those of which the server has another version. One that may not be
// read any more is such, too: servers from 3.8.4 on tell nobody of it then.
func differing(ctx context.Context, s *session, all []version) (found []version, err error) {
	differs := make([]bool, len(all))
	g, asking := errgroup.WithContext(ctx)
	g.SetLimit(compareAsked)
	for i, v := range all {
		g.Go(func() error {
			stat, err := s.exists(asking, v.path, false)
			if errors.Is(err, zk.ErrNoAuth) {
				differs[i] = true
				return nil
			}
			differs[i] = err == nil && !v.same(stat)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for i, v := range all {
		if differs[i] {
			found = append(found, v)
		}
	}
	return found, nil
}

// all returns the versions of all nodes, but for those that may not be read.
func (t *table) all() []version {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]version, 0, len(t.nodes))
	for _, n := range t.nodes {
		if v, ok := t.versionLocked(n); ok {
			all = append(all, v)
		}
	}
	return all
}

// stillKnown returns those versions that are still what is known of their nodes. Of the
// others the watches told meanwhile, and may be about to tell more.
func (t *table) stillKnown(versions []version) (all []version) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, v := range versions {
		if n := t.nodes[v.path]; n != nil {
			if now, ok := t.versionLocked(n); ok && now == v {
				all = append(all, v)
			}
		}
	}
	return all
}

func (t *table) versionLocked(n *node) (v version, ok bool) {
	v = version{path: n.path, czxid: n.czxid, mzxid: n.mzxid}
	if n.listed {
		v.pzxid = n.pzxid
	}
	unread := v.czxid == 0 && v.pzxid == 0 && n.up != nil
	return v, !unread && t.denied[n.path] == nil
}

// deniedQuestions are those that bring up to date what could not be read.
func (t *table) deniedQuestions() (all []question) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for path := range t.denied {
		all = append(all, question{path, t.layout.role(path) == folder})
	}
	return all
}
