package consul

import (
	"fmt"
	"hash/maphash"
	"log/slog"
	"runtime"
	"testing"

	"github.com/hashicorp/consul/api"

	"github.com/isthmus-dns/isthmus/catalog"
)

// answered returns a mirror's records as Consul answers them, each part of it
// made anew.
func answered(t *testing.T, l layout, s *catalog.Service) []*api.ServiceEntry {
	t.Helper()
	entries, err := l.encode(s)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range entries {
		e.Service.ModifyIndex, e.Checks[0].ModifyIndex = uint64(1_000_000+i), uint64(1_000_000+i)
	}
	return entries
}

// TestMemoryOfMirrors holds that a writer keeps little of what the catalog
// packs: not its services, and of 100,000 records no texts.
func TestMemoryOfMirrors(t *testing.T) {
	const mirrors, endpoints, most = 2000, 10, 5 << 20 // bytes of 10,000 mirrors
	l := layout{namespace: "consul", owner: "prod", nodes: 256}
	c := catalog.New(catalog.Policy{Packed: true})
	v := &view{namespace: "consul", owner: "prod", seed: maphash.MakeSeed(), log: slog.New(slog.DiscardHandler)}
	v.begin(c.Feed("consul/test"))
	load := func() {
		all := map[string]answer{}
		for i := range mirrors {
			s := mirror("prod", fmt.Sprintf("service-%05d", i), endpoints)
			f := l.decode(s.Name, answered(t, l, s))
			if i%2 == 0 {
				v.wrote(map[string]found{s.Name: f}, nil)
			}
			all[s.Name] = v.answerOf(s.Name, v.ticket(s.Name), uint64(i), f)
		}
		if stale := v.replace(all); stale != nil {
			t.Fatalf("%d names are stale", len(stale))
		}
	}
	load()
	with := liveBytes()
	snapshot := c.Snapshot()
	if n := snapshot.State("consul/test").Endpoints; n != mirrors*endpoints {
		t.Fatalf("the catalog holds %d endpoints", n)
	}
	runtime.KeepAlive(v)
	v.names, v.sums, v.tickets, v.mine, v.dirty, v.feed = nil, sums{}, nil, nil, nil, nil
	without := liveBytes()
	runtime.KeepAlive(snapshot)
	kept := int(with) - int(without)
	t.Logf("%d KiB kept of %d mirrors with %d records each", kept>>10, mirrors, endpoints)
	if kept > most*mirrors/10_000 {
		t.Errorf("%d bytes are kept, want at most %d", kept, most*mirrors/10_000)
	}
}

func liveBytes() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
