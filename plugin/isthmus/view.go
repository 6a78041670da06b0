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
	recent    *recent // of this view and all that stem from it
	byName    *byName // likewise; nil for the views of multicluster zones
}

// newView returns the first view, of snap.
func newView(conf *config, snap *catalog.Snapshot, now time.Time) *view {
	v := &view{conf: conf, snap: snap, newer: make(chan struct{}), recent: new(recent)}
	if !conf.imported {
		v.byName = newByName()
	}
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
		v.retire()
		n.fill()
	} else {
		n.put(changed, v)
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
	at, sites := newGathering(), make(map[site]int)
	x := &content{svc: new(catalog.Service)} // of one service after the other
	var addrs []netip.Addr
	v.entries = pmap.Collect(func(yield func(catalog.Key, *entry) bool) {
		for k := range v.snap.Keys() {
			if !v.snap.Outline(k, x.svc) {
				continue
			}
			if x.ready = v.conf.appendReady(x.ready[:0], x.svc); !v.conf.exists(x) {
				continue
			}
			e := &entry{key: &k}
			addrs = v.appendAddrs(addrs[:0], x)
			at.add(e.key, addrs)
			v.conf.countSites(x, 1, sites)
			if !yield(k, e) {
				return
			}
		}
	})
	v.places = at.places()
	v.fillFronts()
	v.nodes = pmap.New[string, []placed]()
	v.move(sites)
}

// retire retires all entries: they are made anew.
func (v *view) retire() {
	for _, of := range []pmap.Map[catalog.Key, *entry]{v.entries, v.fronts} {
		for _, e := range of.All() {
			v.byName.retire(e)
		}
	}
}

// put makes the entries of these keys what the snapshot says, which were what
// the view before says.
func (v *view) put(keys []catalog.Key, before *view) {
	sites := make(map[site]int)
	for _, k := range keys {
		svc := v.snap.Lookup(k)
		if v.conf.external != nil {
			v.putFront(k, svc, before)
		}
		var e *entry
		var was *content
		if old, known := v.entries.Get(k); known {
			v.byName.retire(old)
			e, was = old.next(), before.read(old)
		} else {
			e = &entry{key: &k}
		}
		is := v.conf.inside(svc)
		if is != nil {
			v.entries = v.entries.Set(k, e)
		} else {
			v.entries = v.entries.Delete(k)
		}
		v.places.move(e.key, v.addrs(was), v.addrs(is))
		v.conf.countSites(was, -1, sites)
		v.conf.countSites(is, 1, sites)
	}
	v.move(sites)
}

// addrs returns the addresses that lead back to x, sorted, each once.
func (v *view) addrs(x *content) []netip.Addr {
	if x == nil {
		return nil
	}
	return v.appendAddrs(make([]netip.Addr, 0, len(x.ready)+len(x.svc.Addrs)), x)
}

// appendAddrs appends to all, which is empty, what addrs returns.
func (v *view) appendAddrs(all []netip.Addr, x *content) []netip.Addr {
	if v.conf.imported || v.conf.zones.primary() < 0 {
		return all
	}
	if x.svc.Type == catalog.ClusterIP {
		all = append(all, x.svc.Addrs...)
	}
	for _, ep := range x.ready {
		if ep.Host.Addr.IsValid() {
			all = append(all, ep.Host.Addr)
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
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
	return waitForOne(ctx, changed, nil, due)
}

// waitForOne is wait for one of two channels.
func waitForOne(ctx context.Context, a, b <-chan struct{}, due time.Duration) bool {
	var timer <-chan time.Time
	if due > 0 {
		t := time.NewTimer(due)
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-a:
	case <-b:
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
