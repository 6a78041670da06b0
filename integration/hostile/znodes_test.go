package hostile

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"golang.org/x/sync/errgroup"
)

// quiet keeps to itself what the client has to say.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

// connect is a session that lasts until the end of the test. It takes requests of more
// than a node of 10 MB.
func connect(t *testing.T, address string) *zk.Conn {
	t.Helper()
	c, _, err := zk.Connect([]string{address}, 10*time.Second, zk.WithLogger(quiet{}), zk.WithMaxConnBufferSize(32<<20))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// node makes one, and those above it.
func node(c *zk.Conn, path, data string) error {
	_, err := c.Create(path, []byte(data), zk.FlagPersistent, zk.WorldACL(zk.PermAll))
	if errors.Is(err, zk.ErrNodeExists) {
		return nil
	}
	if at := strings.LastIndexByte(path, '/'); at > 0 && errors.Is(err, zk.ErrNoNode) {
		if err = node(c, path[:at], ""); err == nil {
			err = node(c, path, data)
		}
	}
	return err
}

// instanceAt is one of Curator's.
func instanceAt(address string) string { return `{"address":"` + address + `","port":80}` }

// largeNodes writes nodes of 10 MB, in each place where there can be one, and then
// names of a megabyte: larger ones end ZooKeeper.
func (w *registries) largeNodes(t *testing.T, long string) {
	for i, value := range []string{
		long, strings.Repeat("[", large), `{"address":"` + long + `"}`, `{"address":"10.43.0.3","payload":{"metadata":{"a":"` + long + `"}}}`,
		`{"address":"10.43.0.3","uriSpec":{"parts":[{"value":"` + long + `"}]}}`, instanceAt("10.43.0.3") + strings.Repeat(" ", large),
	} {
		if err := node(w.znodes, fmt.Sprintf("/services/large-%d/a", i), value); err != nil {
			t.Fatalf("node %d: %v", i, err)
		}
	}
	side := `{"format":1,"owner":"other","key":"a/b","name":"large","meta":{"a":"` + long + `"}}`
	if err := node(w.znodes, "/isthmus/%2Fservices/other/mirrors/large", side); err != nil {
		t.Fatal(err)
	}
	for i := range 12 {
		name := fmt.Sprint(long[:1<<20], i)
		for _, path := range []string{"/services/" + name, "/services/large/" + name, "/isthmus/%2Fservices/" + name} {
			if err := node(w.znodes, path, instanceAt("10.43.0.3")); err != nil {
				t.Fatalf("name %d: %v", i, err)
			}
		}
	}
}

// named gives a ZooKeeper the id by which it is told from others.
func named(t *testing.T, c *zk.Conn, id string) {
	t.Helper()
	if err := node(c, "/isthmus/id", id); err != nil {
		t.Fatal(err)
	}
}

// manyNodes writes 100,000 instances below one name in ZooKeeper, and more nodes below
// another than are listed, which may take nothing with them.
func (w *registries) manyNodes(t *testing.T) {
	begin := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, path := range []string{"/services/many", "/services/crowd"} {
		if err := node(w.znodes, path, ""); err != nil {
			t.Fatal(err)
		}
	}
	writing, ctx := errgroup.WithContext(ctx)
	writing.SetLimit(4)
	for from := 0; from < children; from += 1000 {
		writing.Go(func() error {
			return w.nodesBelow(ctx, "/services/many", from, func(i int) string { return instanceAt(childAddress(30, i)) })
		})
	}
	for from := 0; from < crowd; from += 1000 {
		writing.Go(func() error { return w.nodesBelow(ctx, "/services/crowd", from, func(int) string { return "" }) })
	}
	if err := writing.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("written after %.1f s", time.Since(begin).Seconds())
	w.passes(t, "many-nodes")
	for path, count := range map[string]int{"/services/many": children, "/services/crowd": crowd} {
		for from := 0; from < count; from += 1000 {
			if err := w.noneBelow(path, from); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.passes(t, "no-nodes") // so that what follows takes its own room
}

// noneBelow removes what nodesBelow made.
func (w *registries) noneBelow(path string, from int) error {
	var ops []any
	for i := range 1000 {
		ops = append(ops, &zk.DeleteRequest{Path: fmt.Sprintf("%s/c%d", path, from+i), Version: -1})
	}
	_, err := w.znodes.Multi(ops...)
	return err
}

// crowd is more than is listed of one node.
const crowd = 160_000

// nodesBelow makes a thousand nodes.
func (w *registries) nodesBelow(ctx context.Context, path string, from int, data func(i int) string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var ops []any
	for i := range 1000 {
		ops = append(ops, &zk.CreateRequest{Path: fmt.Sprintf("%s/c%d", path, from+i), Data: []byte(data(from + i)), Acl: zk.WorldACL(zk.PermAll)})
	}
	_, err := w.znodes.Multi(ops...)
	return err
}
