package isthmus

import (
	"context"
	"iter"
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
	conf    *config
	snap    *catalog.Snapshot
	entries pmap.Map[catalog.Key, *entry]
	byAddr  pmap.Map[netip.Addr, []catalog.Key] // sorted keys
	nets    pmap.Map[netip.Prefix, int]         // beginnings of addresses in byAddr, for reverse names
	serial  serial
	soa     [][]dns.RR // by zone
	newer   chan struct{}
}

// entry is a service that exists in DNS.
type entry struct {
	key catalog.Key
	svc *catalog.Service
	in  []*records // by zone; nil for reverse ones
}

// newView returns a view of nothing, before the first snapshot.
func newView(conf *config, snap *catalog.Snapshot, now time.Time) *view {
	v := &view{
		conf:    conf,
		snap:    snap,
		entries: pmap.New[catalog.Key, *entry](),
		byAddr:  pmap.New[netip.Addr, []catalog.Key](),
		nets:    pmap.New[netip.Prefix, int](),
		newer:   make(chan struct{}),
	}
	v.setSerial(v.serial.step(now))
	v.put(snap.Keys())
	return v
}

// next returns the view of snap, a newer snapshot than v's or the same. It
// costs what changed between the two.
func (v *view) next(snap *catalog.Snapshot, now time.Time) *view {
	n := *v
	n.snap, n.newer = snap, make(chan struct{})
	changed := snap.Since(v.snap)
	n.put(slices.Values(changed))
	s := v.serial.settled(now)
	if len(changed) > 0 {
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
		v.soa[i] = []dns.RR{z.soa(s.number, v.conf.ttl)}
	}
}

// put makes the entries of these keys what the snapshot says.
func (v *view) put(keys iter.Seq[catalog.Key]) {
	moved := make(map[netip.Prefix]int)
	for k := range keys {
		old, _ := v.entries.Get(k)
		e := v.conf.entry(k, v.snap.Lookup(k))
		switch {
		case e != nil:
			v.entries = v.entries.Set(k, e)
		case old != nil:
			v.entries = v.entries.Delete(k)
		}
		v.index(k, v.addrs(old), v.addrs(e), moved)
	}
	for p, by := range moved {
		v.countNet(p, by)
	}
}

// entry returns what svc is in DNS: nil if it does not exist there.
func (c *config) entry(k catalog.Key, svc *catalog.Service) *entry {
	if svc == nil {
		return nil
	}
	ready := c.ready(svc)
	switch {
	case svc.Type == catalog.ExternalName && !isName(svc.Alias):
		return nil
	case svc.Type == catalog.Headless && len(ready) == 0:
		return nil
	case svc.Type == catalog.ClusterIP && c.ignoreEmpty && len(ready) == 0:
		return nil
	}
	e := &entry{key: k, svc: svc, in: make([]*records, len(c.zones))}
	for i, z := range c.zones {
		if !z.reverse {
			e.in[i] = c.build(svc, ready, z)
		}
	}
	return e
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
	if e == nil {
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

// index moves k from the old to the new addresses; both are sorted. It counts
// in moved by how much the networks grew.
func (v *view) index(k catalog.Key, old, now []netip.Addr, moved map[netip.Prefix]int) {
	for len(old) > 0 || len(now) > 0 {
		switch {
		case len(old) > 0 && len(now) > 0 && old[0] == now[0]:
			old, now = old[1:], now[1:]
		case len(now) == 0 || len(old) > 0 && old[0].Less(now[0]):
			v.unlist(old[0], k, moved)
			old = old[1:]
		default:
			v.list(now[0], k, moved)
			now = now[1:]
		}
	}
}

func (v *view) list(a netip.Addr, k catalog.Key, moved map[netip.Prefix]int) {
	keys, _ := v.byAddr.Get(a)
	i, _ := slices.BinarySearchFunc(keys, k, catalog.Key.Compare)
	next := make([]catalog.Key, 0, len(keys)+1)
	v.byAddr = v.byAddr.Set(a, append(append(append(next, keys[:i]...), k), keys[i:]...))
	if len(keys) == 0 {
		count(moved, a, 1)
	}
}

func (v *view) unlist(a netip.Addr, k catalog.Key, moved map[netip.Prefix]int) {
	keys, _ := v.byAddr.Get(a)
	rest := slices.DeleteFunc(slices.Clone(keys), func(x catalog.Key) bool { return x == k })
	if len(rest) > 0 {
		v.byAddr = v.byAddr.Set(a, rest)
		return
	}
	v.byAddr = v.byAddr.Delete(a)
	count(moved, a, -1)
}

// count counts an address in every network whose reverse name is a parent of
// its own: octets for IPv4, nibbles for IPv6.
func count(moved map[netip.Prefix]int, a netip.Addr, by int) {
	step := 4
	if a.Is4() {
		step = 8
	}
	for bits := step; bits < a.BitLen(); bits += step {
		moved[netip.PrefixFrom(a, bits).Masked()] += by
	}
}

func (v *view) countNet(p netip.Prefix, by int) {
	n, _ := v.nets.Get(p)
	switch {
	case by == 0:
	case n+by == 0:
		v.nets = v.nets.Delete(p)
	default:
		v.nets = v.nets.Set(p, n+by)
	}
}

// hasEndpoint reports whether a is the address of an endpoint that e answers.
func (v *view) hasEndpoint(e *entry, a netip.Addr) bool {
	return slices.ContainsFunc(v.conf.ready(e.svc), func(ep *catalog.Endpoint) bool { return ep.Host.Addr == a })
}

// views publishes the newest view.
type views struct{ newest atomic.Pointer[view] }

// follow makes a view of every snapshot of c as it comes, until ctx ends.
func (p *views) follow(ctx context.Context, c *catalog.Catalog) {
	for {
		v := p.newest.Load()
		snap, now := c.Snapshot(), time.Now()
		if snap != v.snap || v.serial.settled(now) != v.serial {
			p.newest.Store(v.next(snap, now))
			close(v.newer)
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
