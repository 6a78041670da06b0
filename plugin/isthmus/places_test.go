package isthmus

import (
	"encoding/binary"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/isthmus-dns/isthmus/catalog"
)

// placeAddrs are addresses of few networks, so that many meet in one and many
// are their only one.
func placeAddrs() *rapid.Generator[netip.Addr] {
	return rapid.Custom(func(t *rapid.T) netip.Addr {
		last := rapid.SampledFrom([]byte{0, 1, 15, 16, 17, 128, 255}).Draw(t, "last")
		other := rapid.SampledFrom([]byte{0, 1, 3, 0x80, 0xff}).Draw(t, "other")
		switch rapid.IntRange(0, 3).Draw(t, "form") {
		case 0:
			return netip.AddrFrom4([4]byte{10, other, 0, last})
		case 1:
			return netip.AddrFrom16([16]byte{0xfd, 7: other, 14: other, 15: last})
		case 2:
			return netip.AddrFrom16([16]byte{10: 0xff, 11: 0xff, 12: 10, 13: other, 15: last}) // not the same as 10.x.0.x
		}
		return netip.AddrFrom16([16]byte{other, 15: last})
	})
}

// wantPlaces are what should be at each address.
type wantPlaces map[netip.Addr][]*catalog.Key

func (w wantPlaces) move(who *catalog.Key, old, now []netip.Addr) {
	for _, a := range old {
		w[a] = slices.DeleteFunc(w[a], func(k *catalog.Key) bool { return k == who })
		if len(w[a]) == 0 {
			delete(w, a)
		}
	}
	for _, a := range now {
		w[a] = append(w[a], who)
		slices.SortFunc(w[a], func(a, b *catalog.Key) int { return a.Compare(*b) })
	}
}

// has reports whether an address begins as p does.
func (w wantPlaces) has(p netip.Prefix) bool {
	for a := range w {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// check compares all that l can be asked.
func (w wantPlaces) check(t *rapid.T, l places, ask []netip.Addr) {
	var addrs []netip.Addr
	for a := range w {
		addrs = append(addrs, a)
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	if diff := cmp.Diff(addrs, slices.Collect(l.all()), cmp.Comparer(sameAddr)); diff != "" {
		t.Fatalf("all (-want +got):\n%s", diff)
	}
	for _, a := range append(ask, addrs...) {
		if got := l.keysAt(a); !slices.Equal(got, w[a]) {
			t.Fatalf("keysAt(%s) = %v, want %v", a, got, w[a])
		}
		for _, left := range []int{0, 1, 4, 7, 8, 9, 12, 16, 24, 31, 60, 112, 124, 127} {
			p := netip.PrefixFrom(a, max(a.BitLen()-left, 1)).Masked()
			if got, want := l.has(p), w.has(p); got != want {
				t.Fatalf("has(%s) = %t, want %t", p, got, want)
			}
		}
	}
}

// TestPlaces drives random moves and compares with a plain map; what was there
// before must stay as it was, and what was made step by step must be what is
// made at once, to the last fork.
func TestPlaces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l, before places
		want, wantBefore := wantPlaces{}, wantPlaces{}
		held := map[*catalog.Key][]netip.Addr{}
		for _, name := range []string{"a", "b", "c"} {
			held[&catalog.Key{Namespace: "n", Name: name}] = nil
		}
		keys := slices.SortedFunc(maps.Keys(held), func(a, b *catalog.Key) int { return a.Compare(*b) })
		some := rapid.SliceOfN(placeAddrs(), 0, 12)
		t.Repeat(map[string]func(*rapid.T){
			"move": func(t *rapid.T) {
				who := rapid.SampledFrom(keys).Draw(t, "who")
				now := some.Draw(t, "now")
				slices.SortFunc(now, netip.Addr.Compare)
				now = slices.Compact(now)
				l.move(who, held[who], now)
				want.move(who, held[who], now)
				held[who] = now
			},
			"mark": func(*rapid.T) {
				before, wantBefore = l, wantPlaces{}
				for a, all := range want {
					wantBefore[a] = slices.Clone(all)
				}
			},
			"": func(t *rapid.T) {
				want.check(t, l, some.Draw(t, "asked"))
				wantBefore.check(t, before, nil)
				g := newGathering()
				for who, all := range held {
					g.add(who, all)
				}
				if diff := cmp.Diff(g.places(), l, cmp.AllowUnexported(places{}, twig{}, fork{}, network{})); diff != "" {
					t.Fatalf("(-at once +by steps):\n%s", diff)
				}
			},
		})
	})
}

// TestPlacesOfNobody holds that an address without a key is there once.
func TestPlacesOfNobody(t *testing.T) {
	var l places
	a := netip.MustParseAddr("10.0.0.1")
	for _, there := range []bool{true, true, false, false, true} {
		l.put(a, there)
		if got := len(slices.Collect(l.all())) == 1 && l.has(netip.MustParsePrefix("10.0.0.0/8")); got != there {
			t.Errorf("after put(%t) it is there: %t", there, got)
		}
	}
	l.move(nil, nil, mustAddrs(t, "fe80::1%eth0"))
	if got := len(slices.Collect(l.all())); got != 1 {
		t.Errorf("an address with a zone is kept: %d addresses", got)
	}
}

// weight is what a tree takes up, in bytes.
func (t twig) weight() uintptr {
	switch {
	case t.fork != nil:
		return unsafe.Sizeof(fork{}) + t.fork.sides[0].weight() + t.fork.sides[1].weight()
	case t.net != nil:
		return unsafe.Sizeof(network{}) + uintptr(cap(t.net.last)) + uintptr(cap(t.net.who))*unsafe.Sizeof(t.net.who[0])
	}
	return 0
}

// TestPlacesWeight bounds what addresses cost, made at once and one by one: full
// networks, as pods have them, and networks of one address.
func TestPlacesWeight(t *testing.T) {
	const n = 1 << 12
	for _, tt := range []struct {
		what  string
		shift int
		most  uintptr // bytes of an address
	}{
		{"full networks", 0, 9},
		{"networks of one", 8, 113},
	} {
		g, who := newGathering(), new(catalog.Key)
		var steps places
		for i := range n {
			a := netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, 10<<24|uint32(i)<<tt.shift)))
			six := netip.AddrFrom16([16]byte(binary.BigEndian.AppendUint64([]byte{0xfd, 7: 0}, uint64(i)<<tt.shift)))
			g.add(who, []netip.Addr{a, six})
			steps.move(who, nil, []netip.Addr{a, six})
		}
		for how, l := range map[string]places{"at once": g.places(), "by steps": steps} {
			if got := (l.v4.weight() + l.v6.weight()) / (2 * n); got > tt.most {
				t.Errorf("%s %s: %d bytes an address, want at most %d", tt.what, how, got, tt.most)
			}
		}
	}
}
