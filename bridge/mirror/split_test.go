package mirror

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/catalog"
)

const twoPorts = `
service shop/web ClusterIP
	port http TCP 80
	port rpc TCP 81
	endpoint 10.1.0.1 id=a ready serving
		port http TCP 8080
		port rpc TCP 2000
	endpoint 10.1.0.2 id=b ready serving
		port http TCP 8080
`

func splitting(r *Rule) { r.Split = true }

// TestSplit holds how many mirrors an original has, and where each leads.
func TestSplit(t *testing.T) {
	for _, tt := range []struct {
		name, source string
		rule         func(*Rule)
		want         string
	}{
		{"a mirror for each port", twoPorts, splitting, "shop/web-http of shop/web Headless 10.1.0.1=true 10.1.0.2=true\nshop/web-rpc of shop/web Headless 10.1.0.1=true"},
		{"unless it is not wanted", twoPorts, nil, "shop/web of shop/web Headless 10.1.0.1=true 10.1.0.2=true"},
		{"a port without a name", "service shop/web ClusterIP\n\tport \"\" TCP 80\n\tendpoint 10.1.0.1 id=a ready serving\n\t\tport \"\" TCP 80\n", splitting, "shop/web of shop/web Headless 10.1.0.1=true"},
		{"no port at all", "service shop/web ClusterIP\n\tendpoint 10.1.0.1 id=a ready serving\n", splitting, "shop/web of shop/web Headless 10.1.0.1=true"},
		{"an alias", "service shop/web ExternalName\n\talias db.example.org\n", splitting, "shop/web of shop/web ExternalName db.example.org"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := sides(t, map[catalog.Origin]string{src: tt.source, dst: ""})
			r := rule()
			if tt.rule != nil {
				tt.rule(r)
			}
			if diff := cmp.Diff(tt.want, wanted(c.Snapshot(), r).text()); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// TestSplitPlans holds what becomes of mirrors whose original, or whose rule,
// changes its ports.
func TestSplitPlans(t *testing.T) {
	held := func(w *Wanted) (all []*catalog.Service) {
		for _, s := range w.Services {
			all = append(all, s.Service())
		}
		return all
	}
	split := rule()
	splitting(split)
	const unnamed = "service shop/web ClusterIP\n\tport \"\" TCP 81\n\tendpoint 10.1.0.1 id=a ready serving\n\t\tport \"\" TCP 2000\n"
	const rpcOnly = "service shop/web ClusterIP\n\tport rpc TCP 81\n\tendpoint 10.1.0.1 id=a ready serving\n\t\tport rpc TCP 2000\n"
	for _, tt := range []struct {
		name        string
		was, is     *Rule
		source      string
		puts, gone  int
		held, stays int
	}{
		{"nothing changes", split, split, twoPorts, 0, 0, 0, 2},
		{"a port goes", split, split, rpcOnly, 0, 1, 0, 1},
		{"the ports become one without a name", split, split, unnamed, 1, 2, 0, 0},
		{"the original goes", split, split, "", 0, 2, 0, 0},
		{"the original is refused", split, split, twoPorts + "\tmeta isthmus.dev/export=perhaps\n", 0, 0, 0, 0},
		{"it is split from now on", rule(), split, twoPorts, 2, 1, 0, 0},
		{"it no longer is", split, rule(), twoPorts, 1, 0, 2, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := sides(t, map[catalog.Origin]string{src: twoPorts, dst: ""})
			c.Feed(dst).Replace(held(wanted(c.Snapshot(), tt.was)))
			c.Feed(src).Replace(parse(t, tt.source))
			s := c.Snapshot()
			p := Diff(s, wanted(s, tt.is), nil, Budget{})
			if got, want := [4]int{len(p.Puts), len(p.Deletes), len(p.Held), p.Same}, [4]int{tt.puts, tt.gone, tt.held, tt.stays}; got != want {
				t.Errorf("puts, deletes, held, same: %v, want %v", got, want)
			}
		})
	}
}
