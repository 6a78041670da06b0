package integration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/isthmus-dns/isthmus/integration/servers"
)

// startZooKeeper starts the story's ZooKeeper, which is $ZOOKEEPER from then
// on. Few stories have one, so it is not there before.
func (s *story) startZooKeeper(ctx context.Context, ts *testscript.TestScript) error {
	z, err := servers.StartZooKeeper(ctx, servers.ZooKeeperOptions{Options: servers.Options{Log: progress}})
	if err != nil {
		return err
	}
	ts.Defer(func() { _ = z.Stop() })
	s.zookeeper = z
	ts.Setenv("ZOOKEEPER", z.Address())
	return s.openZnodes(ts)
}

// zkcli LINE... types lines at ZooKeeper's own client.
func zkcli(ts *testscript.TestScript, args []string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	out, err := servers.TypeZooKeeper(ctx, ts.Getenv("ZOOKEEPER"), args...)
	return []byte(out), err
}

// znode PATH [DATA] writes a node as somebody whom ZooKeeper does not know, with all
// nodes above it. PATH is below /services unless it begins with a slash.
func znode(ts *testscript.TestScript, args []string) ([]byte, error) {
	s := ts.Value(storyKey{}).(*story)
	path, data, _ := strings.Cut(strings.Join(args, "\x00"), "\x00")
	if !strings.HasPrefix(path, "/") {
		path = "/services/" + path
	}
	return nil, s.znodes.put(path, data)
}

// znodes writes nodes as somebody whom ZooKeeper does not know.
type znodes struct{ *zk.Conn }

// quiet keeps to itself what the client has to say.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

func (s *story) openZnodes(ts *testscript.TestScript) error {
	conn, _, err := zk.Connect([]string{s.zookeeper.Address()}, 10*time.Second, zk.WithLogger(quiet{}))
	if err != nil {
		return err
	}
	ts.Defer(conn.Close)
	s.znodes = znodes{conn}
	return nil
}

// put writes a node, and makes those above it that are not there.
func (z znodes) put(path, data string) error {
	_, err := z.Create(path, []byte(data), zk.FlagPersistent, zk.WorldACL(zk.PermAll))
	switch {
	case errors.Is(err, zk.ErrNodeExists):
		_, err = z.Set(path, []byte(data), -1)
	case errors.Is(err, zk.ErrNoNode):
		if err = z.above(path[:strings.LastIndexByte(path, '/')]); err == nil {
			_, err = z.Create(path, []byte(data), zk.FlagPersistent, zk.WorldACL(zk.PermAll))
		}
	}
	return err
}

// above makes a node and all above it.
func (z znodes) above(path string) error {
	if path == "" {
		return nil
	}
	if err := z.above(path[:strings.LastIndexByte(path, '/')]); err != nil {
		return err
	}
	_, err := z.CreateContainer(path, nil, zk.FlagContainer, zk.WorldACL(zk.PermAll))
	if errors.Is(err, zk.ErrNodeExists) {
		err = nil
	}
	return err
}

// curator APPLICATION VERB [NAME=VALUE...] asks a Java application that uses
// Curator's own service discovery over /services, started with the first
// question; what it may be asked stands in servers/java/Discovery.java. The
// verbs stop and kill end it.
func curator(ts *testscript.TestScript, args []string) ([]byte, error) {
	if len(args) < 2 {
		ts.Fatalf("usage: curator APPLICATION VERB [NAME=VALUE...]")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s := ts.Value(storyKey{}).(*story)
	app := s.applications[args[0]]
	if slices.Contains([]string{"stop", "kill"}, args[1]) {
		delete(s.applications, args[0])
		return nil, end(app, args)
	}
	if app == nil {
		var err error
		app, err = servers.StartCurator(ctx, servers.CuratorOptions{Connect: ts.Getenv("ZOOKEEPER"), Path: "/services", Log: progress})
		if err != nil {
			return nil, err
		}
		ts.Defer(app.Kill)
		s.applications[args[0]] = app
	}
	return app.Do(ctx, args[1:]...)
}

func end(app *servers.Curator, args []string) error {
	switch {
	case app == nil:
		return fmt.Errorf("application %q does not run", args[0])
	case args[1] == "stop":
		return app.Stop()
	}
	app.Kill()
	return nil
}
