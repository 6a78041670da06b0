package consul

import (
	"hash/maphash"
	"log/slog"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/catalog"
)

// bareView is a reader's view of one mirror with two records, whose original
// is at hand, and of a native service of the same name.
func bareView() (*view, *catalog.Feed) {
	c := catalog.New(catalog.Policy{Origins: []catalog.OriginPolicy{{Origin: "kubernetes/a", Speaks: true}, {Origin: "consul/b", Bare: true}}})
	cluster := c.Feed("kubernetes/a")
	cluster.Identify("k1")
	cluster.Replace(nil)
	feed := c.Feed("consul/b")
	v := &view{namespace: "consul", seed: maphash.MakeSeed(), log: slog.New(slog.DiscardHandler)}
	v.begin(feed)
	k := catalog.Key{Namespace: "consul", Name: "web"}
	web := found{
		there: true,
		services: []*catalog.Service{
			{Key: k, Endpoints: []catalog.Endpoint{{ID: "vm"}}},
			{Key: k, Mark: &catalog.Mark{Owner: "prod", Of: "k1"}, Endpoints: []catalog.Endpoint{{ID: "a"}, {ID: "b"}}},
		},
		records: []record{{"prod", "prod-00", "a", "web", 7}, {"prod", "prod-00", "b", "web", 8}, {"dev", "dev-00", "c", "web", 6}},
	}
	v.replace(map[string]answer{"web": v.answerOf("web", 0, 9, web)})
	return v, feed
}

// TestBareView holds that of a mirror which the feed keeps bare nothing else is
// held here, and that changes of it are noticed all the same.
func TestBareView(t *testing.T) {
	v, feed := bareView()
	if got, want := v.names["web"].told, []told{{"", false}, {"prod", true}}; !slices.Equal(got, want) {
		t.Errorf("told is %v, want %v", got, want)
	}
	if held := feed.Get(v.ref("web", "prod")); held == nil || !held.Bare {
		t.Errorf("the feed holds %+v", held)
	}
	a, b := stands{ID: "a", Service: "web", ModifyIndex: 7}, stands{ID: "b", Service: "web", ModifyIndex: 8}
	moved, more := stands{ID: "b", Service: "web", ModifyIndex: 11}, stands{ID: "d", Service: "db", ModifyIndex: 10}
	for _, tt := range []struct {
		name string
		list []stands
		want []string
	}{
		{"the same", []stands{a, b}, nil},
		{"one more", []stands{a, b, more}, []string{"db"}},
		{"one changed", []stands{a, moved}, []string{"web"}},
		{"one less", []stands{a}, []string{"web"}},
		{"another order", []stands{b, a}, nil},
		{"it went", nil, []string{"web"}},
		{"it came again", []stands{a, b}, nil},
	} {
		dirty := map[string]bool{}
		v.compare("prod-00", tt.list, dirty)
		if diff := cmp.Diff(tt.want, slices.Sorted(maps.Keys(dirty))); diff != "" {
			t.Errorf("%s: to be read (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestOn holds that a check makes the names be read that it judges, but for
// mirrors that the feed holds bare.
func TestOn(t *testing.T) {
	v, _ := bareView()
	for _, tt := range []struct {
		name, node, service string
		want                []string
	}{
		{"an instance", "dev-00", "Web", []string{"web"}},
		{"a node", "dev-00", "", []string{"web"}},
		{"a bare mirror's instance", "prod-00", "web", nil},
		{"a bare mirror's node", "prod-00", "", nil},
		{"a name that is not there", "dev-00", "db", nil},
		{"a node of users", "vm", "web", nil},
	} {
		dirty := map[string]bool{}
		v.on(tt.node, tt.service, dirty)
		if diff := cmp.Diff(tt.want, slices.Sorted(maps.Keys(dirty))); diff != "" {
			t.Errorf("%s: to be read (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestWriteLeavesOthers holds that a write takes over what its owner has under a
// name, and nothing of others.
func TestWriteLeavesOthers(t *testing.T) {
	v, feed := bareView()
	v.owner = "prod"
	k := catalog.Key{Namespace: "consul", Name: "web"}
	v.wrote(map[string]found{"web": {
		services: []*catalog.Service{{Key: k, Mark: &catalog.Mark{Owner: "prod", Of: "k1"}, Version: "2"}},
		records:  []record{{"prod", "prod-01", "a", "web", 12}},
	}}, nil)
	for node, want := range map[string]int{"prod-00": 0, "prod-01": 1, "dev-00": 1} {
		if got := len(v.sums.nodes[node].names); got != want {
			t.Errorf("%d names on %q, want %d", got, node, want)
		}
	}
	if is, known := v.stands("web", "2"); !is || !known {
		t.Errorf("stands = %v, %v", is, known)
	}
	if is, _ := v.stands("web", "1"); is {
		t.Error("another version stands, too")
	}
	v.wrote(map[string]found{"web": {}}, []string{"prod-01"})
	if got := v.names["web"].told; !slices.Equal(got, []told{{"", false}}) {
		t.Errorf("told is %v after the mirror's end", got)
	}
	if feed.Get(v.ref("web", "prod")) != nil || feed.Get(v.ref("web", "")) == nil {
		t.Error("the mirror stayed, or the native service went with it")
	}
}

// TestWroteLast holds that a node is told to be as this process left it: by the
// index that a write got, and by the next one that is seen after something was
// removed, of which Consul tells no index.
func TestWroteLast(t *testing.T) {
	v, _ := bareView()
	v.owner = "prod"
	put := found{records: []record{{"prod", "prod-01", "a", "web", 12}}}
	for _, tt := range []struct {
		what  string
		freed []string
		index uint64
		want  bool
	}{
		{"put", nil, 12, true},
		{"somebody else's", nil, 13, false},
		{"removed", []string{"prod-01"}, 14, true},
		{"the same again", nil, 14, true},
		{"somebody else's after it", nil, 15, false},
		{"removed elsewhere", []string{"prod-02"}, 16, false},
	} {
		v.wrote(map[string]found{"web": put}, tt.freed)
		if got := v.wroteLast("prod-01", tt.index); got != tt.want {
			t.Errorf("%s: wrote last = %v, want %v", tt.what, got, tt.want)
		}
	}
}

// TestBareGoes holds that a mirror which the feed keeps bare goes with its name,
// and alone.
func TestBareGoes(t *testing.T) {
	v, feed := bareView()
	k := catalog.Key{Namespace: "consul", Name: "web"}
	native := found{there: true, services: []*catalog.Service{{Key: k, Endpoints: []catalog.Endpoint{{ID: "vm"}}}}}
	v.apply([]answer{v.answerOf("web", 0, 10, native)})
	if feed.Get(catalog.Ref{Key: k, Owner: "prod"}) != nil || feed.Get(catalog.Ref{Key: k}) == nil {
		t.Error("the mirror stayed, or the native service went with it")
	}
	if n := len(v.sums.nodes["prod-00"].names); n != 0 {
		t.Errorf("%d sums are left", n)
	}
	v.apply([]answer{{name: "web"}})
	if _, known := v.names["web"]; known || feed.Get(catalog.Ref{Key: k}) != nil {
		t.Error("the name stayed")
	}
}
