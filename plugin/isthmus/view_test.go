package isthmus

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/isthmus-dns/isthmus/catalog"
)

// dump is all that a view holds, as text.
func dump(v *view) string {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	section := func(k catalog.Key, what string, rrs []dns.RR) {
		for _, rr := range rrs {
			add("%s %s %s", k, what, rr)
		}
	}
	entry := func(k catalog.Key, e *entry, external bool) {
		for z := range v.conf.zones {
			if v.conf.zones[z].reverse || v.conf.zones[z].external != external || v.conf.zones[z].domain != "" {
				continue
			}
			r := v.recordsOf(e, z)
			section(k, "a", r.a)
			section(k, "aaaa", r.aaaa)
			section(k, "cname", r.cname)
			section(k, "srv", v.srv(e, z).answer)
			section(k, "glue", v.srv(e, z).extra)
			for i := range r.ports {
				p := &r.ports[i]
				section(k, p.name+"/"+p.proto, v.portSRV(e, z, p).answer)
				section(k, p.name+"/"+p.proto+" glue", v.portSRV(e, z, p).extra)
			}
		}
	}
	for k, e := range v.entries.All() {
		entry(k, e, false)
	}
	for k, e := range v.fronts.All() {
		add("%s outside", k)
		entry(k, e, true)
	}
	for what, l := range map[string]places{"": v.places, "outside ": v.outside} {
		for a := range l.all() {
			for _, k := range l.keysAt(a) {
				add("%saddr %s %v", what, a, k)
			}
		}
	}
	for node := range v.nodes.All() {
		add("node %s in %s", node, v.zoneOfNode(node))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// TestNextView holds that a view made step by step is the one made at once,
// however services are merged, and whatever becomes known of the registries.
// Entries keep their records from step to step, so that it fails, too, if a
// snapshot says something else of a key that it did not tell of.
func TestNextView(t *testing.T) {
	for _, option := range []string{"", "merge union", "merge failover", "trust prod", "trust prod\ndomain consul.example"} {
		t.Run(option, func(t *testing.T) {
			conf := block(t, option+"\nkubernetes\nconsul\nendpoint_pod_names\npods verified\nprefer_zone\nexternal example.org {\nheadless\n}")
			rnd := rand.New(rand.NewPCG(1, 2))
			c := catalog.New(conf.policy())
			k, o := c.Feed("kubernetes/cluster"), c.Feed("consul/dc1")
			v := newView(conf, c.Snapshot(), start)
			step := func(what string) {
				t.Helper()
				v = v.next(c.Snapshot(), start)
				if diff := cmp.Diff(dump(newView(conf, c.Snapshot(), start)), dump(v)); diff != "" {
					t.Fatalf("after %s (-at once +by steps):\n%s", what, diff)
				}
			}
			some := func(ns string) []*catalog.Service {
				return services(t, randomService(rnd, catalog.Key{Namespace: ns, Name: "s1"}))
			}
			o.Replace(append(append(some("shop"), some("consul")...), some("spare")...))
			step("the first news of an origin that does not speak")
			k.Recall(catalog.Past{Origin: k.Origin(), Identity: "a", At: start, Namespaces: []string{"shop"}, Services: []catalog.Packed{catalog.Pack(some("shop")[0])}})
			step("a recall of one that does")
			k.ReplaceNamespaces([]string{"shop"})
			k.Replace(some("shop"))
			step("its first news")
			for i := range 300 {
				mutate(t, rnd, k, o)
				if i%3 == 0 { // several changes at once
					step(fmt.Sprint(i, " changes"))
				}
			}
		})
	}
}

// mutate makes one random change.
func mutate(t *testing.T, rnd *rand.Rand, k, o *catalog.Feed) {
	feed, ns := k, "shop"
	if rnd.IntN(3) == 0 {
		feed, ns = o, []string{"consul", "shop", "spare"}[rnd.IntN(3)]
	}
	key := catalog.Key{Namespace: ns, Name: fmt.Sprintf("s%d", rnd.IntN(5))}
	switch rnd.IntN(10) {
	case 0:
		feed.Update(nil, []catalog.Ref{{Key: key}})
	case 3:
		k.Identify(catalog.Identity([]string{"a", "b"}[rnd.IntN(2)]))
	case 4:
		mirror := services(t, randomService(rnd, key))
		mirror[0].Mark = &catalog.Mark{Owner: "prod", Of: catalog.Identity([]string{"a", "b"}[rnd.IntN(2)]), Key: catalog.Key{Namespace: []string{ns, "spare"}[rnd.IntN(2)], Name: key.Name}, Format: 1}
		o.Update(mirror, nil)
	case 1:
		k.UpdateNamespaces([]string{"spare"}, nil)
	case 2:
		k.UpdateNamespaces(nil, []string{"spare"})
	default:
		feed.Update(services(t, randomService(rnd, key)), nil)
	}
}

func randomService(rnd *rand.Rand, k catalog.Key) string {
	var b strings.Builder
	switch rnd.IntN(4) {
	case 0:
		fmt.Fprintf(&b, "service %s ExternalName\n\talias s%d.shop.svc.cluster.local\n", k, rnd.IntN(5))
		return b.String()
	case 1:
		fmt.Fprintf(&b, "service %s ClusterIP\n\taddr 10.0.0.%d\n\tport http TCP 80\n", k, rnd.IntN(8))
	default:
		fmt.Fprintf(&b, "service %s Headless\n", k)
	}
	for range rnd.IntN(3) {
		fmt.Fprintf(&b, "\texternal %s\n", randomAddr(rnd))
	}
	for i := range rnd.IntN(5) {
		fmt.Fprintf(&b, "\tendpoint %s id=%d pod=p%d zone=z%d node=n%d %s\n\t\tport http TCP 80\n",
			randomAddr(rnd), i, i, rnd.IntN(2), rnd.IntN(2), []string{"ready", ""}[rnd.IntN(2)])
	}
	return b.String()
}

func randomAddr(rnd *rand.Rand) string {
	if rnd.IntN(2) == 0 {
		return fmt.Sprintf("10.%d.0.%d", rnd.IntN(2), rnd.IntN(8))
	}
	return fmt.Sprintf("fd00::%d", rnd.IntN(8))
}

func TestSerial(t *testing.T) {
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	s := serial{}.step(at(0))
	for _, step := range []struct {
		what string
		ms   int
		want uint32 // beyond the start
		due  time.Duration
	}{
		{"change", 100, 0, 900 * time.Millisecond},
		{"change", 900, 0, 100 * time.Millisecond},
		{"settle", 999, 0, time.Millisecond},
		{"settle", 1000, 1, 0},
		{"settle", 5000, 1, 0},
		{"change", 5100, 5, 0},
		{"change", 5200, 5, 800 * time.Millisecond},
		{"change", 6000, 6, 0},
		{"change", 3000, 6, 4 * time.Second}, // the clock was set back
		{"settle", 7000, 7, 0},
	} {
		if step.what == "change" {
			s = s.changed(at(step.ms))
		} else {
			s = s.settled(at(step.ms))
		}
		if got := s.number - uint32(start.Unix()); got != step.want {
			t.Errorf("%s at %dms: serial is start+%d, want start+%d", step.what, step.ms, got, step.want)
		}
		if got := s.due(at(step.ms)); got != step.due {
			t.Errorf("%s at %dms: due in %v, want %v", step.what, step.ms, got, step.due)
		}
	}
}

// TestFollow holds that each change is published, that the serial moves after
// it, at most once a second, and that nothing is left running.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conf := block(t, "kubernetes")
		c := catalog.New(conf.policy())
		p := new(views)
		p.newest.Store(newView(conf, c.Snapshot(), time.Now()))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { p.follow(ctx, c); close(done) }()

		first := p.newest.Load().serial.number
		feed := c.Feed("kubernetes/cluster")
		feed.Replace(services(t, "service shop/web ClusterIP\n\taddr 10.0.0.1"))
		synctest.Wait()
		if e, _ := p.newest.Load().entries.Get(catalog.Key{Namespace: "shop", Name: "web"}); e == nil {
			t.Error("the change was not published")
		}
		if got := p.newest.Load().serial.number; got != first {
			t.Errorf("the serial moved twice in a second: %d, %d", first, got)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		second := p.newest.Load().serial.number
		if second <= first {
			t.Errorf("the serial did not move after a change: %d, %d", first, second)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := p.newest.Load().serial.number; got != second {
			t.Errorf("the serial moved without a change: %d, %d", second, got)
		}
		cancel()
		<-done
	})
}

// large reports 10,000 services with 10 endpoints each.
func large(b *testing.B, conf *config) (*catalog.Catalog, []*catalog.Service) {
	b.Helper()
	var text strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&text, "service ns-%d/svc-%d Headless\n", i%100, i)
		for j := range 10 {
			fmt.Fprintf(&text, "\tendpoint 10.%d.%d.%d id=%d ready\n\t\tport http TCP 80\n", i/250, i%250, j, j)
		}
	}
	all := services(b, text.String())
	c := catalog.New(conf.policy())
	c.Feed("kubernetes/cluster").Replace(all)
	return c, all
}

// BenchmarkNextView changes one service of 10,000.
func BenchmarkNextView(b *testing.B) {
	conf := block(b, "kubernetes")
	c, all := large(b, conf)
	feed := c.Feed("kubernetes/cluster")
	v := newView(conf, c.Snapshot(), start)
	b.ReportAllocs()
	for b.Loop() {
		one := *all[17]
		feed.Update([]*catalog.Service{&one}, nil)
		v = v.next(c.Snapshot(), start)
	}
}

// BenchmarkNewView starts with 10,000 services.
func BenchmarkNewView(b *testing.B) {
	conf := block(b, "kubernetes")
	c, _ := large(b, conf)
	b.ReportAllocs()
	for b.Loop() {
		newView(conf, c.Snapshot(), start)
	}
}
