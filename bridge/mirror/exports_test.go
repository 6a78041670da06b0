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

// TestExportsOfSome holds what becomes of originals when a block, or all but a
// block, mirrors what is exported: no more of them is in doubt than those.
func TestExportsOfSome(t *testing.T) {
	noted := func(name, export string) string {
		return "service shop/" + name + " Headless\n\tmeta \"export:\"=\"" + export + "\"\n\tendpoint 10.1.0.1 id=a ready serving\n"
	}
	exports := func(r *Rule) { r.OptIn, r.Exports = false, true }
	off := func(r *Rule) { r.OptIn, r.Exports = true, false }
	for _, tt := range []struct {
		name        string
		rule, block func(*Rule)
		source      string
		want        string
	}{
		{"in the block", nil, exports, noted("web", "wanted") + noted("api", ""), "put shop/api\nput shop/web"},
		{"in the block, not exported", nil, exports, noted("web", "") + noted("api", ""), "put shop/api"},
		{"in the block, unknown", nil, exports, noted("web", "unknown") + noted("api", "unknown"), "put shop/api\nrefused /"},
		{"in the block, of a rule that is asked", off, exports, noted("web", "wanted") + noted("api", "wanted"), "put shop/web"},
		{"but in the block", exports, off, noted("web", "wanted") + noted("api", "wanted"), "put shop/api"},
		{"but in the block, unknown", exports, off, noted("web", "unknown") + noted("api", "wanted"), "put shop/api"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, r := sides(t, map[catalog.Origin]string{src: tt.source, dst: ""}).Snapshot(), rule()
			if tt.rule != nil {
				tt.rule(r)
			}
			blocks("web", tt.block)(r)
			if !r.WantsExports() {
				t.Error("the rule does not want to know what is exported")
			}
			if diff := cmp.Diff(tt.want, Diff(s, wanted(s, r), nil, Budget{}).text()); diff != "" {
				t.Errorf("Diff: -want +got\n%s", diff)
			}
		})
	}
}
