package mirror

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
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
		{"the ports become one without a name", split, split, unnamed, 1, 0, 2, 0},
		{"the original goes", split, split, "", 0, 2, 0, 0},
		{"the original is refused", split, split, twoPorts + "\tmeta isthmus.dev/export=perhaps\n", 0, 0, 0, 0},
		{"it is split from now on", rule(), split, twoPorts, 2, 0, 1, 0},
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

// TestSplitInTheWay holds that what is in the way of one port's mirror lets no
// old one go that it would take the place of, and the others do.
func TestSplitInTheWay(t *testing.T) {
	const (
		there  = "\tmark owner=me of=id:kubernetes/src key=shop/web format=1\n\tendpoint 10.1.0.1 id=a ready serving\n"
		http   = "\tport http TCP 80\n" + there + "\t\tport http TCP 8080\n\tendpoint 10.1.0.2 id=b ready serving\n\t\tport http TCP 8080\n"
		rpc    = "\tport rpc TCP 81\n" + there + "\t\tport rpc TCP 2000\n"
		both   = "\tport http TCP 80\n\tport rpc TCP 81\n" + there
		native = " Headless version=7\n"
	)
	refuse := func(s *catalog.Service) (*catalog.Service, error) {
		if strings.HasSuffix(s.Name, "-rpc") {
			return nil, registry.ErrInvalid
		}
		return s, nil
	}
	for _, tt := range []struct {
		name, found string
		canon       MirrorOf
		rule        func(*Rule)
		want        string
	}{
		{"split from now on, one name is taken", "service shop/web Headless\n" + both + "service shop/web-http" + native, asIs, nil,
			"put shop/web-rpc\nhold shop/web\ntaken shop/web-http: a native service has the name"},
		{"split from now on, the other name is there", "service shop/web Headless\n" + both + "service shop/web-rpc Headless\n" + rpc + "service shop/web-http" + native, asIs, nil,
			"hold shop/web\ntaken shop/web-http: a native service has the name"},
		{"split from now on, all are there", "service shop/web Headless\n" + both + "service shop/web-rpc Headless\n" + rpc + "service shop/web-http Headless\n" + http, asIs, nil, "delete shop/web"},
		{"split from now on, one is refused", "service shop/web Headless\n" + both + "service shop/web-http Headless\n" + http, refuse, nil, ""},
		{"one is refused that stands", "service shop/web-http Headless\n" + http + "service shop/web-rpc Headless\n" + rpc, refuse, nil, ""},
		{"of new names one is refused, the other is there", "service shop/web-http Headless\n" + http + "service shop/web-rpc Headless\n" + rpc + "service shop/x-web-http Headless\n" + http, refuse, naming("shop", "x-{service}"),
			"delete shop/web-http"},
		{"of new names one is taken, the other is there", "service shop/web-http Headless\n" + http + "service shop/web-rpc Headless\n" + rpc + "service shop/x-web-http Headless\n" + http + "service shop/x-web-rpc" + native, asIs, naming("shop", "x-{service}"),
			"delete shop/web-http\nhold shop/web-rpc\ntaken shop/x-web-rpc: a native service has the name"},
		{"a port has another name, which is taken", "service shop/web-http Headless\n" + http + "service shop/web-old Headless\n" + strings.ReplaceAll(rpc, "rpc", "old") + "service shop/web-rpc" + native, asIs, nil,
			"hold shop/web-old\ntaken shop/web-rpc: a native service has the name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, r := sides(t, map[catalog.Origin]string{src: twoPorts, dst: tt.found}).Snapshot(), rule()
			splitting(r)
			if tt.rule != nil {
				tt.rule(r)
			}
			p := Diff(s, Desired(s, r, MirrorsOf(s, r, tt.canon)), nil, Budget{})
			if diff := cmp.Diff(tt.want, strings.ReplaceAll(strings.ReplaceAll(p.text(), " at 7", ""), " at ", "")); diff != "" {
				t.Errorf("plan: -want +got\n%s", diff)
			}
		})
	}
}
