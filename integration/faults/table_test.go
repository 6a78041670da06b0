package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// table says what was done and seen, and keeps it. What was seen of ZooKeeper stands
// by itself.
func table(t *testing.T, c *cluster, worlds []*world) {
	var pairs, zoos []*world
	for _, w := range worlds {
		if w.of("zookeeper") {
			zoos = append(zoos, w)
		} else {
			pairs = append(pairs, w)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "services at first             %d, mirrored into each registry; %d back from each Consul and ZooKeeper\n", originals, natives)
	fmt.Fprintf(&b, "changes meanwhile             %v\n", c.users.count)
	fmt.Fprintf(&b, "\n%d worlds of Consul and etcd\n", len(pairs))
	figures(&b, pairs)
	fmt.Fprintf(&b, "\n%d world of ZooKeeper: one server, and an ensemble of three\n", len(zoos))
	figures(&b, zoos)
	t.Logf("\n%s", b.String())
	if err := os.WriteFile(filepath.Join(c.logs, "table.txt"), []byte(b.String()), 0o600); err != nil {
		t.Error(err)
	}
}

// of reports whether a world has a registry of a type.
func (w *world) of(kind string) bool {
	for _, r := range w.registries {
		if strings.HasPrefix(r.origin(), kind+"/") {
			return true
		}
	}
	return false
}

// figures are those of some worlds.
func figures(b *strings.Builder, worlds []*world) {
	var k killing
	longest, looks, lost := time.Duration(0), 0, 0
	for _, w := range worlds {
		k.add(w.killed)
		longest, lost = max(longest, w.longest), lost+len(w.losses())
		for _, one := range w.watches {
			looks += one.looks
		}
	}
	fmt.Fprintf(b, "kills with -9                 %d, of them with writes in flight %d\n", k.done, k.hit)
	fmt.Fprintf(b, "writes in flight              %d that the server had; %d not yet: of these %d came late and %d never\n", k.there, k.here, k.late, k.never)
	for _, w := range worlds {
		for _, line := range w.report {
			fmt.Fprintf(b, "%-29s %s\n", w.name, line)
		}
	}
	fmt.Fprintf(b, "longest time to converge      %.1f s\n", longest.Seconds())
	fmt.Fprintf(b, "live services lost            %d, in %d looks at the targets\n", lost, looks)
}
