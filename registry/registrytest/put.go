package registrytest

import (
	"context"
	"fmt"

	"github.com/isthmus-dns/isthmus/catalog"
)

// putCases: writing where nothing stands in the way.
func putCases() []Case {
	return []Case{
		writing("a put shows in the feed before Put returns", func(t T, p Writable) {
			w := claimed(t, p, owner)
			for i := range 10 {
				w.mustPut(mirror(owner, p.Key(t, "shop", fmt.Sprint("web-", i)), 1))
			}
		}),
		writing("a put is seen by other readers", func(t T, p Writable) {
			w := claimed(t, p, owner)
			r := synced(t, p)
			s := mirror(owner, p.Key(t, "shop", "web"), 2)
			w.mustPut(s)
			r.awaitSame(w.canon(s))
		}),
		writing("put takes up readiness that changed", func(t T, p Writable) {
			w := claimed(t, p, owner)
			s := mirror(owner, p.Key(t, "shop", "web"), 3)
			v := w.mustPut(s).Version
			v = w.mustPut(at(unready(s, 1), v)).Version
			reads(t, p, w.canon(unready(s, 1)))
			w.mustPut(at(s, v))
			reads(t, p, w.canon(s))
		}),
		writing("put adds and removes endpoints", func(t T, p Writable) {
			w := claimed(t, p, owner)
			k, v := p.Key(t, "shop", "web"), ""
			for _, n := range []int{1, 5, 2, 3} {
				v = w.mustPut(at(mirror(owner, k, n), v)).Version
				reads(t, p, w.canon(mirror(owner, k, n)))
			}
		}),
		writing("put takes up a port that changed", func(t T, p Writable) {
			w := claimed(t, p, owner)
			s := mirror(owner, p.Key(t, "shop", "web"), 2)
			v := w.mustPut(s).Version
			other := changed(s, func(c *catalog.Service) {
				c.Ports[0].Number, c.Ports[0].Name = 9090, "web"
				for i := range c.Endpoints {
					c.Endpoints[i].Ports = c.Ports
				}
			})
			w.mustPut(at(other, v))
			reads(t, p, w.canon(other))
		}),
		writing("put takes up another type", func(t T, p Writable) {
			w := claimed(t, p, owner)
			s, v := mirror(owner, p.Key(t, "shop", "web"), 2), ""
			alias := changed(s, func(c *catalog.Service) {
				c.Type, c.Alias, c.Ports, c.Endpoints = catalog.ExternalName, "db.example.org", nil, nil
			})
			virtual := changed(s, func(c *catalog.Service) { c.Type = catalog.ClusterIP })
			for _, s := range []*catalog.Service{s, virtual, s, alias, virtual, alias, s} {
				v = w.mustPut(at(s, v)).Version
				reads(t, p, w.canon(s))
			}
		}),
		writing("put takes up what the mirror is a copy of", func(t T, p Writable) {
			w := claimed(t, p, owner)
			s := mirror(owner, p.Key(t, "shop", "web"), 1)
			v := w.mustPut(s).Version
			s.Mark = &catalog.Mark{Owner: owner, Of: "source:2", Key: catalog.Key{Namespace: "other", Name: "db"}, Via: "source:3", Format: catalog.MarkFormat}
			w.mustPut(at(s, v))
			reads(t, p, w.canon(s))
		}),
		writing("put works while nobody watches", func(t T, p Writable) {
			w := claimed(t, p, owner)
			w.stop()
			s := mirror(owner, p.Key(t, "shop", "web"), 1)
			first := w.put(s)
			wantErr(t, "Put", first.Err, nil)
			second := w.put(at(mirror(owner, s.Key, 2), first.Version))
			wantErr(t, "Put over it", second.Err, nil)
			reads(t, p, w.canon(mirror(owner, s.Key, 2)))
			wantErr(t, "Delete", w.delete(at(s, second.Version)).Err, nil)
			if got := synced(t, p).get(s.Ref()); got != nil {
				t.Errorf("deleted and still there:\n%s", got.Text())
			}
		}),
		writing("reports never go back behind a put", neverBack),
		writing("1,500 endpoints are written, changed and removed", func(t T, p Writable) {
			w := claimed(t, p, owner)
			k := p.Key(t, "shop", "web")
			v := w.mustPut(mirror(owner, k, 1500)).Version
			reads(t, p, w.canon(mirror(owner, k, 1500)))
			v = w.mustPut(at(unready(mirror(owner, k, 1400), 7), v)).Version
			reads(t, p, w.canon(unready(mirror(owner, k, 1400), 7)))
			w.mustDelete(at(mirror(owner, k, 1400), v))
			if got := synced(t, p).get(catalog.Ref{Key: k, Owner: owner}); got != nil {
				t.Errorf("deleted and still there with %d endpoints", len(got.Endpoints))
			}
		}),
	}
}

