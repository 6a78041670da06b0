package registry

import (
	"fmt"
	"strings"
	"testing"

	"github.com/isthmus-dns/isthmus/catalog"
)

// TestTold holds that a feed is told of what changed, and of nothing else.
func TestTold(t *testing.T) {
	var told Told
	k := catalog.Key{Namespace: "shop", Name: "web"}
	for _, tt := range []struct{ name, now, set, gone string }{
		{"nothing", "", "[]", "[]"},
		{"two more", ":1 prod:1", "[:1 prod:1]", "[]"},
		{"the same", ":1 prod:1", "[]", "[]"},
		{"another version", ":1 prod:2", "[prod:2]", "[]"},
		{"drift", ":1 prod:2:odd", "[prod:2]", "[]"},
		{"none of it any more", ":1 prod:2", "[prod:2]", "[]"},
		{"the native one less", "prod:2", "[]", "[native]"},
		{"another owner's", "test:2", "[test:2]", "[prod]"},
		{"one that is kept", "kept:2", "[kept:2]", "[test]"},
		{"it stands", "", "[]", "[]"},
		{"it comes again", "kept:2", "[]", "[]"},
		{"another beside it", "prod:3", "[prod:3]", "[]"},
		{"none", "", "[]", "[prod]"},
	} {
		var now []*catalog.Service
		for _, word := range strings.Fields(tt.now) {
			parts := strings.Split(word+":", ":")
			s := &catalog.Service{Key: k, Version: parts[1], Meta: map[string]string{MetaDrift: parts[2]}}
			if parts[0] != "" {
				s.Mark = &catalog.Mark{Owner: parts[0]}
			}
			now = append(now, s)
		}
		set, gone := told.Tell(k, now, func(owner string) bool { return owner == "kept" })
		said := []string{}
		for _, s := range set {
			said = append(said, s.Ref().Owner+":"+s.Version)
		}
		lost := []string{}
		for _, ref := range gone {
			if ref.Key != k {
				t.Errorf("%s: %v is gone, and was never told", tt.name, ref)
			}
			if ref.Owner == "" {
				ref.Owner = "native"
			}
			lost = append(lost, ref.Owner)
		}
		if fmt.Sprint(said) != tt.set || fmt.Sprint(lost) != tt.gone {
			t.Errorf("%s: set %v, gone %v; want %s, %s", tt.name, said, lost, tt.set, tt.gone)
		}
		native := strings.HasPrefix(tt.now, ":")
		if got := told.Any(func(owner string) bool { return owner == "" }); got != native {
			t.Errorf("%s: a native one is told: %v, want %v", tt.name, got, native)
		}
	}
}
