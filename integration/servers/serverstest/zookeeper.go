package serverstest

import (
	"testing"

	"github.com/isthmus-dns/isthmus/integration/servers"
)

// ZooKeeper returns a ZooKeeper of one server that runs until the end of the test. At most one ZooKeeperOptions is used; its Log
// is replaced.
func ZooKeeper(tb testing.TB, o ...servers.ZooKeeperOptions) *servers.ZooKeeper {
	tb.Helper()
	z, err := servers.StartZooKeeper(tb.Context(), zooKeeperOptions(tb, o))
	if err != nil {
		tb.Fatal(err)
	}
	stopAtEnd(tb, z, z.Server)
	return z
}

// ZooKeeperEnsemble returns a ZooKeeper of three servers that runs until the end of the test. At most one ZooKeeperOptions is
// used; its Log is replaced.
func ZooKeeperEnsemble(tb testing.TB, o ...servers.ZooKeeperOptions) *servers.ZooKeeperEnsemble {
	tb.Helper()
	e, err := servers.StartZooKeeperEnsemble(tb.Context(), zooKeeperOptions(tb, o))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := e.Stop(); err != nil {
			tb.Error(err)
		}
	})
	for _, z := range e.Members() {
		showAtEnd(tb, z.Server)
	}
	return e
}

// Curator returns a program with Curator's service discovery over the services below path, which runs until the end of the test.
func Curator(tb testing.TB, connect, path string) *servers.Curator {
	tb.Helper()
	c, err := servers.StartCurator(tb.Context(), servers.CuratorOptions{Connect: connect, Path: path, Log: progress(tb)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := c.Stop(); err != nil {
			tb.Error(err)
		}
	})
	return c
}

func zooKeeperOptions(tb testing.TB, given []servers.ZooKeeperOptions) servers.ZooKeeperOptions {
	var o servers.ZooKeeperOptions
	if len(given) > 0 {
		o = given[0]
	}
	o.Log = progress(tb)
	return o
}
