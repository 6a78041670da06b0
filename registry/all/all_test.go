package all

import (
	"testing"

	"github.com/isthmus-dns/isthmus/registry/stanza"
)

// TestTypes holds that names are unique and that each type names its origins
// after itself and parses the shortest stanza that its manual shows.
func TestTypes(t *testing.T) {
	shortest := map[string][]string{
		"kubernetes": {"kubernetes"},
		"consul":     {"consul", "x"},
		"etcd":       {"etcd", "x", "http://127.0.0.1:2379"},
		"zookeeper":  {"zookeeper", "x"},
		"manifests":  {"manifests", t.TempDir()},
	}
	seen := map[string]bool{}
	for _, typ := range Types() {
		if seen[typ.Name] {
			t.Errorf("%s stands twice in the list", typ.Name)
		}
		seen[typ.Name] = true
		c, err := typ.Parse(stanza.Stanza{File: "f", Line: 1, Words: shortest[typ.Name]}, func(string) string { return "" })
		if err != nil {
			t.Errorf("%s: %v", typ.Name, err)
			continue
		}
		if got := c.Origin().Type(); got != typ.Name {
			t.Errorf("%s: its origins are of type %q", typ.Name, got)
		}
	}
}
