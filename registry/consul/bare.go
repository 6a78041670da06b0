package consul

import (
	"hash/maphash"
	"slices"
	"strconv"

	"github.com/hashicorp/consul/api"

	"github.com/isthmus-dns/isthmus/catalog"
)

// bare is what is remembered of the records of mirrors that the feed keeps
// bare: of all that stand under one name on one node a sum of their ids and
// indexes. There may be 100,000 records, of which a reader serves none.
type bare struct {
	seed maphash.Seed
	sums map[string]map[uint64]uint64 // by owners' nodes and hashes of names
}

func newBare() bare { return bare{maphash.MakeSeed(), map[string]map[uint64]uint64{}} }

func (b bare) hash(text string) uint64 { return maphash.String(b.seed, text) }

// of returns what one record adds to the sum of its name, whatever their order.
func (b bare) of(id string, index uint64) uint64 {
	return b.hash(id + " " + strconv.FormatUint(index, 36))
}

// keep remembers the sums of name, by node.
func (b bare) keep(name string, sums map[string]uint64) {
	for node, sum := range sums {
		if b.sums[node] == nil {
			b.sums[node] = map[uint64]uint64{}
		}
		b.sums[node][b.hash(name)] = sum
	}
}

// forget forgets what stands under name on all nodes.
func (b bare) forget(name string) {
	h := b.hash(name)
	for _, names := range b.sums {
		delete(names, h)
	}
}

// differ adds to dirty the names on node whose sums are not those of list, and
// forgets the names that are not in it: they show in the list of all names, or
// in the index of their name where natives share it.
func (b bare) differ(node string, list []*api.AgentService, dirty map[string]bool) {
	now, names := map[uint64]uint64{}, map[uint64]string{}
	for _, s := range list {
		name := keyName(s.Service)
		h := b.hash(name)
		now[h] += b.of(s.ID, s.ModifyIndex)
		names[h] = name
	}
	for h, sum := range now {
		if b.sums[node][h] != sum {
			dirty[names[h]] = true
		}
	}
	for h := range b.sums[node] {
		if names[h] == "" {
			delete(b.sums[node], h)
		}
	}
}

// strip takes out of a the mirrors of which the feed keeps less, with their
// records, of which sums are left. It is for readers: a writer needs all.
func (a *answer) strip(b bare, kept func(*catalog.Service) *catalog.Service) {
	a.services = slices.DeleteFunc(a.services, func(svc *catalog.Service) bool {
		k := kept(svc)
		if k.Bare {
			a.bare, a.owners = append(a.bare, k), append(a.owners, k.Mark.Owner)
		}
		return k.Bare
	})
	if len(a.owners) == 0 {
		return
	}
	a.services = slices.Clip(slices.Clone(a.services)) // of its own: what it had is much
	a.sums = map[string]uint64{}
	var rest []record
	for _, r := range a.records {
		if slices.Contains(a.owners, r.owner) {
			a.sums[r.node] += b.of(r.id, r.index)
		} else {
			rest = append(rest, r)
		}
	}
	a.records = rest
}
