package integration

import (
	"context"
	"fmt"
	"slices"
	"time"

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
	return nil
}

// zkcli LINE... types lines at ZooKeeper's own client.
func zkcli(ts *testscript.TestScript, args []string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	out, err := servers.TypeZooKeeper(ctx, ts.Getenv("ZOOKEEPER"), args...)
	return []byte(out), err
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
