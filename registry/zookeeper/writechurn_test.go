package zookeeper

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/integration/servers"
	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
	"github.com/isthmus-dns/isthmus/registry"
)

// TestWriteChurn holds that what two owners write and strangers register at the same
// names, over cuts and lost answers and a server that takes empty nodes away at once,
// is in the end what each of them wanted, and nothing else.
func TestWriteChurn(t *testing.T) {
	own := serverstest.ZooKeeper(t, servers.ZooKeeperOptions{ContainerCheck: 20 * time.Millisecond})
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	c := &churn{tree: newTreeOn(t, own.Address()), rng: rand.New(rand.NewPCG(seed, 0)), natives: map[string]string{}}
	c.words += "\nacl world"
	for _, owner := range []string{"prod", "edge"} {
		c.owners = append(c.owners, &owned{w: claimed(t, c.tree, owner), want: map[string]*catalog.Service{}})
	}
	for i := range 600 {
		c.step(t)
		switch i % 100 {
		case 30:
			c.link.Cut()
		case 60:
			c.link.LoseAnswers()
		case 40, 70:
			c.link.Heal()
		}
	}
	c.link.Heal()
	differs := ""
	for i := range 3 { // a write whose answer was lost may come late
		c.register(t, fmt.Sprintf("%s/end%d/a", c.path, i))
		for _, o := range c.owners {
			o.w.Until(t, "see the end", func(s *catalog.Snapshot) bool { return o.w.hosts(s, fmt.Sprintf("end%d", i)) != "none" })
			o.settle(t)
		}
		if differs = cmp.Diff(c.wanted(t), c.stands(t)); differs == "" {
			return
		}
	}
	t.Errorf("what is wanted, and what stands (-want +got):\n%s", differs)
}

// churn is a tree, and what each who writes there wants to stand.
type churn struct {
	*tree
	rng     *rand.Rand
	owners  []*owned
	natives map[string]string // data by path
}

// owned is a writer with what it wants: nil is a mirror that is to go.
type owned struct {
	w    *watched
	want map[string]*catalog.Service
}

func (c *churn) step(t *testing.T) {
	name := fmt.Sprintf("n%d", c.rng.IntN(5))
	if c.rng.IntN(3) == 0 {
		c.register(t, c.path+"/"+name+fmt.Sprintf("/vm%d", c.rng.IntN(2)))
		return
	}
	o := c.owners[c.rng.IntN(len(c.owners))]
	var s *catalog.Service
	if n := c.rng.IntN(4); n > 0 {
		s = mirrorOf(o.w.layout.owner, name, n)
		s.Meta = map[string]string{"a": fmt.Sprint(c.rng.IntN(9))}
	}
	o.want[name] = s
	o.try(t, name)
}

// register has a stranger register an instance, or take it away.
func (c *churn) register(t *testing.T, path string) {
	if c.natives[path] != "" {
		if err := c.raw.conn.Delete(path, -1); err != nil {
			t.Fatalf("delete %q, which its owner left: %v", path, err)
		}
		delete(c.natives, path)
		return
	}
	data := at(fmt.Sprintf("10.0.0.%d", 1+c.rng.IntN(200)))
	err := error(zk.ErrNoNode)
	for errors.Is(err, zk.ErrNoNode) { // the server may be quicker to take away what is above
		for _, up := range []string{c.path, parent(path)} {
			_, _ = c.raw.conn.CreateContainer(up, nil, zk.FlagContainer, zk.WorldACL(zk.PermAll)) // else the next says so
		}
		_, err = c.raw.conn.Create(path, []byte(data), zk.FlagPersistent, zk.WorldACL(zk.PermAll))
	}
	if err != nil {
		t.Fatalf("register %q: %v", path, err)
	}
	c.natives[path] = data
}

// try brings one mirror to where it is wanted, and reports whether it is there.
func (o *owned) try(t *testing.T, name string) bool {
	t.Helper()
	want := o.want[name]
	ref := mirrorOf(o.w.layout.owner, name, 0).Ref()
	is := o.w.Catalog.Snapshot().Get(o.w.Origin, ref)
	var result registry.Result
	switch {
	case want != nil:
		over := *want
		if is != nil {
			over.Version = is.Version
		}
		result = o.w.Put(t.Context(), []*catalog.Service{&over})[0]
	case is != nil:
		result = o.w.Delete(t.Context(), []*catalog.Service{is})[0]
	default:
		return true
	}
	for _, never := range []error{registry.ErrNotOwned, registry.ErrFenced, registry.ErrInvalid} {
		if errors.Is(result.Err, never) {
			t.Fatalf("%q: %v", name, result.Err)
		}
	}
	return result.Err == nil
}

// settle brings all to where it is wanted.
func (o *owned) settle(t *testing.T) {
	t.Helper()
	for name := range o.want {
		o.w.Until(t, name+" is as it is wanted", func(*catalog.Snapshot) bool { return o.try(t, name) })
	}
}

// wanted is the data of all nodes that are to stand.
func (c *churn) wanted(t *testing.T) map[string]string {
	t.Helper()
	all := maps.Clone(c.natives)
	for _, o := range c.owners {
		for name, s := range o.want {
			if s == nil {
				continue
			}
			nodes, err := o.w.layout.encode(s, o.w.options(name))
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range nodes {
				all[n.path] = string(n.data)
			}
		}
	}
	return all
}

// stands is the data of all nodes that do.
func (c *churn) stands(t *testing.T) map[string]string {
	t.Helper()
	if err := c.raw.sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, o := range c.owners {
		c.collect(t, all, o.w.layout.mirrors(o.w.layout.owner))
	}
	c.collect(t, all, c.path)
	return all
}

// collect reads the data of all below a node that have any.
func (c *churn) collect(t *testing.T, all map[string]string, path string) {
	t.Helper()
	names, _, err := c.raw.conn.Children(path)
	if err != nil && !errors.Is(err, zk.ErrNoNode) {
		t.Fatal(err)
	}
	for _, name := range names {
		child := path + "/" + name
		if data, _, err := c.raw.conn.Get(child); err == nil && len(data) > 0 {
			all[child] = string(data)
		}
		c.collect(t, all, child)
	}
}

// options returns those that a mirror is written by, as far as they are known.
func (w *watched) options(name string) (o options) {
	if m, err := w.table.ours(name); err == nil && m.side != nil {
		return m.side.options
	}
	return o
}
