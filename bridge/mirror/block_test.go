package mirror

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/isthmus-dns/isthmus/catalog"
)

const shops = `
service shop/web ClusterIP
	addr 10.0.0.1
	meta label:tier=front
	endpoint 10.1.0.1 id=a ready serving
service shop/db ClusterIP
	addr 10.0.0.2
	meta label:tier=back
	endpoint 10.1.0.2 id=a ready serving
service ops/web ClusterIP
	addr 10.0.0.3
	endpoint 10.1.0.3 id=a ready serving
`

// TestBlocks holds which block counts for an original, and what it says.
func TestBlocks(t *testing.T) {
	const same = "ops/web of ops/web Headless 10.1.0.3=true\nshop/db of shop/db Headless 10.1.0.2=true\nshop/web of shop/web Headless 10.1.0.1=true"
	label := func(text string) labels.Selector {
		s, err := labels.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	block := func(b Block, otherwise func(*Rule)) func(*Rule) {
		return func(r *Rule) {
			own := *r
			own.Blocks = nil
			otherwise(&own)
			b.Rule = &own
			r.Blocks = append(r.Blocks, b)
		}
	}
	virtual, off := address(Virtual), func(r *Rule) { r.OptIn = true }
	for _, tt := range []struct {
		name  string
		rules []func(*Rule)
		want  string
	}{
		{"none", nil, same},
		{"that selects nothing", []func(*Rule){block(Block{Names: []string{"nobody"}}, virtual)}, same},
		{"by namespace", []func(*Rule){block(Block{Namespaces: []string{"shop*"}}, virtual)},
			"ops/web of ops/web Headless 10.1.0.3=true\nshop/db of shop/db Headless 10.0.0.2=true\nshop/web of shop/web Headless 10.0.0.1=true"},
		{"by name", []func(*Rule){block(Block{Names: []string{"!db"}}, virtual)},
			"ops/web of ops/web Headless 10.0.0.3=true\nshop/db of shop/db Headless 10.1.0.2=true\nshop/web of shop/web Headless 10.0.0.1=true"},
		{"by both", []func(*Rule){block(Block{Namespaces: []string{"shop"}, Names: []string{"web"}}, virtual)},
			"ops/web of ops/web Headless 10.1.0.3=true\nshop/db of shop/db Headless 10.1.0.2=true\nshop/web of shop/web Headless 10.0.0.1=true"},
		{"by label", []func(*Rule){block(Block{Labels: label("tier in (back)")}, virtual)},
			"ops/web of ops/web Headless 10.1.0.3=true\nshop/db of shop/db Headless 10.0.0.2=true\nshop/web of shop/web Headless 10.1.0.1=true"},
		{"the first one counts, and it alone", []func(*Rule){block(Block{Names: []string{"web"}}, naming("n", "{service}-{namespace}")), block(Block{Namespaces: []string{"shop"}}, virtual)},
			"n/web-ops of ops/web Headless 10.1.0.3=true\nn/web-shop of shop/web Headless 10.1.0.1=true\nshop/db of shop/db Headless 10.0.0.2=true"},
		{"one that says nothing keeps off the next", []func(*Rule){block(Block{Names: []string{"db"}}, func(*Rule) {}), block(Block{}, off)}, "shop/db of shop/db Headless 10.1.0.2=true"},
		{"names of different blocks collide", []func(*Rule){block(Block{Namespaces: []string{"ops"}}, naming("n", "web")), block(Block{Namespaces: []string{"shop"}, Names: []string{"web"}}, naming("n", "{service}"))},
			"n/web of ops/web Headless 10.1.0.3=true\nshop/db of shop/db Headless 10.1.0.2=true\ntaken shop/web: the name goes to kubernetes/src \"ops/web\""},
		{"what the rule leaves out no block brings back", []func(*Rule){func(r *Rule) { r.Namespaces = []string{"shop"} }, block(Block{}, func(r *Rule) { r.Namespaces = nil })},
			"shop/db of shop/db Headless 10.1.0.2=true\nshop/web of shop/web Headless 10.1.0.1=true"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := sides(t, map[catalog.Origin]string{src: shops, dst: ""})
			r := rule()
			for _, do := range tt.rules {
				do(r)
			}
			if diff := cmp.Diff(tt.want, wanted(c.Snapshot(), r).text()); diff != "" {
				t.Errorf("Desired: -want +got\n%s", diff)
			}
		})
	}
}

// TestBlockPlans holds what becomes of a mirror when another block counts for
// its original from now on, as when a label of it changes.
func TestBlockPlans(t *testing.T) {
	split, plainly := rule(), rule()
	blocks("web", splitting)(split)
	for _, tt := range []struct {
		name, found string
		rule        *Rule
		want        string
	}{
		{"split from now on", twoPorts, split, "put shop/web-http\nput shop/web-rpc\nhold shop/web"},
		{"split already", "split", split, ""},
		{"no longer", "split", plainly, "put shop/web\nhold shop/web-http\nhold shop/web-rpc"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := sides(t, map[catalog.Origin]string{src: twoPorts, dst: ""})
			was := plainly
			if tt.found == "split" {
				was = split
			}
			var there []*catalog.Service
			for _, m := range wanted(c.Snapshot(), was).Services {
				there = append(there, m.Service())
			}
			c.Feed(dst).Replace(there)
			s := c.Snapshot()
			got := strings.ReplaceAll(Diff(s, wanted(s, tt.rule), nil, Budget{}).text(), " at ", "")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("plan: -want +got\n%s", diff)
			}
		})
	}
}
