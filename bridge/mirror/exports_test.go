package mirror

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/catalog"
)

// TestExportsUnknown holds that while nobody can tell which originals are
// exported nothing new is mirrored and nothing goes, not even from a source that
// has many; that it is said once; and that what was told either way holds.
func TestExportsUnknown(t *testing.T) {
	noted := func(name, notes string) string {
		return "service shop/" + name + " Headless\n" + notes + "\tendpoint 10.1.0.1 id=a ready serving\n"
	}
	const unknown = "\tmeta \"export:\"=\"unknown\"\n"
	for _, tt := range []struct{ name, source, want string }{
		{"unknown", noted("web", unknown) + noted("db", unknown) + noted("new", unknown), "refused /"},
		{"unknown, but for one", noted("web", unknown) + noted("db", unknown) + noted("new", "\tmeta \"export:\"=\"unknown\"\n\tmeta \"isthmus.dev/export\"=\"true\"\n"), "put shop/new\nrefused /"},
		{"known", noted("web", "\tmeta \"export:\"=\"wanted\"\n") + noted("db", ""), "delete shop/db at 8"},
		{"gone, and the rest unknown", noted("web", unknown), "delete shop/db at 8\nrefused /"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found := ours + strings.ReplaceAll(strings.Replace(ours, "version=7", "version=8", 1), "shop/web", "shop/db")
			s, r := sides(t, map[catalog.Origin]string{src: tt.source, dst: found}).Snapshot(), rule()
			r.Exports = true
			p := Diff(s, Desired(s, r, MirrorsOf(s, r, asIs)), nil, Budget{})
			if diff := cmp.Diff(tt.want, p.text()); diff != "" {
				t.Errorf("Diff: -want +got\n%s", diff)
			}
			said := slices.ContainsFunc(lines(p), func(l line) bool { return l == line{Action: "refused", Why: errExportsUnknown.Error()} })
			if said != strings.Contains(tt.want, "refused") {
				t.Errorf("said %v: %v", said, lines(p))
			}
		})
	}
}
