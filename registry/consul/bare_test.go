package consul

import (
	"log/slog"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul/api"

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
	v := &view{namespace: "consul", log: slog.New(slog.DiscardHandler)}
	v.begin(feed)
	k := catalog.Key{Namespace: "consul", Name: "web"}
	web := answer{name: "web", seen: seen{index: 9, found: found{
		there: true,
		services: []*catalog.Service{
			{Key: k, Endpoints: []catalog.Endpoint{{ID: "vm"}}},
			{Key: k, Mark: &catalog.Mark{Owner: "prod", Of: "k1"}, Endpoints: []catalog.Endpoint{{ID: "a"}, {ID: "b"}}},
		},
		records: []record{{"prod", "prod-00", "a", "web", 7}, {"prod", "prod-00", "b", "web", 8}, {"dev", "dev-00", "c", "web", 6}},
	}}}
	v.strip(&web)
	v.replace(map[string]answer{"web": web})
	return v, feed
}

// TestBareView holds that of a mirror which the feed keeps bare nothing else is
// held here, and that changes of it are noticed all the same.
func TestBareView(t *testing.T) {
	v, feed := bareView()
	s := v.names["web"]
	if len(s.services) != 1 || s.services[0].Mark != nil || !slices.Equal(s.owners, []string{"prod"}) {
		t.Errorf("held are %+v and mirrors of %q", s.services, s.owners)
	}
	if held := feed.Get(catalog.Ref{Key: s.services[0].Key, Owner: "prod"}); held == nil || !held.Bare {
		t.Errorf("the feed holds %+v", held)
	}
	if len(s.records) != 1 || len(v.records["prod-00"]) != 0 || len(v.records["dev-00"]) != 1 {
		t.Errorf("records %v, by node %v", s.records, v.records)
	}
	a, b := &api.AgentService{ID: "a", Service: "web", ModifyIndex: 7}, &api.AgentService{ID: "b", Service: "web", ModifyIndex: 8}
	moved, more := &api.AgentService{ID: "b", Service: "web", ModifyIndex: 11}, &api.AgentService{ID: "d", Service: "db", ModifyIndex: 10}
	for _, tt := range []struct {
		name string
		list []*api.AgentService
		want []string
	}{
		{"the same", []*api.AgentService{a, b}, nil},
		{"one more", []*api.AgentService{a, b, more}, []string{"db"}},
		{"one changed", []*api.AgentService{a, moved}, []string{"web"}},
		{"one less", []*api.AgentService{a}, []string{"web"}},
		{"another order", []*api.AgentService{b, a}, nil},
		{"it went", nil, nil},
		{"it comes again", []*api.AgentService{a, b}, []string{"web"}},
	} {
		dirty := map[string]bool{}
		v.compare("prod-00", tt.list, dirty)
		if diff := cmp.Diff(tt.want, slices.Sorted(maps.Keys(dirty))); diff != "" {
			t.Errorf("%s: to be read (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestBareViewOfWriter holds that a bridge's view keeps all, whatever the
// catalog does.
func TestBareViewOfWriter(t *testing.T) {
	v, feed := bareView()
	writer := &view{owner: "prod", log: v.log}
	writer.begin(feed)
	s := seen{found: found{services: []*catalog.Service{{Key: catalog.Key{Namespace: "consul", Name: "web"}, Mark: &catalog.Mark{Owner: "prod", Of: "k1"}}}, records: []record{{"prod", "prod-00", "a", "web", 7}}}}
	web := answer{name: "web", seen: s}
	writer.strip(&web)
	writer.replace(map[string]answer{"web": web})
	if held := writer.names["web"]; len(held.services) != 1 || held.services[0].Bare || len(held.records) != 1 {
		t.Errorf("held is %+v", held)
	}
}

// TestBareGoes holds that a mirror which the feed keeps bare goes with its name,
// and alone.
func TestBareGoes(t *testing.T) {
	v, feed := bareView()
	k := catalog.Key{Namespace: "consul", Name: "web"}
	native := answer{name: "web", seen: seen{index: 10, found: found{there: true, services: []*catalog.Service{{Key: k, Endpoints: []catalog.Endpoint{{ID: "vm"}}}}}}}
	v.apply([]answer{native})
	if feed.Get(catalog.Ref{Key: k, Owner: "prod"}) != nil || feed.Get(catalog.Ref{Key: k}) == nil {
		t.Error("the mirror stayed, or the native service went with it")
	}
	if n := len(v.bare.sums["prod-00"]); n != 0 {
		t.Errorf("%d sums are left", n)
	}
	v.apply([]answer{{name: "web"}})
	if _, known := v.names["web"]; known || feed.Get(catalog.Ref{Key: k}) != nil {
		t.Error("the name stayed")
	}
}
