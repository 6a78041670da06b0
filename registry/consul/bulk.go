package consul

import (
	"context"
	"net/url"
	"slices"
	"sync"

	"github.com/hashicorp/consul/api"
	"golang.org/x/sync/errgroup"
)

// nodesAtOnce is how many nodes are read whole at a time: each may hold hundreds of
// instances.
const nodesAtOnce = 4

// readAll reads all names of l. A mirror stands on one node, with many more: those
// nodes are read whole, one question each, where a question for each name would
// have the server look up ever the same node again for every instance. A name that
// stands elsewhere, too, is asked for by itself. The indexes are those of the nodes.
func (w *watch) readAll(ctx context.Context, l listing) (all []answer, nodes map[string]uint64, err error) {
	b := bulk{
		watch: w, layout: w.layout, failing: failingOn(l.failing),
		tickets: make(map[string]uint64, len(l.names)), answers: map[string]answer{}, times: map[string]int{},
		nodes: make(map[string]uint64, len(l.nodes)),
	}
	b.layout.checksUnread = true
	for name := range l.names {
		if !l.natives[name] {
			b.tickets[name] = w.view.ticket(name)
		}
	}
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(nodesAtOnce)
	for _, node := range keys(l.nodes) {
		group.Go(func() error { return b.read(within, node) })
	}
	if err := group.Wait(); err != nil {
		return nil, nil, err
	}
	var rest []string
	for name := range l.names {
		if b.times[name] == 1 {
			all = append(all, b.answers[name])
		} else {
			rest = append(rest, name)
		}
	}
	more, err := w.read(ctx, rest)
	return append(all, more...), b.nodes, err
}

// bulk is what nodes of owners tell of names that stand on no others.
type bulk struct {
	watch   *watch
	layout  layout                      // the watch's, for instances whose checks were not read
	failing map[string]api.HealthChecks // by node
	tickets map[string]uint64           // of those names, from before anything is read

	mu      sync.Mutex // guards what follows
	answers map[string]answer
	times   map[string]int    // on how many of the nodes a name stands
	nodes   map[string]uint64 // their indexes
}

// read reads one node. Its checks are not read: most pass, which says nothing of
// an instance that is not known without, and those that do not were listed before.
// One that began or ceased to fail in between shows in the next round.
func (b *bulk) read(ctx context.Context, node string) error {
	names, index, err := b.watch.client.onNode(ctx, node, b.failing[node])
	if err != nil {
		return err
	}
	b.mu.Lock()
	b.nodes[node] = index
	b.mu.Unlock()
	for name, entries := range names {
		ticket, asked := b.tickets[name]
		if !asked {
			continue
		}
		a := b.watch.view.answerOf(name, ticket, 0, b.layout.decode(name, entries))
		b.mu.Lock()
		b.answers[name] = a
		b.times[name]++
		b.mu.Unlock()
	}
	return nil
}

// failingOn returns what is needed of checks that fail to judge instances, by node.
func failingOn(all map[check]string) map[string]api.HealthChecks {
	nodes := map[string]api.HealthChecks{}
	for c, status := range all {
		nodes[c.node] = append(nodes[c.node], &api.HealthCheck{Node: c.node, CheckID: c.id, ServiceID: c.service, Status: status})
	}
	return nodes
}

// onNode returns all instances of a node by name, with those of the failing checks
// that concern them, and the index of the node.
func (c *client) onNode(ctx context.Context, node string, failing api.HealthChecks) (names map[string][]*api.ServiceEntry, index uint64, err error) {
	var there struct {
		Node     *api.Node
		Services []seenService
	}
	if index, err = c.get(ctx, "/v1/catalog/node-services/"+url.PathEscape(node), nil, &there); err != nil {
		return nil, 0, err
	}
	checks := map[string]api.HealthChecks{} // by the instance; "": the node's own
	for _, check := range failing {
		checks[check.ServiceID] = append(checks[check.ServiceID], check)
	}
	names = map[string][]*api.ServiceEntry{}
	for i := range there.Services {
		s := &there.Services[i].AgentService
		name := keyName(s.Service)
		e := &api.ServiceEntry{Node: there.Node, Service: s, Checks: slices.Concat(checks[""], checks[s.ID])}
		names[name] = append(names[name], e)
	}
	return names, index, nil
}
