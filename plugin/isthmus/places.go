package isthmus

import (
	"bytes"
	"cmp"
	"iter"
	"maps"
	"math/bits"
	"net/netip"
	"slices"

	"github.com/isthmus-dns/isthmus/catalog"
)

// places finds services by address, and tells which beginnings of addresses
// there are. It never changes: a change makes another one, which shares with it
// all but the way to what changed. The zero value holds nothing.
//
// Addresses that differ in their last byte only stand in one network, since those
// of a cluster come in such. They hang on a tree whose forks part them by the
// first bit in which they differ, so that it has fewer forks than networks.
type places struct{ v4, v6 twig }

// twig is a fork, a network or nothing.
type twig struct {
	fork *fork
	net  *network
}

// fork parts what is below it: all of that is the same before the bit.
type fork struct {
	bit   uint8
	sides [2]twig // by the bit
}

// network holds the addresses that begin with base, and who is there: who[i] at
// the address that ends in last[i]. They are sorted by address and key. An
// address that is nobody's in the catalog has nil.
type network struct {
	base base
	last []byte
	who  []*catalog.Key
}

// base is an address in the form of IPv6 without its last byte, which is 0.
type base [16]byte

// lastBits are what a base says nothing of.
const lastBits = 8

// place is one service at one address of a network.
type place struct {
	last byte
	who  *catalog.Key
}

func (p place) compare(o place) int {
	if p.last != o.last || p.who == o.who {
		return cmp.Compare(p.last, o.last)
	}
	return p.who.Compare(*o.who)
}

// split parts an address into the base of its network and its last byte.
func split(a netip.Addr) (base, byte) {
	b := base(a.As16())
	last := b[len(b)-1]
	b[len(b)-1] = 0
	return b, last
}

// bit returns the i-th bit.
func (b *base) bit(i uint8) byte { return b[i/8] >> (7 - i%8) & 1 }

// common counts the bits that are the same in both before the first other one.
func (b *base) common(o *base) int {
	for i := range b {
		if x := b[i] ^ o[i]; x != 0 {
			return 8*i + bits.LeadingZeros8(x)
		}
	}
	return 8 * len(b)
}

// newNetwork returns the network of these places, which it sorts; nil if there are
// none.
func newNetwork(at base, all []place) *network {
	if len(all) == 0 {
		return nil
	}
	slices.SortFunc(all, place.compare)
	b := &network{base: at, last: make([]byte, len(all)), who: make([]*catalog.Key, len(all))}
	for i, p := range all {
		b.last[i], b.who[i] = p.last, p.who
	}
	return b
}

// at returns who is at the address that ends in last.
func (b *network) at(last byte) []*catalog.Key {
	start := bytes.IndexByte(b.last, last)
	if start < 0 {
		return nil
	}
	end := start + 1
	for end < len(b.last) && b.last[end] == last {
		end++
	}
	return b.who[start:end:end]
}

// root returns the tree that a is in.
func (l *places) root(a netip.Addr) *twig {
	if a.Is4() {
		return &l.v4
	}
	return &l.v6
}

// nearest returns the network that is found on the way to b: that at b if it is
// there. It is nil only if there is none at all.
func (t twig) nearest(b *base) *network {
	for t.fork != nil {
		t = t.fork.sides[b.bit(t.fork.bit)]
	}
	return t.net
}

func (t twig) find(b *base) *network {
	if near := t.nearest(b); near != nil && near.base == *b {
		return near
	}
	return nil
}

// keysAt returns the keys of the services at a, sorted.
func (l *places) keysAt(a netip.Addr) []*catalog.Key {
	at, last := split(a)
	if b := l.root(a).find(&at); b != nil && a.Zone() == "" {
		return b.at(last)
	}
	return nil
}

// has reports whether p is an address that somebody is at, or the beginning of
// one.
func (l *places) has(p netip.Prefix) bool {
	at, last := split(p.Addr())
	n := p.Bits() + 8*len(at) - p.Addr().BitLen()
	t := *l.root(p.Addr())
	for t.fork != nil && int(t.fork.bit) < n {
		t = t.fork.sides[at.bit(t.fork.bit)]
	}
	b := t.nearest(&at)
	switch {
	case b == nil:
		return false
	case n <= 8*len(at)-lastBits:
		return b.base.common(&at) >= n
	}
	left := 8*len(at) - n
	return b.base == at && slices.ContainsFunc(b.last, func(x byte) bool { return x>>left == last>>left })
}

// all visits the addresses, each once, sorted.
func (l *places) all() iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		_ = l.v4.all(func(a [16]byte) bool { return yield(netip.AddrFrom16(a).Unmap()) }) &&
			l.v6.all(func(a [16]byte) bool { return yield(netip.AddrFrom16(a)) })
	}
}

func (t twig) all(yield func([16]byte) bool) bool {
	if t.fork != nil {
		return t.fork.sides[0].all(yield) && t.fork.sides[1].all(yield)
	}
	for i := 0; t.net != nil && i < len(t.net.last); i++ {
		a := t.net.base
		a[len(a)-1] = t.net.last[i]
		if (i == 0 || t.net.last[i] != t.net.last[i-1]) && !yield(a) {
			return false
		}
	}
	return true
}

