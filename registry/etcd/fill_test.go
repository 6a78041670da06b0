package etcd

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/isthmus-dns/isthmus/catalog"
)

// many makes n mirrors of ten endpoints each, as a bridge would.
func many(n int) []*catalog.Service {
	all := make([]*catalog.Service, n)
	addr := netip.MustParseAddr("10.1.0.1")
	for i := range all {
		s := mirror("prod", fmt.Sprintf("service-%d", i), 10)
		s.Namespace = fmt.Sprintf("team-%d", i%40)
		s.Mark.Of, s.Mark.Key = "kubernetes:6f1d9c3e-5a0b-4c57-9a55-0d3c1f1f2b7a", s.Key
		for j := range s.Endpoints {
			e := &s.Endpoints[j]
			e.Host.Addr, e.Zone, addr = addr, fmt.Sprintf("zone-%d", (i+j*j)%3), addr.Next()
			e.ID = fmt.Sprintf("service-%d-%05x", i, j*7919)
		}
		s.Sort()
		all[i] = s
	}
	return all
}

// BenchmarkFill puts 2,000 mirrors of ten endpoints into an empty zone, under a
// Watch, on a server of its own process.
func BenchmarkFill(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		z := newZone(b)
		w := watch(b, z.writer(b, "prod"))
		w.Synced(b)
		claimed(b, w.etcd)
		all := many(2000)
		b.StartTimer()
		mustPut(b, w.etcd, all...)
	}
}
