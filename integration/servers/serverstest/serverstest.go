// Package serverstest starts real servers for a test and stops them at its end.
//
// A server that cannot be built or started fails the test; nothing is skipped. Building one for the first time takes minutes,
// which count against the test binary's -timeout: `make servers` builds all before. While it builds, its progress goes to the
// test's log, and to standard error so that people see it at once.
//
// To share a server between tests, start it in TestMain with the package servers, whose functions need no testing.TB.
package serverstest

import (
	"fmt"
	"os"
	"testing"

	"github.com/isthmus-dns/isthmus/integration/servers"
)

// Etcd returns an etcd that runs until the end of the test. At most one Options is used; its Log is replaced.
func Etcd(tb testing.TB, o ...servers.Options) *servers.Etcd {
	tb.Helper()
	e, err := servers.StartEtcd(tb.Context(), options(tb, o))
	if err != nil {
		tb.Fatal(err)
	}
	stopAtEnd(tb, e, e.Server)
	return e
}

// Consul returns a Consul that runs until the end of the test. At most one Options is used; its Log is replaced.
func Consul(tb testing.TB, o ...servers.Options) *servers.Consul {
	tb.Helper()
	c, err := servers.StartConsul(tb.Context(), options(tb, o))
	if err != nil {
		tb.Fatal(err)
	}
	stopAtEnd(tb, c, c.Server)
	return c
}

// Kubernetes returns an API server, with its etcd, that runs until the end of the test. At most one KubernetesOptions is
// used; its Log is replaced.
func Kubernetes(tb testing.TB, o ...servers.KubernetesOptions) *servers.Kubernetes {
	tb.Helper()
	var given servers.KubernetesOptions
	if len(o) > 0 {
		given = o[0]
	}
	given.Log = progress(tb)
	k, err := servers.StartKubernetes(tb.Context(), given)
	if err != nil {
		tb.Fatal(err)
	}
	stopAtEnd(tb, k, k.Server)
	return k
}

func options(tb testing.TB, given []servers.Options) servers.Options {
	var o servers.Options
	if len(given) > 0 {
		o = given[0]
	}
	o.Log = progress(tb)
	return o
}

func progress(tb testing.TB) func(string) {
	return func(line string) {
		tb.Log(line)
		fmt.Fprintf(os.Stderr, "%s: %s\n", tb.Name(), line)
	}
}

// stopAtEnd stops what was started, and shows the end of its log if the test failed.
func stopAtEnd(tb testing.TB, what interface{ Stop() error }, s *servers.Server) {
	tb.Cleanup(func() {
		if err := what.Stop(); err != nil {
			tb.Error(err)
		}
	})
	showAtEnd(tb, s)
}

// showAtEnd shows the end of a server's log if the test failed. It comes before what was started is stopped.
func showAtEnd(tb testing.TB, s *servers.Server) {
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Logf("end of %s:\n%s", s.LogFile(), s.LogTail())
		}
	})
}
