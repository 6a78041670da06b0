package consul

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/hashicorp/consul/api"
	"golang.org/x/sync/errgroup"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// pen is what a Writer needs to write: its fence, and which nodes stand.
type pen struct {
	mu     sync.Mutex      // held while something is written; guards what follows
	fence  *api.Node       // nil: not claimed, or lost
	lost   error           // why it is not claimed any more
	epoch  uint64          // of the fence as last claimed; 0: never
	nodes  map[string]bool // of the owner, that stand
	making map[string]bool // nodes that a batch under way makes
	limit  int             // of operations in a transaction
}

// Canon returns s as it reads back after Put.
func (c *consul) Canon(s *catalog.Service) (*catalog.Service, error) { return c.layout.canon(s) }

// Put writes services; see registry.Writer.
func (c *consul) Put(ctx context.Context, all []*catalog.Service) []registry.Result {
	return c.write(ctx, all, func(s *catalog.Service) (*job, error) {
		s, err := c.current(ctx, s, true)
		if err != nil {
			return nil, err
		}
		return c.layout.plan(s)
	})
}

// Delete removes services; see registry.Writer.
func (c *consul) Delete(ctx context.Context, all []*catalog.Service) []registry.Result {
	return c.write(ctx, all, func(s *catalog.Service) (*job, error) {
		s, err := c.current(ctx, s, false)
		if err != nil {
			return nil, err
		}
		return c.layout.planDelete(s)
	})
}

func (c *consul) write(ctx context.Context, all []*catalog.Service, plan func(*catalog.Service) (*job, error)) []registry.Result {
	c.pen.mu.Lock()
	defer c.pen.mu.Unlock()
	jobs := planAll(all, plan)
	c.view.writes()
	c.run(ctx, jobs)
	results := make([]registry.Result, len(all))
	for i, j := range jobs {
		results[i] = registry.Result{Ref: j.service.Ref(), Err: j.err}
		if j.err == nil {
			results[i].Version = j.version
		}
	}
	return results
}

// planAll plans several at a time, since some are asked for first.
func planAll(all []*catalog.Service, plan func(*catalog.Service) (*job, error)) []*job {
	jobs := make([]*job, len(all))
	var group errgroup.Group
	group.SetLimit(parallel)
	for i, s := range all {
		group.Go(func() error {
			j, err := plan(s)
			if err != nil {
				j = &job{service: s, err: err}
			}
			jobs[i] = j
			return nil
		})
	}
	_ = group.Wait() // each error is its job's
	return jobs
}

// current returns an error if s has another version than this Writer knows to
// stand, since records that were added are compared by nothing. Where the two
// differ Consul is asked: somebody else may have written meanwhile. It is asked as
// well where checks are to be written that were not read with the rest; they are
// in the version of what is returned.
func (c *consul) current(ctx context.Context, s *catalog.Service, checks bool) (*catalog.Service, error) {
	if err := c.layout.owns(s); err != nil {
		return nil, err
	}
	is, known := c.view.stands(s.Name, s.Version)
	if (is || !known) && !(checks && lacksChecks(s.Version)) {
		return s, nil
	}
	entries, _, err := c.client.service(ctx, s.Name)
	if err != nil {
		return nil, fmt.Errorf("write %q: %w", s.Key, err)
	}
	now := c.layout.decode(s.Name, entries).version(c.layout.owner)
	if now != s.Version && withoutChecks(now) != s.Version {
		c.view.doubt(s.Name)
		return nil, fmt.Errorf("write %q: %w", s.Key, registry.ErrConflict)
	}
	next := *s
	next.Version = now
	return &next, nil
}

// owns returns an error unless s is the owner's mirror.
func (l layout) owns(s *catalog.Service) error {
	if s.Mark == nil || s.Mark.Owner != l.owner {
		return fmt.Errorf("write %q: %w", s.Key, registry.ErrNotOwned)
	}
	return nil
}

// job is one service being written.
type job struct {
	service *catalog.Service
	entries map[string]*api.ServiceEntry // what will stand, by record id
	steps   []step                       // not written yet
	frees   string                       // the node that it removes records from; "" if it removes none
	started bool
	busy    bool // in a batch under way
	err     error
	version string // when done
}

// step is what is written of a job together: all of one record.
type step struct {
	ops  api.TxnOps
	node string // which has to stand
}

