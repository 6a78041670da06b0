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
