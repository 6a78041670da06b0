package etcd

import (
	"strings"
	"testing"
)

// TestLongKeys holds that a key that is too long for a service is known by less, by
// which it is no service's either and told from others.
func TestLongKeys(t *testing.T) {
	long := strings.Repeat("a", 10<<20)
	seen := map[string]bool{}
	for _, key := range []string{long, long + "a", "svc/" + long, "web/" + strings.Repeat("a/", maxKey), "web/_tcp/_" + long} {
		got := keyOf([]byte(cluster.base + key))
		if len(got) > maxKey || seen[got] {
			t.Errorf("a key of %d bytes is known by %d bytes, and is another's: %v", len(key), len(got), seen[got])
		}
		seen[got] = true
		if p, err := cluster.parse(got); err == nil {
			t.Errorf("parse(%.50q) = %v, want an error", got, p)
		}
	}
	if got := keyOf([]byte(cluster.base + "web/a")); got != cluster.base+"web/a" {
		t.Errorf("a short key is known as %q", got)
	}
}

// TestLongValues holds that of a value of 10 MB nothing long is kept, whatever is long.
func TestLongValues(t *testing.T) {
	long := strings.Repeat("a", 10<<20)
	for _, value := range []string{
		`{"host":"` + long + `"}`,
		`{"host":"10.0.0.1","port":` + strings.Repeat("9", 10<<20) + `}`,
		`{"host":"10.0.0.1","isthmus":{"owner":"` + long + `","key":"a/b","format":1}}`,
		`{"host":"10.0.0.1","isthmus":{"owner":"a","key":"` + long + `","format":1}}`,
		`{"host":"10.0.0.1","isthmus":{"owner":"a","key":"a/b","format":1,"zone":"` + long + `"}}`,
	} {
		r := parseRecord(cluster, cluster.base+"web/a", []byte(value))
		if r.err == nil || r.mark != nil {
			t.Errorf("%.60q is taken", value)
			continue
		}
		if n := len(new(packer).pack([]*record{r})) + len(r.err.Error()); n > 2*maxWord {
			t.Errorf("%.60q: %d bytes of it are kept", value, n)
		}
	}
}
