package isthmus

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"

	"github.com/isthmus-dns/isthmus/catalog"
)

// TestByNameIsNeverOld holds that no answer is older than the view that was
// published when the question came, while a service changes, goes and comes.
func TestByNameIsNeverOld(t *testing.T) {
	conf := block(t, "kubernetes")
	c := catalog.New(conf.policy())
	feed := c.Feed("kubernetes/cluster")
	feed.ReplaceNamespaces([]string{"shop"})
	feed.Replace(nil)
	p := handler(conf, c)
	var published atomic.Int64 // the number of the newest view
	var asking sync.WaitGroup
	for range 3 {
		asking.Go(func() { askWhileChanging(t, p, &published) })
	}
	for n := int64(1); n <= lastVersion; n++ {
		if isAbsent(n) {
			feed.Update(nil, []catalog.Ref{{Key: catalog.Key{Namespace: "shop", Name: "web"}}})
		} else {
			feed.Update(services(t, fmt.Sprintf("service shop/web ClusterIP\n\taddr 10.%d.%d.%d\n", n>>16, n>>8&255, n&255)), nil)
		}
		p.views.newest.Store(p.views.newest.Load().next(c.Snapshot(), start))
		published.Store(n)
	}
	asking.Wait()
}

const lastVersion = 3000

// isAbsent reports whether the service is not there in the n-th view.
func isAbsent(n int64) bool { return n%5 == 0 }

// askWhileChanging asks until the last view is there. An answer's address is the
// number of its view.
func askWhileChanging(t *testing.T, p *Isthmus, published *atomic.Int64) {
	for before := int64(0); before < lastVersion; {
		before = published.Load()
		m, rcode := ask(t, p, "web.shop.svc.cluster.local.", dns.TypeA)
		if rcode == dns.RcodeNameError {
			if !absentIn(before, published.Load()+1) {
				t.Errorf("NXDOMAIN after view %d, which has the service", before)
			}
			continue
		}
		ip := m.Answer[0].(*dns.A).A.To4()
		if got := int64(ip[1])<<16 | int64(ip[2])<<8 | int64(ip[3]); got < before {
			t.Errorf("the answer of view %d after view %d", got, before)
		}
	}
}

func absentIn(first, last int64) bool {
	for n := first; n <= last; n++ {
		if isAbsent(n) {
			return true
		}
	}
	return false
}

// TestByNameForgets holds that what changed is found no more and takes no memory,
// and what did not change stays found.
func TestByNameForgets(t *testing.T) {
	conf := block(t, "kubernetes")
	c := catalog.New(conf.policy())
	feed := c.Feed("kubernetes/cluster")
	feed.Replace(services(t, "service shop/a ClusterIP\n\taddr 10.0.0.1\nservice shop/b ClusterIP\n\taddr 10.0.0.2\nservice shop/c Headless\n\tendpoint 10.0.0.3 id=1 ready\n\tendpoint fd00::3 id=2 ready\n"))
	p := handler(conf, c)
	v := p.views.newest.Load()
	found := func(label string) bool {
		name := label + ".shop.svc.cluster.local."
		a, found := v.byName.find(name, dns.TypeA)
		six, too := v.byName.find(name, dns.TypeAAAA)
		if found != too || found && len(a.answer)+len(six.answer) == 0 {
			t.Errorf("%s: A %v %v, AAAA %v %v", name, found, a.answer, too, six.answer)
		}
		if _, other := v.byName.find(name, dns.TypeSRV); other {
			t.Errorf("%s: found SRV records", name)
		}
		return found
	}
	for _, label := range []string{"a", "b", "c"} {
		if found(label) {
			t.Errorf("%s is found before anybody asked", label)
		}
		ask(t, p, label+".shop.svc.cluster.local.", dns.TypeAAAA)
		if !found(label) {
			t.Errorf("%s is not found after a question", label)
		}
	}
	late := v.recordsOf(entryOf(t, v, "c"), 0)
	feed.Update(services(t, "service shop/a ClusterIP\n\taddr 10.0.0.9\n"), []catalog.Ref{{Key: catalog.Key{Namespace: "shop", Name: "c"}}})
	p.views.newest.Store(v.next(c.Snapshot(), start))
	if found("a") || !found("b") || found("c") {
		t.Errorf("after a changed and c went: a is found %v, b %v, c %v", found("a"), found("b"), found("c"))
	}
	if v.byName.place("c.shop.svc.cluster.local.").Load() != nil {
		t.Error("the records of what went are kept")
	}
	v.byName.put(late)
	v.byName.place(late.name).Store(late) // by somebody who looked before it went
	if found("c") {
		t.Error("what went is found when it is put late")
	}
	many := "service shop/b ClusterIP\n\taddr 10.0.0.8\n"
	for i := range fewChanges {
		many += fmt.Sprintf("service shop/s%d ClusterIP\n\taddr 10.1.%d.%d\n", i, i/250, i%250)
	}
	feed.Replace(services(t, many))
	p.views.newest.Store(p.views.newest.Load().next(c.Snapshot(), start))
	if found("b") {
		t.Error("b is found after more changed than are put one by one")
	}
}

// TestByNameForgetsFronts holds the same of what external zones show: an address
// that changed there is answered as it is now, and one that went is not.
func TestByNameForgetsFronts(t *testing.T) {
	conf := block(t, "kubernetes\nexternal example.org")
	c := catalog.New(conf.policy())
	feed := c.Feed("kubernetes/cluster")
	feed.Replace(services(t, "service shop/web ClusterIP\n\taddr 10.0.0.1\n\texternal 203.0.113.1\n"))
	p := handler(conf, c)
	const name = "web.shop.example.org."
	ask(t, p, name, dns.TypeA)
	if _, found := p.views.newest.Load().byName.find(name, dns.TypeA); !found {
		t.Fatalf("%s is not found after a question", name)
	}
	feed.Update(services(t, "service shop/web ClusterIP\n\taddr 10.0.0.1\n\texternal 203.0.113.2\n"), nil)
	p.views.newest.Store(p.views.newest.Load().next(c.Snapshot(), start))
	if m, _ := ask(t, p, name, dns.TypeA); len(m.Answer) != 1 || m.Answer[0].(*dns.A).A.String() != "203.0.113.2" {
		t.Errorf("after the address changed: %v", m)
	}
	feed.Update(services(t, "service shop/web ClusterIP\n\taddr 10.0.0.1\n"), nil)
	p.views.newest.Store(p.views.newest.Load().next(c.Snapshot(), start))
	if _, rcode := ask(t, p, name, dns.TypeA); rcode != dns.RcodeNameError {
		t.Errorf("after the address went: rcode %d", rcode)
	}
}

func entryOf(t *testing.T, v *view, name string) *entry {
	t.Helper()
	e, ok := v.entries.Get(catalog.Key{Namespace: "shop", Name: name})
	if !ok {
		t.Fatalf("no entry for %q", name)
	}
	return e
}
