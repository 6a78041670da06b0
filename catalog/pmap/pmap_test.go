package pmap

import (
	"maps"
	"testing"

	"pgregory.net/rapid"
)

// TestAgainstBuiltin drives random operations into a Map and a builtin map and
// compares them after each; older versions must stay as they were and Diff
// must name exactly the keys written since.
func TestAgainstBuiltin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := New[int, int]()
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
			},
		})
	})
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

// TestCollect holds that a map made at once is the one made step by step, and
// can be changed like it.
func TestCollect(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SliceOf(rapid.IntRange(0, 3000)).Draw(t, "keys")
		want := map[int]int{}
		for i, k := range keys {
			want[k] = i
		}
		m := Collect(func(yield func(int, int) bool) {
			for i, k := range keys {
				if !yield(k, i) {
					return
				}
			}
		})
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

// TestCollectCollisions makes a chain of entries of one hash.
func TestCollectCollisions(t *testing.T) {
	var m Map[string, int]
	var all []*leaf[string, int]
	for i, k := range []string{"a", "b", "c", "b"} {
		all = append(all, &leaf[string, int]{hash: 7, key: k, val: i})
	}
	m.root = m.build(all, make([]*leaf[string, int], len(all)), 0)
	if l := m.root.find(7, 0, "b"); l == nil || l.val != 3 || m.len != 3 {
		t.Fatalf("find(b) = %v of %d, want 3 of 3", l, m.len)
	}
}

// TestCollisions puts entries of one hash into a chain.
func TestCollisions(t *testing.T) {
	var n *node[string, int]
	for i, k := range []string{"a", "b", "c", "b"} {
		n = n.set(&leaf[string, int]{hash: 7, key: k, val: i}, 0)
	}
	if l := n.find(7, 0, "b"); l == nil || l.val != 3 {
		t.Fatalf("find(b) = %v, want 3", l)
	}
	n = n.delete(7, 0, "a")
	if n.find(7, 0, "a") != nil || n.find(7, 0, "c") == nil {
		t.Fatal("delete(a) took the wrong entry")
	}
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
