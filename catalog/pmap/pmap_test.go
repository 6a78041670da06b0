package pmap

import (
	"iter"
	"maps"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// cuts are what tests take off the hashes: nothing, so much that keys meet on
// the way down, and all, so that every key has the same.
func cuts() *rapid.Generator[uint64] {
	return rapid.SampledFrom([]uint64{0, 1<<60 - 1, ^uint64(3), math.MaxUint64})
}

// TestAgainstBuiltin drives random operations into a Map and a builtin map and
// compares them after each; older versions must stay as they were and Diff
// must name exactly the keys written since.
func TestAgainstBuiltin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := New[int, int]()
		m.cut = cuts().Draw(t, "cut")
		want := map[int]int{}
		old, oldWant, touched := m, map[int]int{}, map[int]bool{}
		key := rapid.IntRange(0, 200)
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				k, v := key.Draw(t, "k"), rapid.Int().Draw(t, "v")
				m, want[k], touched[k] = m.Set(k, v), v, true
			},
			"delete": func(t *rapid.T) {
				k := key.Draw(t, "k")
				if _, ok := want[k]; ok {
					touched[k] = true
				}
				delete(want, k)
				m = m.Delete(k)
			},
			"set all": func(t *rapid.T) {
				all := rapid.SliceOfN(key, 0, 60).Draw(t, "all")
				for i, k := range all {
					want[k], touched[k] = i, true
				}
				m = m.SetAll(numbered(all))
			},
			"mark": func(t *rapid.T) {
				old, oldWant, touched = m, maps.Clone(want), map[int]bool{}
			},
			"": func(t *rapid.T) {
				if got := maps.Collect(m.All()); !maps.Equal(got, want) || m.Len() != len(want) {
					t.Fatalf("map = %v (len %d), want %v", got, m.Len(), want)
				}
				if got := maps.Collect(old.All()); !maps.Equal(got, oldWant) {
					t.Fatalf("older version = %v, want %v", got, oldWant)
				}
				checkDiff(t, old, m, oldWant, want, touched)
				checkShape(t, m)
			},
		})
	})
}

// numbered maps each of these to its place.
func numbered(all []int) iter.Seq2[int, int] {
	return func(yield func(int, int) bool) {
		for i, k := range all {
			if !yield(k, i) {
				return
			}
		}
	}
}

func checkDiff(t *rapid.T, old, m Map[int, int], oldWant, want map[int]int, touched map[int]bool) {
	got := map[int]int{}
	Diff(old, m, func(k int) { got[k]++ })
	for k, n := range got {
		if n != 1 || !touched[k] {
			t.Fatalf("Diff visited %d %d times, touched %v", k, n, touched[k])
		}
	}
	for k := range touched {
		_, was := oldWant[k]
		_, is := want[k]
		if (was || is) && got[k] == 0 {
			t.Fatalf("Diff missed %d", k)
		}
	}
}

// checkShape holds that a map takes no more nodes than one that is made at once.
func checkShape(t *rapid.T, m Map[int, int]) {
	fresh := Map[int, int]{hasher: m.hasher}.SetAll(m.All())
	if got, want := m.root.count(), fresh.root.count(); got != want {
		t.Fatalf("%d nodes and leaves, want %d", got, want)
	}
}

func (n *node[K, V]) count() int {
	if n == nil {
		return 0
	}
	sum := 1 + len(n.leaves)
	for _, child := range n.nodes {
		sum += child.count()
	}
	return sum
}

// TestCollect holds that a map made at once is the one made step by step, and
// can be changed like it.
func TestCollect(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SliceOf(rapid.IntRange(0, 3000)).Draw(t, "keys")
		want := map[int]int{}
		for i, k := range keys {
			want[k] = i
		}
		m := New[int, int]()
		m.cut = cuts().Draw(t, "cut")
		m = m.SetAll(numbered(keys))
		if got := maps.Collect(m.All()); !maps.Equal(got, want) || m.Len() != len(want) {
			t.Fatalf("map = %v (len %d), want %v", got, m.Len(), want)
		}
		for k, v := range want {
			if got, ok := m.Get(k); !ok || got != v {
				t.Fatalf("Get(%d) = %d, %v, want %d", k, got, ok, v)
			}
			if less := m.Set(k+1, -1).Delete(k); !maps.Equal(maps.Collect(m.All()), want) {
				t.Fatal("a change of a later version changed the map")
			} else if _, ok := less.Get(k); ok {
				t.Fatalf("Get(%d) finds what was deleted", k)
			}
		}
		if _, ok := m.Get(-1); ok {
			t.Fatal("Get finds what is not there")
		}
	})
}

func BenchmarkSet(b *testing.B) {
	m := New[int, int]()
	for i := range 10000 {
		m = m.Set(i, i)
	}
	for i := 0; b.Loop(); i++ {
		m.Set(i%10000, i)
	}
}

func BenchmarkGet(b *testing.B) {
	m := New[int, int]()
	for i := range 10000 {
		m = m.Set(i, i)
	}
	for i := 0; b.Loop(); i++ {
		m.Get(i % 10000)
	}
}

func BenchmarkCollect(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Collect(func(yield func(int, int) bool) {
			for i := range 10000 {
				yield(i, i)
			}
		})
	}
}

func BenchmarkDiff(b *testing.B) {
	m := New[int, int]()
	for i := range 10000 {
		m = m.Set(i, i)
	}
	next := m.Set(17, 0)
	for b.Loop() {
		Diff(m, next, func(int) {})
	}
}
