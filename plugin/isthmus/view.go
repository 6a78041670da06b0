package isthmus

import (
	"context"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/catalog/pmap"
)

// view is what questions are answered from: a snapshot of the catalog with its
// records prebuilt and found by name and by address. It is immutable, and the
// next one shares with it all that did not change.
type view struct {
	conf      *config
	snap      *catalog.Snapshot
	entries   pmap.Map[catalog.Key, *entry]
	places    places                        // of the entries
	fronts    pmap.Map[catalog.Key, *entry] // as external zones show them
	outside   places                        // of the fronts
	nodes     pmap.Map[string, []placed]    // where the nodes are; empty unless prefer_zone is set
	ownPlaces places                        // of what has names in domains; without keys
	serial    serial
	soa       [][]dns.RR // by zone
	newer     chan struct{}
}

// entry is a service that exists in DNS. Its records in a zone are made when
// somebody asks for them first: most services are asked for by few, and a view
// of all of them is there the sooner.
type entry struct {
	svc   *catalog.Service
	key   *catalog.Key              // one piece of memory from the service's first entry on
	in    []atomic.Pointer[records] // by zone
	names []string                  // of load balancers, fully qualified; fronts only
}

// recordsOf returns the records of e in zone z. Several may make them at once;
// what they make is the same, and the last one's stay.
func (v *view) recordsOf(e *entry, z int) *records {
	if r := e.in[z].Load(); r != nil {
		return r
	}
	r := v.build(e, z)
	e.in[z].Store(r)
	return r
}

func (v *view) build(e *entry, z int) *records {
	zone := v.conf.zones[z]
	return v.conf.namingIn(zone).build(e.svc, v.conf.ready(e.svc), e.names, zone)
}

// newView returns the first view, of snap.
func newView(conf *config, snap *catalog.Snapshot, now time.Time) *view {
	v := &view{conf: conf, snap: snap, newer: make(chan struct{})}
	v.setSerial(v.serial.step(now))
	v.fill()
	v.putOwn(v.conf.directories(snap), nil)
	return v
}

// next returns the view of snap, a newer snapshot than v's or the same. It
// costs what changed between the two.
func (v *view) next(snap *catalog.Snapshot, now time.Time) *view {
	n := *v
	n.snap, n.newer = snap, make(chan struct{})
	changed := snap.Since(v.snap)
	if len(changed) > max(fewChanges, v.entries.Len()/2) {
		n.fill()
	} else {
		n.put(changed)
	}
	s := v.serial.settled(now)
	if n.putOwn(v.conf.directories(snap), v.conf.directories(v.snap)) || len(changed) > 0 {
		s = v.serial.changed(now)
	}
	if s.number == v.serial.number {
		n.serial = s
	} else {
		n.setSerial(s)
	}
	return &n
}

func (v *view) setSerial(s serial) {
	v.serial = s
	v.soa = make([][]dns.RR, len(v.conf.zones))
	for i, z := range v.conf.zones {
		v.soa[i] = []dns.RR{z.soa(s.number, v.conf.namingIn(z).ttl)}
	}
}

// fewChanges is how many changed keys are put one by one however few there are.
const fewChanges = 1000

// fill makes all entries what the snapshot says. It costs a fraction of put
// where most of them are new.
func (v *view) fill() {
	v.entries = pmap.Collect(func(yield func(catalog.Key, *entry) bool) {
		for k := range v.snap.Keys() {
			if e := v.conf.entry(v.snap.Lookup(k)); e != nil && !yield(k, e) {
				return
			}
		}
	})
	at, sites := newGathering(), make(map[site]int)
	for _, e := range v.entries.All() {
		v.conf.countSites(e, 1, sites)
		at.add(e.key, v.addrs(e))
	}
	v.places = at.places()
	v.fillFronts()
	v.nodes = pmap.New[string, []placed]()
	v.move(sites)
}

// put makes the entries of these keys what the snapshot says.
func (v *view) put(keys []catalog.Key) {
	sites := make(map[site]int)
	for _, k := range keys {
		svc := v.snap.Lookup(k)
		if v.conf.external != nil {
			v.putFront(k, svc)
		}
		old, _ := v.entries.Get(k)
		e := v.conf.entry(svc)
		switch {
		case e != nil:
			e.follow(old)
			v.entries = v.entries.Set(k, e)
			v.places.move(e.key, v.addrs(old), v.addrs(e))
		case old != nil:
			v.entries = v.entries.Delete(k)
			v.places.move(old.key, v.addrs(old), nil)
		}
		v.conf.countSites(old, -1, sites)
		v.conf.countSites(e, 1, sites)
	}
	v.move(sites)
}

