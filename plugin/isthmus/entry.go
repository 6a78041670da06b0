package isthmus

import (
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/miekg/dns"

	"github.com/isthmus-dns/isthmus/catalog"
)

// entry is a service that exists in DNS. It holds its name only: what it is
// stands in the catalog, and is made into records when somebody asks for them
// first. Most services are asked for by few, and a view of all of them is there
// the sooner.
//
// An entry stands in one view after another, each with a newer snapshot, as long
// as Snapshot.Since does not name its key. Whatever decides what Lookup says of
// a key is told by Since: its services and the mirrors under its original's,
// who holds its namespace, and, by naming all keys, which registries are known
// and what they say they are. The rest is the policy, which never changes. So
// all snapshots of an entry say the same of it, records from an earlier one are
// right, and none says that it is not there.
type entry struct {
	key   *catalog.Key // one piece of memory from the service's first entry on
	outer bool         // it is a front: the service as external zones show it

	retired atomic.Bool // there is, or will be, a view that has another or none
	made    atomic.Pointer[records]
	whole   atomic.Pointer[content]
}

// content is what a service's answers are made of.
type content struct {
	svc   *catalog.Service
	ready []*catalog.Endpoint // those that are answered
	names []string            // of load balancers, fully qualified; fronts only
}

// next returns the entry of the same service when it changed.
func (e *entry) next() *entry { return &entry{key: e.key, outer: e.outer} }

// inside returns what svc is in the zones of a cluster: nil if it does not exist
// there.
func (c *config) inside(svc *catalog.Service) *content {
	if svc == nil {
		return nil
	}
	x := &content{svc: svc, ready: c.ready(svc)}
	if !c.exists(x) {
		return nil
	}
	return x
}

// exists reports whether x exists in the zones of a cluster.
func (c *config) exists(x *content) bool {
	switch x.svc.Type {
	case catalog.ExternalName:
		return isName(x.svc.Alias)
	case catalog.Headless:
		return len(x.ready) > 0
	}
	return !c.ignoreEmpty || len(x.ready) > 0
}

// read returns what the snapshot says of e.
func (v *view) read(e *entry) *content {
	if x := e.whole.Load(); x != nil {
		return x
	}
	if svc := v.snap.Lookup(*e.key); e.outer {
		return v.conf.outside(svc)
	} else {
		return v.conf.inside(svc)
	}
}

// contentOf is read for questions whose answers are not kept, such as those for
// one endpoint: who asks for one asks for more, so that what is read is kept for
// a while.
func (v *view) contentOf(e *entry) *content {
	x := v.read(e)
	if e.whole.CompareAndSwap(nil, x) {
		v.recent.add(e)
	}
	return x
}

// recent are the entries that hold their content: the last ones that needed it,
// since all contents together are many times what the catalog takes.
type recent struct {
	next atomic.Uint32
	all  [recentEntries]atomic.Pointer[entry]
}

const recentEntries = 256

// add adds e, and lets another forget what it holds.
func (r *recent) add(e *entry) {
	old := r.all[r.next.Add(1)%recentEntries].Swap(e)
	if old != nil && old != e {
		old.whole.Store(nil)
	}
}

// recordsOf returns the records of e in zone z. Several may make them at once;
// those of the first one stay.
func (v *view) recordsOf(e *entry, z int) *records {
	for r := e.made.Load(); r != nil; r = r.next {
		if r.zone == z {
			return r
		}
	}
	r := v.build(v.read(e), z)
	r.of = e
	return e.keep(r)
}

// keep returns the records of e in the zone of r: r, unless there are some.
func (e *entry) keep(r *records) *records {
	for {
		r.next = e.made.Load()
		for other := r.next; other != nil; other = other.next {
			if other.zone == r.zone {
				return other
			}
		}
		if e.made.CompareAndSwap(r.next, r) {
			return r
		}
	}
}

func (v *view) build(x *content, z int) *records {
	zone := v.conf.zones[z]
	r := v.conf.namingIn(zone).build(x, zone)
	r.zone = z
	return r
}

// builder makes records of what is kept of e for a while.
func (v *view) builder(e *entry, z int) builder { return v.builderOf(v.contentOf(e), z) }

func (v *view) builderOf(x *content, z int) builder {
	zone := v.conf.zones[z]
	n := v.conf.namingIn(zone)
	return builder{naming: n, ttl: n.ttlOf(x.svc.TTL), name: serviceName(x.svc.Key, zone), content: *x}
}

// hasEndpoint reports whether a is the address of an endpoint that is answered.
func (x *content) hasEndpoint(a netip.Addr) bool {
	return slices.ContainsFunc(x.ready, func(ep *catalog.Endpoint) bool { return ep.Host.Addr == a })
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
	return c.appendReady(make([]*catalog.Endpoint, 0, len(svc.Endpoints)), svc)
}

// appendReady appends to all, which is empty, what ready returns.
func (c *config) appendReady(all []*catalog.Endpoint, svc *catalog.Service) []*catalog.Endpoint {
	if c.noEndpoints || svc.Type == catalog.ExternalName {
		return all
	}
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
