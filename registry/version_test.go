package registry

import "testing"

// TestVersionOf holds that a version is that of the records in any order, and another one
// once any of them is another, or was written.
func TestVersionOf(t *testing.T) {
	type record struct {
		name string
		at   int64
	}
	version := func(all ...record) string {
		return VersionOf(all, func(r record) (string, int64) { return r.name, r.at })
	}
	a, b := record{"a", 7}, record{"b", 9}
	if got := version(a, b); got != version(b, a) {
		t.Errorf("in another order %s and %s", got, version(b, a))
	}
	if got := version(); got != "" {
		t.Errorf("of nothing %q", got)
	}
	seen := map[string]int{version(a, b): 0}
	for i, all := range [][]record{{a}, {b}, {a, {"b", 8}}, {a, {"c", 9}}, {{"a", 9}, {"b", 7}}, {a, b, {"c", 1}}, {{"ab", 9}}} {
		v := version(all...)
		if other, is := seen[v]; is {
			t.Errorf("%v has the version %s, as others do, number %d", all, v, other)
		}
		seen[v] = i + 1
	}
}