// move moves who from the old to the new addresses. Both are sorted, each once.
// Addresses with a zone are left out: they have no names.
func (l *places) move(who *catalog.Key, old, now []netip.Addr) {
	for len(old) > 0 || len(now) > 0 {
		first := least(old, now)
		at, _ := split(first)
		var gone, come []byte
		gone, old = cut(old, first)
		come, now = cut(now, first)
		if bytes.Equal(gone, come) {
			continue
		}
		root := l.root(first)
		var all []place
		if b := root.find(&at); b != nil {
			all = b.without(who, gone)
		}
		for _, x := range come {
			all = append(all, place{x, who})
		}
		*root = root.set(at, newNetwork(at, all))
	}
}

// put notes whether a, which belongs to no key, is there.
func (l *places) put(a netip.Addr, there bool) {
	all := []netip.Addr{a}
	switch was := l.has(netip.PrefixFrom(a, a.BitLen())); {
	case there && !was:
		l.move(nil, nil, all)
	case was && !there:
		l.move(nil, all, nil)
	}
}

// least returns the first of all addresses in two sorted lists, not both empty.
func least(a, b []netip.Addr) netip.Addr {
	if len(a) == 0 || len(b) > 0 && b[0].Less(a[0]) {
		return b[0]
	}
	return a[0]
}

// cut returns the last bytes of the addresses at the start of all that stand in
// one network with first, and the others.
func cut(all []netip.Addr, first netip.Addr) (last []byte, rest []netip.Addr) {
	at, _ := split(first)
	for len(all) > 0 {
		b, x := split(all[0])
		if b != at || all[0].Is4() != first.Is4() {
			break
		}
		if all[0].Zone() == "" {
			last = append(last, x)
		}
		all = all[1:]
	}
	return last, all
}

// without returns the places of b, but for who at the addresses that end so.
func (b *network) without(who *catalog.Key, gone []byte) []place {
	all := make([]place, 0, len(b.last)+1)
	for i, x := range b.last {
		if b.who[i] != who || bytes.IndexByte(gone, x) < 0 {
			all = append(all, place{x, b.who[i]})
		}
	}
	return all
}

// set returns the tree with b in the place of the network there was; nil: none.
func (t twig) set(at base, b *network) twig {
	near := t.nearest(&at)
	switch {
	case b == nil && (near == nil || near.base != at):
		return t
	case b == nil:
		return t.without(&at)
	case near == nil:
		return twig{net: b}
	}
	return t.with(b, near.base.common(&at))
}

// with returns the tree with b, which differs from what is nearest to it in the
// bit d; where that is beyond the last one, b takes its place.
func (t twig) with(b *network, d int) twig {
	if t.fork == nil && d == 8*len(b.base) {
		return twig{net: b}
	}
	if t.fork == nil || int(t.fork.bit) > d {
		f := &fork{bit: uint8(d), sides: [2]twig{t, t}}
		f.sides[b.base.bit(f.bit)] = twig{net: b}
		return twig{fork: f}
	}
	f := *t.fork
	side := &f.sides[b.base.bit(f.bit)]
	*side = side.with(b, d)
	return twig{fork: &f}
}

// without returns the tree less the network at b, which is there.
func (t twig) without(b *base) twig {
	if t.fork == nil {
		return twig{}
	}
	f, i := *t.fork, b.bit(t.fork.bit)
	f.sides[i] = f.sides[i].without(b)
	if f.sides[i] == (twig{}) {
		return f.sides[1-i]
	}
	return twig{fork: &f}
}

// gathering makes places of many at once.
type gathering struct{ v4, v6 map[base][]place }

func newGathering() gathering { return gathering{map[base][]place{}, map[base][]place{}} }

// add notes that who is at all of these addresses.
func (g gathering) add(who *catalog.Key, all []netip.Addr) {
	for _, a := range all {
		in := g.v6
		if a.Is4() {
			in = g.v4
		}
		if at, last := split(a); a.Zone() == "" {
			in[at] = append(in[at], place{last, who})
		}
	}
}

func (g gathering) places() places { return places{grow(g.v4), grow(g.v6)} }

// grow makes a tree of all networks.
func grow(all map[base][]place) twig {
	nets := make([]*network, 0, len(all))
	for _, at := range slices.SortedFunc(maps.Keys(all), func(a, b base) int { return bytes.Compare(a[:], b[:]) }) {
		nets = append(nets, newNetwork(at, all[at]))
	}
	return treeOf(nets)
}

// treeOf makes a tree of sorted networks.
func treeOf(all []*network) twig {
	switch len(all) {
	case 0:
		return twig{}
	case 1:
		return twig{net: all[0]}
	}
	f := &fork{bit: uint8(all[0].base.common(&all[len(all)-1].base))}
	i, _ := slices.BinarySearchFunc(all, 1, func(b *network, _ int) int { return int(b.base.bit(f.bit)) - 1 })
	f.sides = [2]twig{treeOf(all[:i]), treeOf(all[i:])}
	return twig{fork: f}
}
