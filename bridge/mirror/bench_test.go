package mirror

import (
	"fmt"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
)

// BenchmarkPlan is what one change costs among 10,000 mirrored services of ten
// endpoints each.
func BenchmarkPlan(b *testing.B) {
	r, c := rule(), catalog.New(catalog.Policy{})
	from, to := c.Feed(src), c.Feed(dst)
	from.Identify(id(src))
	to.Identify(id(dst))
	from.Replace(big(10000))
	to.Replace(nil)
	l := NewLoop(r, nil, c, NewTarget(r.Owner, newStore(b, dst, "").open(r.Owner)), nil, slog.New(slog.DiscardHandler))
	plan := func() *Plan {
		_, p := l.next(b.Context(), false)
		return p
	}
	var mirrors []*catalog.Service
	for _, p := range plan().Puts {
		mirrors = append(mirrors, p.record())
	}
	to.Replace(mirrors)
	if p := plan(); p.Same != 10000 || !p.Empty() {
		b.Fatalf("%d are the same, %d puts", p.Same, len(p.Puts))
	}
	b.ReportAllocs()
	for b.Loop() {
		s := *big(1)[0]
		s.TTL = time.Second
		from.Update([]*catalog.Service{&s}, nil)
		if p := plan(); len(p.Puts) != 1 {
			b.Fatalf("%d puts, want 1", len(p.Puts))
		}
	}
}

func big(n int) []*catalog.Service {
	all := make([]*catalog.Service, n)
	for i := range all {
		s := &catalog.Service{Key: catalog.Key{Namespace: "n", Name: fmt.Sprintf("s%05d", i)}, Type: catalog.Headless}
		for j := range 10 {
			s.Endpoints = append(s.Endpoints, catalog.Endpoint{
				ID: fmt.Sprint(j), Host: catalog.Host{Addr: netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), byte(j)})}, Ready: true,
				Ports: []catalog.Port{{Name: "http", Proto: catalog.TCP, Number: 8080}},
			})
		}
		all[i] = s
	}
	return all
}