// plan says what is to be written so that s stands, in the order in which it
// is to be written: first new and changed records, then those that go. What
// stays as it is is left alone. Only where nothing that stands is written, one
// of those is compared, so that nothing is added to a mirror that somebody
// removed.
func (l layout) plan(s *catalog.Service) (*job, error) {
	have, err := l.holdings(s)
	if err != nil {
		return nil, err
	}
	entries, err := l.encode(s)
	if err != nil {
		return nil, err
	}
	j := &job{service: s, entries: map[string]*api.ServiceEntry{}}
	var stays []step
	compared := false
	for _, e := range entries {
		h, there := have[where{e.Node.Node, e.Service.ID}]
		delete(have, where{e.Node.Node, e.Service.ID})
		j.entries[e.Service.ID] = e
		ops := writing(e, h, there)
		if len(ops) > 0 {
			j.steps = append(j.steps, step{ops, e.Node.Node})
			compared = compared || there
		} else if len(stays) == 0 {
			stays = []step{{api.TxnOps{putService(e)}, e.Node.Node}}
		}
	}
	if len(j.steps) > 0 && len(have) == 0 && !compared {
		j.steps = append(stays, j.steps...)
	}
	j.remove(have)
	return j, nil
}

// planDelete says what is to be written so that nothing of s stands.
func (l layout) planDelete(s *catalog.Service) (*job, error) {
	have, err := l.holdings(s)
	if err != nil {
		return nil, err
	}
	j := &job{service: s}
	j.remove(have)
	return j, nil
}

// where is the place of a record.
type where struct{ node, id string }

// holdings returns what stands of s, which is the owner's, by its version, if its
// format is not too new to be written.
func (l layout) holdings(s *catalog.Service) (map[where]held, error) {
	format, all, err := decodeVersion(s.Version)
	if err != nil {
		return nil, fmt.Errorf("write %q: %w: %w", s.Key, err, registry.ErrConflict)
	}
	if format > catalog.MarkFormat {
		return nil, fmt.Errorf("write %q: its mark has format %d: %w", s.Key, format, registry.ErrNotOwned)
	}
	have := map[where]held{}
	for _, h := range all {
		have[where{h.node, h.id}] = h
	}
	return have, nil
}

// writing returns the operations that make the record h, if it is there, say
// what e says, and takes over its indexes.
func writing(e *api.ServiceEntry, h held, there bool) (ops api.TxnOps) {
	c := e.Checks[0]
	e.Service.ModifyIndex, c.ModifyIndex = h.index, h.checkIndex
	if !there || h.sum != serviceSum(e.Service) {
		ops = append(ops, putService(e))
	}
	if h.checkIndex == 0 || h.checkSum != checkSum(c) {
		ops = append(ops, putCheck(e))
	}
	return ops
}

// putService writes an instance on condition of its index; one that says the
// same already is compared and left as it is.
func putService(e *api.ServiceEntry) *api.TxnOp {
	return &api.TxnOp{Service: &api.ServiceTxnOp{Verb: api.ServiceCAS, Node: e.Node.Node, Service: *e.Service}}
}

func putCheck(e *api.ServiceEntry) *api.TxnOp {
	return &api.TxnOp{Check: &api.CheckTxnOp{Verb: api.CheckCAS, Check: *e.Checks[0]}}
}

// remove adds what removes records, in order. Their checks go with them.
func (j *job) remove(have map[where]held) {
	for _, h := range slices.SortedFunc(maps.Values(have), held.compare) {
		op := &api.ServiceTxnOp{Verb: api.ServiceDeleteCAS, Node: h.node, Service: api.AgentService{ID: h.id, Service: j.service.Name, ModifyIndex: h.index}}
		j.steps = append(j.steps, step{ops: api.TxnOps{{Service: op}}})
		j.frees = h.node
	}
}

// report shows the jobs that are done, and has names read again of which it
// is not known what stands.
func (c *consul) report(jobs []*job) {
	done := map[string]found{}
	var freed []string
	for _, j := range jobs {
		switch {
		case j.err != nil:
			c.view.doubt(j.service.Name)
		case len(j.steps) == 0:
			f := c.layout.read(j)
			j.version = f.version(c.layout.owner)
			done[j.service.Name] = f
			if j.frees != "" {
				freed = append(freed, j.frees)
			}
		}
	}
	if len(done) > 0 {
		c.view.wrote(done, freed)
	}
}

// read returns what a job that is done left, as a Watch would read it.
func (l layout) read(j *job) found {
	entries := make([]*api.ServiceEntry, 0, len(j.entries))
	for _, e := range j.entries {
		entries = append(entries, e)
	}
	return l.decode(j.service.Name, entries)
}

// version returns the version of owner's mirror, "" if there is none.
func (f found) version(owner string) string {
	for _, s := range f.services {
		if s.Ref().Owner == owner {
			return s.Version
		}
	}
	return ""
}