// neverBack puts one port number after the other and watches every snapshot:
// the number that the feed shows may only grow.
func neverBack(t T, p Writable) {
	w := claimed(t, p, owner)
	ref := catalog.Ref{Key: p.Key(t, "shop", "web"), Owner: owner}
	ctx, cancel := context.WithCancel(t.Context())
	backwards := make(chan string, 1)
	go func() { backwards <- shrinks(ctx, w.catalog, ref) }()
	v := ""
	for n := range 30 {
		s := changed(mirror(owner, ref.Key, 1), func(c *catalog.Service) {
			c.Ports[0].Number = uint16(9000 + n)
			c.Endpoints[0].Ports = c.Ports
		})
		r := w.put(at(s, v))
		if r.Err != nil {
			t.Errorf("Put number %d = %v", n, r.Err)
			break
		}
		v = r.Version
	}
	w.settle(p)
	cancel()
	if seen := <-backwards; seen != "" {
		t.Errorf("the feed went back: %s", seen)
	}
}

// shrinks watches until ctx ends and tells of the first report that is older
// than the one before.
func shrinks(ctx context.Context, c *catalog.Catalog, ref catalog.Ref) string {
	newest, found := uint16(0), ""
	for ctx.Err() == nil {
		snap := c.Snapshot()
		n := uint16(0)
		if s := snap.Get(origin, ref); s != nil && len(s.Endpoints) == 1 && len(s.Endpoints[0].Ports) == 1 {
			n = s.Endpoints[0].Ports[0].Number
		}
		if n < newest && found == "" {
			found = fmt.Sprintf("port %d after port %d", n, newest)
		}
		newest = max(n, newest)
		select {
		case <-ctx.Done():
		case <-snap.Changed():
		}
	}
	return found
}

// deleteCases: removing what is ours.
func deleteCases() []Case {
	return []Case{
		writing("a delete shows in the feed before Delete returns", func(t T, p Writable) {
			w := claimed(t, p, owner)
			for i := range 5 {
				w.mustDelete(w.mustPut(mirror(owner, p.Key(t, "shop", fmt.Sprint("web-", i)), 2)))
			}
		}),
		writing("a delete is seen by other readers and stays", func(t T, p Writable) {
			w := claimed(t, p, owner)
			r := synced(t, p)
			s := w.mustPut(mirror(owner, p.Key(t, "shop", "web"), 2))
			r.awaitSame(w.canon(s))
			w.mustDelete(s)
			r.awaitGone(s.Ref())
			w.settle(p)
			if got := w.get(s.Ref()); got != nil {
				t.Errorf("deleted and back:\n%s", got.Text())
			}
		}),
		writing("what was deleted can be put again", func(t T, p Writable) {
			w := claimed(t, p, owner)
			s := mirror(owner, p.Key(t, "shop", "web"), 2)
			w.mustDelete(w.mustPut(s))
			w.mustPut(s)
			reads(t, p, w.canon(s))
		}),
		writing("a delete leaves other mirrors alone", func(t T, p Writable) {
			w := claimed(t, p, owner)
			a, b := mirror(owner, p.Key(t, "shop", "web"), 2), mirror(owner, p.Key(t, "shop", "web-2"), 2)
			gone := w.mustPut(a)
			w.mustPut(b)
			w.mustDelete(gone)
			w.settle(p)
			reads(t, p, w.canon(b))
		}),
	}
}