// follow takes the place of old, if there is one.
func (e *entry) follow(old *entry) {
	if old != nil {
		e.key = old.key
	}
}

// entry returns what svc is in DNS: nil if it does not exist there.
func (c *config) entry(svc *catalog.Service) *entry {
	if svc == nil {
		return nil
	}
	empty := len(c.ready(svc)) == 0
	switch {
	case svc.Type == catalog.ExternalName && !isName(svc.Alias):
		return nil
	case svc.Type == catalog.Headless && empty:
		return nil
	case svc.Type == catalog.ClusterIP && c.ignoreEmpty && empty:
		return nil
	}
	return c.newEntry(svc, nil)
}

func (c *config) newEntry(svc *catalog.Service, names []string) *entry {
	k := svc.Key
	return &entry{svc: svc, key: &k, in: make([]atomic.Pointer[records], len(c.zones)), names: names}
}

// isName reports whether an ExternalName's target is a name and no address.
func isName(alias string) bool {
	if _, err := netip.ParseAddr(alias); err == nil {
		return false
	}
	_, ok := dns.IsDomainName(alias)
	return ok && alias != ""
}

// ready returns the endpoints that are answered: those that are ready or,
// where none is, those that terminate and still serve, which is where traffic
// to the virtual address goes then. Nothing else decides this.
func (c *config) ready(svc *catalog.Service) []*catalog.Endpoint {
	if c.noEndpoints || svc.Type == catalog.ExternalName {
		return nil
	}
	all := make([]*catalog.Endpoint, 0, len(svc.Endpoints))
	for i := range svc.Endpoints {
		if svc.Endpoints[i].Ready {
			all = append(all, &svc.Endpoints[i])
		}
	}
	if len(all) > 0 {
		return all
	}
	for i := range svc.Endpoints {
		if e := &svc.Endpoints[i]; e.Serving && e.Terminating {
			all = append(all, e)
		}
	}
	return all
}

// addrs returns the addresses that lead back to e, sorted, each once.
func (v *view) addrs(e *entry) []netip.Addr {
	if e == nil || v.conf.imported || v.conf.zones.primary() < 0 {
		return nil
	}
	ready := v.conf.ready(e.svc)
	all := make([]netip.Addr, 0, len(ready)+len(e.svc.Addrs))
	if e.svc.Type == catalog.ClusterIP {
		all = append(all, e.svc.Addrs...)
	}
	for _, ep := range ready {
		if ep.Host.Addr.IsValid() {
			all = append(all, ep.Host.Addr)
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}

// hasEndpoint reports whether a is the address of an endpoint that e answers.
func (v *view) hasEndpoint(e *entry, a netip.Addr) bool {
	return slices.ContainsFunc(v.conf.ready(e.svc), func(ep *catalog.Endpoint) bool { return ep.Host.Addr == a })
}

// views publishes the newest view.
type views struct {
	newest atomic.Pointer[view]
	meters *meters // nil: nothing is measured; set before follow
}

// follow makes a view of every snapshot of c as it comes, until ctx ends.
func (p *views) follow(ctx context.Context, c *catalog.Catalog) {
	for {
		v := p.newest.Load()
		snap, now := c.Snapshot(), time.Now()
		if snap != v.snap || v.serial.settled(now) != v.serial {
			p.newest.Store(v.next(snap, now))
			close(v.newer)
			if p.meters != nil {
				p.meters.published(v.snap, snap, time.Now())
			}
			continue
		}
		if !wait(ctx, snap.Changed(), v.serial.due(now)) {
			return
		}
	}
}

// wait returns true when changed is closed or, if it is not 0, after due; and
// false when ctx ends.
func wait(ctx context.Context, changed <-chan struct{}, due time.Duration) bool {
	var timer <-chan time.Time
	if due > 0 {
		t := time.NewTimer(due)
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-changed:
	case <-timer:
	case <-ctx.Done():
		return false
	}
	return true
}

// await returns when a published view fulfils cond or ctx ends.
func (p *views) await(ctx context.Context, cond func(*view) bool) bool {
	for {
		v := p.newest.Load()
		if cond(v) {
			return true
		}
		select {
		case <-v.newer:
		case <-ctx.Done():
			return false
		}
	}
}
