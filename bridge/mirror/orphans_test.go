package mirror

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/catalog"
)

// TestOrphans holds the table of Orphans: what stands at consul/dst, by the
// rules that there are and what is known of their ends.
func TestOrphans(t *testing.T) {
	const there = `
service n/native Headless
service n/ours Headless
	mark owner=me of=id:kubernetes/src key=n/ours format=1
service n/left Headless
	mark owner=me of=id:kubernetes/left key=n/left format=1
service n/via Headless
	mark owner=me of=id:kubernetes/left key=n/via via=id:kubernetes/src format=1
service n/newer Headless
	mark owner=me of=id:kubernetes/left key=n/newer format=99
service n/other Headless
	mark owner=you of=id:kubernetes/left key=n/other format=1
`
	for _, tt := range []struct {
		name  string
		rules []string // FROM, TO
		known map[catalog.Origin]catalog.Identity
		want  []string
	}{
		{"of no rule's source", []string{"kubernetes/src", "consul/dst"}, nil, []string{"n/left"}},
		{"no rule leads there", []string{"kubernetes/src", "etcd/edge"}, nil, []string{"n/left", "n/ours", "n/via"}},
		{"a source is not known", []string{"kubernetes/new", "consul/dst"}, map[catalog.Origin]catalog.Identity{"kubernetes/new": ""}, nil},
		{"a source elsewhere is not known", []string{"kubernetes/new", "etcd/edge"}, map[catalog.Origin]catalog.Identity{"kubernetes/new": ""}, []string{"n/left", "n/ours", "n/via"}},
		{"the same target by another name", []string{"kubernetes/src", "consul/again"}, map[catalog.Origin]catalog.Identity{"consul/again": "id:consul/dst"}, []string{"n/left"}},
		{"a target that may be the same", []string{"kubernetes/src", "consul/again"}, map[catalog.Origin]catalog.Identity{"consul/again": ""}, nil},
		{"a target that cannot be the same", []string{"kubernetes/src", "etcd/edge"}, map[catalog.Origin]catalog.Identity{"etcd/edge": ""}, []string{"n/left", "n/ours", "n/via"}},
		{"the source by another name", []string{"kubernetes/again", "consul/dst"}, map[catalog.Origin]catalog.Identity{"kubernetes/again": "id:kubernetes/src"}, []string{"n/left"}},
		{"it is not known itself", []string{"kubernetes/src", "etcd/edge"}, map[catalog.Origin]catalog.Identity{"consul/dst": ""}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := catalog.New(catalog.Policy{})
			r := &Rule{Owner: "me", From: catalog.Origin(tt.rules[0]), To: catalog.Origin(tt.rules[1])}
			for _, o := range []catalog.Origin{r.From, r.To, "consul/dst"} {
				is, said := tt.known[o]
				if !said {
					is = id(o)
				}
				if is != "" {
					c.Feed(o).Identify(is)
				}
			}
			c.Feed("consul/dst").Replace(parse(t, there))
			var got []string
			for _, m := range Orphans(c.Snapshot(), []*Rule{r}, "me", "consul/dst") {
				got = append(got, m.Key.String())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}
