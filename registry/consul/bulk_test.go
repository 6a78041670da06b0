package consul

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul/api"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// TestReadAllIsReadByName holds that reading nodes whole tells of every name what
// asking for it does, and asks for no mirror that stands on one node.
func TestReadAllIsReadByName(t *testing.T) {
	empty(t)
	own, other := open(t, "own"), open(t, "other")
	claim(t, own)
	claim(t, other)
	var all []*catalog.Service
	for i := range 20 {
		all = append(all, mirror("own", fmt.Sprintf("m%02d", i), 3))
	}
	all[3].Endpoints[1].Ready = false
	mustPut(t, own, append(all, mirror("own", "shared", 2))...)
	mustPut(t, other, mirror("other", "shared", 1), mirror("other", "m-other", 2))
	register(t, "vm", "n1", "native", "10.2.0.1", 80, "passing")
	register(t, "vm", "n2", "m05", "10.2.0.2", 80, "critical") // beside a mirror
	node := own.layout.node("own", "m07")
	call(t, "PUT", "/v1/catalog/register", api.CatalogRegistration{Node: node, SkipNodeUpdate: true, // a user's, on a node of ours
		Service: &api.AgentService{ID: "n3", Service: "M08", Address: "10.2.0.3", Port: 80}}, nil)
	node = own.layout.node("own", "m09")
	call(t, "PUT", "/v1/catalog/register", api.CatalogRegistration{Node: node, SkipNodeUpdate: true,
		Check: &api.AgentCheck{Node: node, CheckID: "_node_maintenance", Name: "m", Status: "critical"}}, nil)
	for _, owner := range []string{"own", "reader"} {
		byName, whole := readBoth(t, open(t, owner))
		if diff := gocmp.Diff(described(byName), described(whole)); diff != "" {
			t.Errorf("%s: by name, and by nodes:\n%s", owner, diff)
		}
		for _, a := range whole {
			alone := a.index == 0
			if mirrored := strings.HasPrefix(a.name, "m") && a.name != "m05" && a.name != "m08"; alone != mirrored {
				t.Errorf("%s: %q was read with its node: %v", owner, a.name, alone)
			}
		}
	}
}

// TestWritesAfterBulk holds that a writer which read everything without its checks
// asks for those of what it writes, and sees what became of them.
func TestWritesAfterBulk(t *testing.T) {
	empty(t)
	was := open(t, "bulk")
	claim(t, was)
	web, gone, theirs := mirror("bulk", "web", 3), mirror("bulk", "gone", 2), mirror("bulk", "theirs", 2)
	mustPut(t, was, web, gone, theirs)

	now := open(t, "bulk")
	claim(t, now)
	snap := watching(t, now).Snapshot()
	for _, s := range []*catalog.Service{web, gone, theirs} {
		if s.Version = get(snap, s.Name, "bulk").Version; !lacksChecks(s.Version) {
			t.Fatalf("%q was read with its checks: %q", s.Name, s.Version)
		}
	}
	there := entries(t, "web")
	call(t, "PUT", "/v1/catalog/deregister", api.CatalogDeregistration{Node: there[2].Node.Node, CheckID: there[2].Checks[0].CheckID}, nil)
	other := entries(t, "theirs")[0]
	other.Service.Address = "10.254.254.254"
	call(t, "PUT", "/v1/catalog/register", api.CatalogRegistration{Node: other.Node.Node, SkipNodeUpdate: true, Service: other.Service}, nil)

	at := slices.IndexFunc(web.Endpoints, func(e catalog.Endpoint) bool { return e.ID == there[0].Service.Meta[metaID] })
	web.Endpoints[at].Ready, theirs.Endpoints[0].Ready = false, false
	results := now.Put(t.Context(), []*catalog.Service{web, theirs})
	if results[0].Err != nil || !errors.Is(results[1].Err, registry.ErrConflict) || lacksChecks(results[0].Version) {
		t.Errorf("Put of what stands, and of what a stranger changed = %+v", results)
	}
	for i, e := range entries(t, "web") {
		if e.Service.ModifyIndex != there[i].Service.ModifyIndex || len(e.Checks) != 1 {
			t.Errorf("instance %d was written, or has %d checks", i, len(e.Checks))
		}
		if written := e.Checks[0].ModifyIndex != there[i].Checks[0].ModifyIndex; written != (i != 1) {
			t.Errorf("check %d was written: %v", i, written)
		}
	}
	if r := now.Delete(t.Context(), []*catalog.Service{gone})[0]; r.Err != nil || len(entries(t, "gone")) > 0 {
		t.Errorf("Delete of what was read without its checks = %v", r.Err)
	}
}

// readBoth reads all names in both ways.
func readBoth(t *testing.T, c *consul) (byName, whole []answer) {
	t.Helper()
	c.view.begin(catalog.New(catalog.Policy{}).Feed("consul/test"))
	defer c.view.end()
	id, err := c.client.identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w := &watch{client: c.client, id: id, layout: c.layout, view: &c.view}
	l, err := w.list(t.Context())
	if err == nil && l.names == nil {
		l.names, err = w.listNames(t.Context(), "")
	}
	if err == nil {
		byName, err = w.read(t.Context(), keys(l.names))
	}
	if err == nil {
		whole, _, err = w.readAll(t.Context(), l)
	}
	if err != nil {
		t.Fatal(err)
	}
	return byName, whole
}

// described is what answers say, but for the index of their name and for checks in
// versions.
func described(all []answer) []string {
	var lines []string
	for _, a := range all {
		line := fmt.Sprintf("%s there=%v told=%v refused=%v sums=%v\n", a.name, a.there, a.told, a.refused, a.sums)
		for _, p := range a.packed {
			s := *p.service()
			s.Version = withoutChecks(s.Version)
			line += s.Text()
		}
		lines = append(lines, line)
	}
	slices.SortFunc(lines, func(a, b string) int { return cmp.Compare(strings.ToLower(a), strings.ToLower(b)) })
	return lines
}
