package etcd

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/registrytest"
)

// TestElection holds the contract of elections.
func TestElection(t *testing.T) {
	times := registry.LeaseTimes{Lease: 5 * time.Second, Deadline: 3 * time.Second, Retry: 500 * time.Millisecond}
	for _, c := range registrytest.ElectionCases() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			z := newZone(t)
			open := func() registry.Election {
				e, err := z.config(t).(registry.Elector).Election("prod", "/isthmus/lead/"+z.name, times, slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatal(err)
				}
				return e
			}
			remove := func(t *testing.T) {
				line := "/isthmus/lead/" + z.name + "/"
				held, err := z.raw.Get(t.Context(), line, clientv3.WithPrefix(), clientv3.WithSort(clientv3.SortByCreateRevision, clientv3.SortAscend))
				if err != nil || len(held.Kvs) == 0 {
					t.Fatalf("who leads: %v, %v", held, err)
				}
				if _, err := z.raw.Delete(t.Context(), string(held.Kvs[0].Key)); err != nil {
					t.Fatal(err)
				}
			}
			c.Do(t, registrytest.Electing{Open: open, Link: z.link, Remove: remove, Times: times})
		})
	}
}

// TestElectionPlace holds where an election may be.
func TestElectionPlace(t *testing.T) {
	c := registrytest.Parse(t, Type(), "etcd x http://127.0.0.1:1 {\npath services/dns\n}", nil).(registry.Elector)
	for place, want := range map[string]string{
		"/isthmus/lead/prod":     "",
		"isthmus/lead/prod":      "",
		"/locks/a":               "",
		"/":                      "want one as",
		"/a//b":                  "want one as",
		"/services":              "services are below",
		"/services/dns":          "services are below",
		"/services/dns/local/x":  "services are below",
		"/isthmus/id":            "own state",
		"/isthmus":               "own state",
		"/isthmus/fence/prod/x/": "own state",
	} {
		e, err := c.Election("prod", place, registry.DefaultLeaseTimes(), slog.New(slog.DiscardHandler))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("Election at %q = %v, %v, want %q", place, e, err, want)
		}
	}
}
