package isthmus

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/miekg/dns"

	"github.com/isthmus-dns/isthmus/catalog"
)

// wholes counts the entries that hold their content.
func wholes(v *view) (n int) {
	for _, e := range v.entries.All() {
		if e.whole.Load() != nil {
			n++
		}
	}
	return n
}

// TestContentIsForgotten holds that no more contents are kept than a few, and
// none for questions whose records are kept.
func TestContentIsForgotten(t *testing.T) {
	var text strings.Builder
	for i := range 2 * recentEntries {
		fmt.Fprintf(&text, "service shop/s%d Headless\n\tendpoint 10.1.%d.%d id=a ready hostname=one\n\t\tport sql TCP 1\n", i, i/250, i%250)
	}
	conf := block(t, "kubernetes")
	c := catalog.New(conf.policy())
	c.Feed("kubernetes/cluster").Replace(services(t, text.String()))
	p := handler(conf, c)
	v := p.views.newest.Load()
	for i := range 2 * recentEntries {
		for _, name := range []string{"s%d", "_sql._tcp.s%d"} {
			ask(t, p, fmt.Sprintf(name+".shop.svc.cluster.local.", i), dns.TypeSRV)
		}
		ask(t, p, fmt.Sprintf("s%d.shop.svc.cluster.local.", i), dns.TypeA)
	}
	if got := wholes(v); got != 0 {
		t.Errorf("%d services are held whole for records that are kept", got)
	}
	for i := range 2 * recentEntries {
		for range 2 {
			if m, _ := ask(t, p, fmt.Sprintf("one.s%d.shop.svc.cluster.local.", i), dns.TypeA); len(m.Answer) != 1 {
				t.Fatalf("an endpoint of s%d: %v", i, m)
			}
		}
		if got := wholes(v); got != min(i+1, recentEntries) {
			t.Fatalf("%d services are held whole after questions for endpoints of %d", got, i+1)
		}
	}
}

// TestEntrySize bounds what a service costs that nobody asks for.
func TestEntrySize(t *testing.T) {
	if got := unsafe.Sizeof(entry{}); got > 32 {
		t.Errorf("an entry takes %d bytes, want at most 32", got)
	}
}

// BenchmarkViewMemory says what a view of 10,000 services with 100,000 endpoints
// costs in memory, and what takes long at a start.
func BenchmarkViewMemory(b *testing.B) {
	conf := block(b, "kubernetes")
	c, _ := large(b, conf)
	for b.Loop() {
		before, began := inUse(), time.Now()
		v := newView(conf, c.Snapshot(), start)
		b.ReportMetric(float64(time.Since(began).Microseconds())/1000, "ms/first")
		b.ReportMetric((inUse()-before)/(1<<20), "MiB")
		runtime.KeepAlive(v)
	}
	runtime.KeepAlive(c)
}

func inUse() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// TestContentConcurrently asks from several sides for what is kept for a while.
func TestContentConcurrently(t *testing.T) {
	const n = recentEntries + 50
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "service shop/s%d Headless\n\tendpoint 10.1.%d.%d id=a ready hostname=one\n\t\tport sql TCP 1\n", i, i/250, i%250)
	}
	conf := block(t, "kubernetes")
	c := catalog.New(conf.policy())
	c.Feed("kubernetes/cluster").Replace(services(t, text.String()))
	p := handler(conf, c)
	var asking sync.WaitGroup
	for side := range 4 {
		asking.Go(func() {
			for i := range n {
				at := (i + side*n/4) % n
				for _, name := range []string{"one.s%d.shop.svc.cluster.local.", "s%d.shop.svc.cluster.local."} {
					r, w := new(dns.Msg).SetQuestion(fmt.Sprintf(name, at), dns.TypeA), &keep{}
					if _, err := p.ServeDNS(t.Context(), w, r); err != nil || len(w.msg.Answer) != 1 {
						t.Errorf("%s: %v, %v", r.Question[0].Name, w.msg, err)
					}
				}
			}
		})
	}
	asking.Wait()
	if got := wholes(p.views.newest.Load()); got > recentEntries {
		t.Errorf("%d services are held whole", got)
	}
}
